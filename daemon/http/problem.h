/*
 * problem: errors as application/problem+json (RFC 9457), each kind one row in one table. `error`
 * repeats the title, as clients of the original read it.
 */
#ifndef AGENTD_HTTP_PROBLEM_H
#define AGENTD_HTTP_PROBLEM_H

#include "daemon/http/server.h"
#include "daemon/run/run.h"

enum problem {
	PROBLEM_BAD_REQUEST,
	PROBLEM_UNAUTHORIZED,
	PROBLEM_FORBIDDEN,
	PROBLEM_NOT_FOUND,
	PROBLEM_METHOD_NOT_ALLOWED,
	PROBLEM_SESSION_BUSY,
	PROBLEM_SESSION_MISMATCH,
	PROBLEM_RUN_CANCELLED,
	PROBLEM_RUN_OVER,
	PROBLEM_IDENTITY_CONFLICT,
	PROBLEM_PAYLOAD_TOO_LARGE,
	PROBLEM_UNSUPPORTED_MEDIA_TYPE,
	PROBLEM_IDEMPOTENCY_MISMATCH,
	PROBLEM_CONFIG_INVALID,
	PROBLEM_RATE_LIMITED,
	PROBLEM_INTERNAL,
	PROBLEM_NOT_IMPLEMENTED,
	PROBLEM_AGENT_FAILED,
	PROBLEM_AGENT_CRASHED,
	PROBLEM_INTERRUPTED,
	PROBLEM_OVERLOADED,
	PROBLEM_AGENT_UNAVAILABLE,
	PROBLEM_INTERFACE_UNAVAILABLE,
	PROBLEM_DRAINING,
	PROBLEM_STORE_UNAVAILABLE,
	PROBLEM_AUTH_UNAVAILABLE,
	PROBLEM_TIMEOUT,
	PROBLEM_COUNT,
};

/* Answers with it; `detail` is for people. */
void problem_reply(struct http_request *request, enum problem problem, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a run that ended in it, or was not made because of it. */
void problem_reply_run(struct http_request *request, enum problem problem, const char *run_id,
    struct frame_text detail);

/* The body alone, for a stream. `run_id` and the text of `detail` may be NULL. */
void problem_write(
    struct buf *out, enum problem problem, const char *run_id, struct frame_text detail);

/* What a run's failure is in HTTP, by its code: the codes of runs are those of this table. */
enum problem problem_of_code(const char *code);

/* A row of the table. */
struct problem_view {
	int status;
	const char *code, *title, *when; /* when: for the documents, in Markdown */
};
const struct problem_view *problem_look(enum problem problem);

#endif
