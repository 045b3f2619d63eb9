/*
 * rest: requests to Discord's HTTP API, with the bot's token, within its rate limits.
 *
 * Nothing waits here: whoever sends asks first how long the route has to wait. A refused token ends the
 * process, since another try cannot help. The loop thread only.
 */
#ifndef DISCORD_REST_H
#define DISCORD_REST_H

#include <jansson.h>

#include "plugins/common/http.h"

struct discord_rest;
struct discord_call;

/* A file of a message. */
struct discord_file {
	const char *path, *name, *mime_type; /* mime_type: NULL: none */
};

struct discord_answer {
	unsigned status;         /* 0: there is none */
	json_t *body;            /* borrowed; NULL: it is no JSON */
	const char *error;       /* one line, without secrets; NULL: 2xx */
	uint64_t retry_after_ms; /* of a 429 */
};

struct discord_request {
	const char *method;
	const char *path; /* "/channels/1/messages": the route of a rate limit, too */
	const char *json; /* the body; NULL: none */
	const struct discord_file *files; /* to go along with the JSON */
	size_t file_count;
	int64_t timeout_ms;                                           /* 0: a minute */
	void (*done)(void *arg, const struct discord_answer *answer); /* as of http_request */
	void *arg;
};

/* NULL: memory is out. `host` is borrowed. */
struct discord_rest *discord_rest_new(
    const struct agentd_host *host, const char *api_base, const char *token);
void discord_rest_free(struct discord_rest *rest);

/* How long a request to that path has to wait; 0: not at all. */
uint64_t discord_rest_wait_ms(const struct discord_rest *rest, const char *path);
/* NULL: memory is out, and `done` is not called. */
struct discord_call *discord_rest_send(
    struct discord_rest *rest, const struct discord_request *request);
/* Gives it up; `done` is not called. NULL is fine. */
void discord_rest_cancel(struct discord_call *call);

#endif
