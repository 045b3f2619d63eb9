/* rest: one call of the HTTP client each, and what its answer says of limits and errors. */
#include "rest.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bucket.h"

#define FILES_MAX     10
#define ERROR_SIZE    600
#define DETAIL_SIZE   240
#define ANSWER_MAX    (1u << 20)
#define AUTHORIZATION "Authorization: Bot "
#define USER_AGENT    "User-Agent: DiscordBot (agentd, 0.1.0)" /* Discord asks for that form */

struct discord_rest {
	const struct agentd_host *host; /* borrowed */
	struct http_client *http;
	char *api_base, *authorization;
	struct discord_buckets buckets;
	struct discord_call *calls; /* that are under way */
};

struct discord_call {
	struct discord_rest *rest; /* borrowed */
	struct discord_call *next;
	struct http_call *http;
	char route[DISCORD_ROUTE_MAX];
	void (*done)(void *arg, const struct discord_answer *answer);
	void *arg; /* borrowed */
};

struct discord_rest *discord_rest_new(
    const struct agentd_host *host, const char *api_base, const char *token)
{
	struct discord_rest *rest = calloc(1, sizeof(*rest));
	if (!rest)
		return NULL;
	rest->host = host;
	rest->http = http_client_new(host);
	rest->api_base = strdup(api_base);
	if (asprintf(&rest->authorization, AUTHORIZATION "%s", token) < 0)
		rest->authorization = NULL;
	if (!rest->http || !rest->api_base || !rest->authorization) {
		discord_rest_free(rest);
		return NULL;
	}
	return rest;
}

void discord_rest_free(struct discord_rest *rest)
{
	if (!rest)
		return;
	http_client_free(rest->http);
	while (rest->calls) {
		struct discord_call *call = rest->calls;
		rest->calls = call->next;
		free(call);
	}
	if (rest->authorization)
		explicit_bzero(rest->authorization, strlen(rest->authorization));
	free(rest->authorization);
	free(rest->api_base);
	free(rest);
}

uint64_t discord_rest_wait_ms(const struct discord_rest *rest, const char *path)
{
	return discord_buckets_wait_ms(&rest->buckets, path, rest->host->now_ms(rest->host));
}

/* Frees it. The HTTP call is over, or has been given up. */
static void call_free(struct discord_call *call)
{
	struct discord_call **at = &call->rest->calls;
	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	free(call);
}

void discord_rest_cancel(struct discord_call *call)
{
	if (!call)
		return;
	http_cancel(call->http);
	call_free(call);
}

/* Untrusted text, on one line, without the token, whoever has put it there. */
static void put_line(const struct discord_rest *rest, char *to, size_t size, const char *text)
{
	bool tells = strstr(text, rest->authorization + strlen(AUTHORIZATION)) != NULL;
	snprintf(to, size, "%s", tells ? "(it has the bot token in it)" : text);
	for (char *c = to; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
}

/* "403: Missing Permissions (50013)", with the fields that are wrong of a form that is. */
static void put_error(
    const struct discord_rest *rest, char *to, size_t size, unsigned status, const json_t *body)
{
	char message[DETAIL_SIZE] = "", detail[DETAIL_SIZE] = "", code[32] = "";
	const char *said = json_string_value(json_object_get(body, "message"));
	json_int_t number = json_integer_value(json_object_get(body, "code"));
	char *errors = json_dumps(json_object_get(body, "errors"), JSON_COMPACT);
	put_line(rest, message, sizeof(message), said ? said : "no reason given");
	put_line(rest, detail, sizeof(detail), errors ? errors : "");
	if (number)
		snprintf(code, sizeof(code), " (%lld)", (long long)number);
	snprintf(to, size, "%u: %s%s%s%s", status, message, code, *detail ? " " : "", detail);
	free(errors);
}

static void learn(struct discord_call *call, const struct http_answer *http, const json_t *body)
{
	struct discord_rest *rest = call->rest;
	struct discord_limit limit = {
		.status = http->status,
		.remaining = http_answer_header(http, "X-RateLimit-Remaining"),
		.reset_after = http_answer_header(http, "X-RateLimit-Reset-After"),
		.retry_after = http_answer_header(http, "Retry-After"),
		.body_retry_after = json_number_value(json_object_get(body, "retry_after")),
		/* One that is not of the API itself is of what stands before it, and meant for all. */
		.global = !body || http_answer_header(http, "X-RateLimit-Global") ||
			  json_is_true(json_object_get(body, "global")),
	};
	discord_buckets_learn(&rest->buckets, call->route, &limit, rest->host->now_ms(rest->host));
}

static void on_answer(void *arg, const struct http_answer *http)
{
	struct discord_call *call = arg;
	struct discord_rest *rest = call->rest;
	char error[ERROR_SIZE];
	json_t *body = json_loadb(http->body.p ? http->body.p : "", http->body.n, 0, NULL);
	struct discord_answer answer = { .status = http->status, .body = body };
	if (http->status == 0) {
		put_line(rest, error, sizeof(error), http->error ? http->error : "no answer");
		answer.error = error;
	} else {
		learn(call, http, body);
		put_error(rest, error, sizeof(error), http->status, body);
		answer.error = http->status / 100 == 2 ? NULL : error;
	}
	if (http->status == 429)
		answer.retry_after_ms = discord_rest_wait_ms(rest, call->route);
	void (*done)(void *, const struct discord_answer *) = call->done;
	void *done_arg = call->arg;
	call_free(call);
	if (answer.status == 401)
		rest->host->fatal(rest->host, "Discord refuses the bot token (401)");
	done(done_arg, &answer);
	json_decref(body);
}

/* The JSON and the files, as one form. */
static void put_parts(
    struct http_part *parts, char (*names)[16], const struct discord_request *request)
{
	parts[0] = (struct http_part){
		.name = "payload_json",
		.text = agentd_text(request->json, strlen(request->json)),
		.mime_type = "application/json",
	};
	for (size_t i = 0; i < request->file_count; i++) {
		snprintf(names[i], sizeof(names[i]), "files[%u]", (unsigned)i);
		parts[1 + i] = (struct http_part){
			.name = names[i],
			.path = request->files[i].path,
			.file_name = request->files[i].name,
			.mime_type = request->files[i].mime_type,
		};
	}
}

struct discord_call *discord_rest_send(
    struct discord_rest *rest, const struct discord_request *request)
{
	struct http_part parts[1 + FILES_MAX];
	char names[FILES_MAX][16], *url = NULL;
	bool is_post = strcmp(request->method, "POST") == 0;
	const char *headers[] = { rest->authorization, USER_AGENT,
		request->file_count ? NULL /* libcurl's own, with the boundary */
		: request->json     ? "Content-Type: application/json"
		: is_post           ? "Content-Length: 0"
				    : NULL,
		NULL };
	struct discord_call *call = calloc(1, sizeof(*call));
	if (!call || request->file_count > FILES_MAX ||
	    asprintf(&url, "%s%s", rest->api_base, request->path) < 0) {
		free(call);
		return NULL;
	}
	*call = (struct discord_call){ rest, rest->calls, NULL, "", request->done, request->arg };
	snprintf(call->route, sizeof(call->route), "%s", request->path);
	struct http_request http = {
		.method = request->method,
		.url = url,
		.headers = headers,
		.timeout_ms = request->timeout_ms,
		.answer_max = ANSWER_MAX,
		.done = on_answer,
		.arg = call,
	};
	if (request->file_count) {
		put_parts(parts, names, request);
		http.parts = parts;
		http.part_count = 1 + request->file_count;
	} else if (request->json) {
		http.body = agentd_text(request->json, strlen(request->json));
	}
	call->http = http_send(rest->http, &http);
	free(url);
	if (!call->http) {
		free(call);
		return NULL;
	}
	rest->calls = call;
	discord_buckets_take(&rest->buckets, call->route, rest->host->now_ms(rest->host));
	return call;
}
