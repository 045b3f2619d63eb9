/* api: paths become URLs, and answers become lines. */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

struct signal_api {
	struct http_client *http;
	char *base_url; /* owned, without a "/" at its end */
	char *number;   /* owned */
};

struct signal_api *signal_api_new(
    const struct agentd_host *host, const char *base_url, const char *number)
{
	size_t n = strlen(base_url);
	struct signal_api *api = calloc(1, sizeof(*api));
	if (!api)
		return NULL;
	while (n && base_url[n - 1] == '/')
		n--;
	api->base_url = strndup(base_url, n);
	api->number = strdup(number);
	api->http = http_client_new(host);
	if (!api->base_url || !api->number || !api->http) {
		signal_api_free(api);
		return NULL;
	}
	return api;
}

void signal_api_free(struct signal_api *api)
{
	if (!api)
		return;
	http_client_free(api->http);
	free(api->base_url);
	free(api->number);
	free(api);
}

/* What comes from outside may not change the path: all but letters and digits is escaped. */
static void put_escaped(FILE *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if ((*p >= '0' && *p <= '9') || ((*p | 32) >= 'a' && (*p | 32) <= 'z') ||
		    (*p && strchr("-_.~", *p) && strcmp(text, ".") != 0 && strcmp(text, "..") != 0))
			putc(*p, out);
		else
			fprintf(out, "%%%02X", *p);
}

static char *url_new(
    const char *base_url, const struct signal_api *api, const char *path, const char *id)
{
	char *url = NULL;
	size_t n;
	FILE *out = open_memstream(&url, &n);
	if (!out)
		return NULL;
	fputs(base_url, out);
	while (*path) {
		if (strncmp(path, "{n}", 3) == 0) {
			put_escaped(out, api->number);
			path += 3;
		} else if (strncmp(path, "{id}", 4) == 0) {
			put_escaped(out, id);
			path += 4;
		} else {
			putc(*path++, out);
		}
	}
	int failed = ferror(out);
	if (fclose(out) == 0 && !failed)
		return url;
	free(url);
	return NULL;
}

char *signal_api_socket_url(const struct signal_api *api, const char *path)
{
	/* http://… is ws://…, https://… is wss://…: what differs is in front. */
	char *base_url = NULL, *url = NULL;
	if (asprintf(&base_url, "ws%s", api->base_url + strlen("http")) < 0)
		return NULL;
	url = url_new(base_url, api, path, "");
	free(base_url);
	return url;
}

struct http_call *signal_api_send(struct signal_api *api, const struct signal_api_request *request)
{
	static const char *const json_headers[] = { "Content-Type: application/json", NULL };
	char *url = url_new(api->base_url, api, request->path, request->id);
	if (!url)
		return NULL;
	struct http_request http = {
		.method = request->method,
		.url = url,
		.headers = request->json ? json_headers : NULL,
		.body = agentd_text(request->json, request->json ? strlen(request->json) : 0),
		.timeout_ms = request->timeout_ms,
		.answer_max = request->answer_max,
		.save_to = request->save_to,
		.data = request->data,
		.done = request->done,
		.arg = request->arg,
	};
	struct http_call *call = http_send(api->http, &http);
	free(url);
	return call;
}

json_t *signal_api_json(const struct http_answer *answer)
{
	return json_loadb(
	    answer->body.n ? answer->body.p : "", answer->body.n, JSON_ALLOW_NUL, NULL);
}

bool signal_api_succeeded(const struct http_answer *answer, char why[SIGNAL_WHY_SIZE])
{
	char words[SIGNAL_WHY_SIZE - 24];
	*why = '\0';
	if (answer->status >= 200 && answer->status < 300)
		return true;
	if (!answer->status) {
		snprintf(why, SIGNAL_WHY_SIZE, "%s", answer->error);
		return false;
	}
	json_t *body = signal_api_json(answer);
	const char *error = json_string_value(json_object_get(body, "error"));
	signal_output_words(error ? error : "", words, sizeof(words));
	json_decref(body);
	snprintf(why, SIGNAL_WHY_SIZE, "status %u%s%s", answer->status, *words ? ": " : "", words);
	return false;
}
