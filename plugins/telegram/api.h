/*
 * api: calls of the Bot API, and what came of them. It alone makes URLs, which have the token in them; what
 * it says of an error never has.
 */
#ifndef TELEGRAM_API_H
#define TELEGRAM_API_H

#include <jansson.h>
#include <stdbool.h>

#include "agentd/plugin.h"
#include "plugins/common/http.h"

struct telegram_api;

/* What came of a call. Borrowed while `done` is called. */
struct telegram_outcome {
	/* 200: it was done. Else Telegram's error_code, or the HTTP status of what is no answer of the Bot
	 * API; 0: nothing that makes sense came at all. */
	unsigned code;
	bool from_api;        /* the Bot API itself said so */
	const json_t *result; /* of what was done; else NULL */
	char error[300];      /* for people; empty: it was done */
	uint64_t retry_after_ms;
	int64_t moved_to; /* the chat has another id now; 0: it has not */
};

/* NULL: memory is out. What is given is borrowed. */
struct telegram_api *telegram_api_new(
    const struct agentd_host *host, const char *api_base, const char *token);
/* Nobody is told of what is still going on. NULL is fine. */
void telegram_api_free(struct telegram_api *api);

struct telegram_call;
typedef void telegram_done(void *arg, const struct telegram_outcome *outcome);

/* Calls a method; `body` is taken over, also on failure. `timeout_ms` 0: a minute. NULL: memory is out, or
 * the body is NULL, and `done` is not called; else it is, later, once. */
struct telegram_call *telegram_api_call(struct telegram_api *api, const char *method, json_t *body,
    int64_t timeout_ms, telegram_done *done, void *arg);
/* The same with a form, and perhaps a file in it. */
struct telegram_call *telegram_api_post(struct telegram_api *api, const char *method,
    const struct http_part *parts, size_t part_count, int64_t timeout_ms, telegram_done *done,
    void *arg);
/* Fetches a file, by the path that getFile has told, into one that is made; within five minutes. */
struct telegram_call *telegram_api_fetch(struct telegram_api *api, const char *file_path,
    const char *save_to, size_t most, telegram_done *done, void *arg);
/* `done` is not called. NULL is fine. */
void telegram_call_cancel(struct telegram_call *call);

/* The token was refused: no other try helps. */
bool telegram_is_refused(const struct telegram_outcome *outcome);
/* It may do, some time later. */
bool telegram_is_trouble(const struct telegram_outcome *outcome);

#endif
