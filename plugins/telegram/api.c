/* api: a URL, a request, and the one shape that all answers have. */
#include "plugins/telegram/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UPDATES_MAX (32u << 20) /* a hundred of them, and no more than that */
#define FETCH_MS    300000

struct telegram_api {
	struct http_client *http;
	const char *base, *token; /* borrowed */
	struct telegram_call *calls;
};

struct telegram_call {
	struct telegram_api *api; /* borrowed */
	struct telegram_call *next, *previous;
	struct http_call *http; /* borrowed; gone when it is done */
	telegram_done *done;
	void *arg; /* borrowed */
	bool fetch;
};

struct telegram_api *telegram_api_new(
    const struct agentd_host *host, const char *api_base, const char *token)
{
	struct telegram_api *api = calloc(1, sizeof(*api));
	if (!api)
		return NULL;
	*api = (struct telegram_api){
		.http = http_client_new(host), .base = api_base, .token = token
	};
	if (api->http)
		return api;
	free(api);
	return NULL;
}

static void call_free(struct telegram_call *call)
{
	if (call->next)
		call->next->previous = call->previous;
	if (call->previous)
		call->previous->next = call->next;
	else
		call->api->calls = call->next;
	free(call);
}

void telegram_api_free(struct telegram_api *api)
{
	if (!api)
		return;
	while (api->calls) /* those that nobody minds, too */
		telegram_call_cancel(api->calls);
	http_client_free(api->http);
	free(api);
}

/* What an answer says. */

/* One line, without the token, whoever has put it there. */
static void set_error(struct telegram_outcome *outcome, const struct telegram_call *call,
    unsigned code, const char *text)
{
	if (strstr(text, call->api->token))
		text = "(it has the bot token in it)";
	if (code)
		snprintf(outcome->error, sizeof(outcome->error), "%u %s", code, text);
	else
		snprintf(outcome->error, sizeof(outcome->error), "%s", text);
	for (char *c = outcome->error; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	outcome->code = code;
}

static void read_error(struct telegram_outcome *outcome, const struct telegram_call *call,
    unsigned status, const json_t *json)
{
	const json_t *parameters = json_object_get(json, "parameters");
	const json_t *after = json_object_get(parameters, "retry_after");
	const char *description = json_string_value(json_object_get(json, "description"));
	json_int_t code = json_integer_value(json_object_get(json, "error_code"));
	outcome->from_api = true;
	outcome->moved_to = json_integer_value(json_object_get(parameters, "migrate_to_chat_id"));
	if (json_number_value(after) > 0 && json_number_value(after) < 1e9)
		outcome->retry_after_ms = (uint64_t)(json_number_value(after) * 1000);
	set_error(outcome, call, code >= 400 && code < 1000 ? (unsigned)code : status,
	    description ? description : "(no description)");
}

/* True: the answer is one of the Bot API. */
static bool read_json(struct telegram_outcome *outcome, const struct telegram_call *call,
    unsigned status, const json_t *json)
{
	const json_t *ok = json_object_get(json, "ok");
	if (json_is_true(ok) && json_object_get(json, "result") && status == 200) {
		outcome->code = 200;
		outcome->from_api = true;
		outcome->result = json_object_get(json, "result");
	} else if (json_is_false(ok) && status != 200)
		read_error(outcome, call, status, json);
	else
		return false;
	return true;
}

static void on_done(void *arg, const struct http_answer *answer)
{
	struct telegram_call *call = arg;
	struct telegram_outcome outcome = { 0 };
	bool fetched = call->fetch && answer->status == 200;
	json_t *json = answer->status && !fetched
			   ? json_loadb(answer->body.p, answer->body.n, JSON_ALLOW_NUL, NULL)
			   : NULL;
	if (!answer->status)
		set_error(&outcome, call, 0, answer->error);
	else if (fetched)
		outcome.code = 200;
	else if (!read_json(&outcome, call, answer->status, json)) {
		set_error(&outcome, call, answer->status, "(not an answer of the Bot API)");
		outcome.code = answer->status == 200 ? 0 : answer->status;
	}
	call->done(call->arg, &outcome);
	json_decref(json);
	call_free(call);
}

bool telegram_is_refused(const struct telegram_outcome *outcome)
{
	return outcome->from_api && (outcome->code == 401 || outcome->code == 404);
}

bool telegram_is_trouble(const struct telegram_outcome *outcome)
{
	return !outcome->from_api || outcome->code == 429 || outcome->code >= 500;
}

/* Requests. */

/* The URL is taken over. NULL: memory is out. */
static struct telegram_call *begin(struct telegram_api *api, struct http_request *request,
    char *url, telegram_done *done, void *arg)
{
	struct telegram_call *call = url ? calloc(1, sizeof(*call)) : NULL;
	if (call) {
		*call = (struct telegram_call){
			.api = api,
			.next = api->calls,
			.done = done,
			.arg = arg,
			.fetch = request->save_to != NULL,
		};
		if (call->next)
			call->next->previous = call;
		api->calls = call;
		request->url = url;
		request->done = on_done;
		request->arg = call;
		call->http = http_send(api->http, request);
		if (!call->http) {
			call_free(call);
			call = NULL;
		}
	}
	free(url);
	return call;
}

static char *method_url(const struct telegram_api *api, const char *method)
{
	char *url;
	return asprintf(&url, "%s/bot%s/%s", api->base, api->token, method) < 0 ? NULL : url;
}

struct telegram_call *telegram_api_call(struct telegram_api *api, const char *method, json_t *body,
    int64_t timeout_ms, telegram_done *done, void *arg)
{
	static const char *const headers[] = { "Content-Type: application/json", NULL };
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct telegram_call *call = NULL;
	json_decref(body);
	if (text) {
		struct http_request request = { .headers = headers,
			.body = agentd_text(text, strlen(text)),
			.timeout_ms = timeout_ms,
			.answer_max = UPDATES_MAX };
		call = begin(api, &request, method_url(api, method), done, arg);
	}
	free(text);
	return call;
}

struct telegram_call *telegram_api_post(struct telegram_api *api, const char *method,
    const struct http_part *parts, size_t part_count, int64_t timeout_ms, telegram_done *done,
    void *arg)
{
	struct http_request request = {
		.parts = parts, .part_count = part_count, .timeout_ms = timeout_ms
	};
	return begin(api, &request, method_url(api, method), done, arg);
}

/* Whatever the server calls its files, it stays behind our prefix. */
static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.' || c == '~' || c == '/';
}

static char *file_url(const struct telegram_api *api, const char *path)
{
	size_t head = strlen(api->base) + strlen(api->token) + sizeof("/file/bot/");
	size_t size = head + 3 * strlen(path) + 1;
	char *url = malloc(size);
	if (!url)
		return NULL;
	size_t n = (size_t)snprintf(url, size, "%s/file/bot%s/", api->base, api->token);
	for (; *path; path++)
		n += (size_t)snprintf(
		    url + n, size - n, is_plain(*path) ? "%c" : "%%%02X", (unsigned char)*path);
	return url;
}

struct telegram_call *telegram_api_fetch(struct telegram_api *api, const char *file_path,
    const char *save_to, size_t most, telegram_done *done, void *arg)
{
	struct http_request request = {
		.save_to = save_to, .answer_max = most, .timeout_ms = FETCH_MS
	};
	return begin(api, &request, file_url(api, file_path), done, arg);
}

void telegram_call_cancel(struct telegram_call *call)
{
	if (!call)
		return;
	http_cancel(call->http);
	call_free(call);
}
