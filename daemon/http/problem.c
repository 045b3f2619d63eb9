/* problem: the table of errors. */
#include "daemon/http/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	int status;
	const char *code, *title;
} table[PROBLEM_COUNT] = {
	[PROBLEM_BAD_REQUEST] = { 400, "bad_request", "Bad Request" },
	[PROBLEM_UNAUTHORIZED] = { 401, "unauthorized", "Unauthorized" },
	[PROBLEM_FORBIDDEN] = { 403, "forbidden", "Forbidden" },
	[PROBLEM_NOT_FOUND] = { 404, "not_found", "Not Found" },
	[PROBLEM_METHOD_NOT_ALLOWED] = { 405, "method_not_allowed", "Method Not Allowed" },
	[PROBLEM_SESSION_BUSY] = { 409, "session_busy", "Session Busy" },
	[PROBLEM_SESSION_MISMATCH] = { 409, "session_mismatch", "Session Mismatch" },
	[PROBLEM_RUN_CANCELLED] = { 409, "run_cancelled", "Run Cancelled" },
	[PROBLEM_RUN_OVER] = { 409, "run_over", "Run Over" },
	[PROBLEM_PAYLOAD_TOO_LARGE] = { 413, "payload_too_large", "Payload Too Large" },
	[PROBLEM_UNSUPPORTED_MEDIA_TYPE] = { 415, "unsupported_media_type",
	    "Unsupported Media Type" },
	[PROBLEM_IDEMPOTENCY_MISMATCH] = { 422, "idempotency_mismatch", "Idempotency Mismatch" },
	[PROBLEM_RATE_LIMITED] = { 429, "rate_limited", "Rate Limited" },
	[PROBLEM_INTERNAL] = { 500, "internal", "Internal Server Error" },
	[PROBLEM_AGENT_FAILED] = { 502, "agent_failed", "Agent Failed" },
	[PROBLEM_AGENT_CRASHED] = { 502, "agent_crashed", "Agent Crashed" },
	[PROBLEM_INTERRUPTED] = { 502, "interrupted", "Interrupted" },
	[PROBLEM_OVERLOADED] = { 503, "overloaded", "Overloaded" },
	[PROBLEM_AGENT_UNAVAILABLE] = { 503, "agent_unavailable", "Agent Unavailable" },
	[PROBLEM_DRAINING] = { 503, "draining", "Draining" },
	[PROBLEM_STORE_UNAVAILABLE] = { 503, "store_unavailable", "Store Unavailable" },
	[PROBLEM_AUTH_UNAVAILABLE] = { 503, "auth_unavailable", "Auth Unavailable" },
	[PROBLEM_TIMEOUT] = { 504, "timeout", "Timeout" },
};

void problem_write(
    struct buf *out, enum problem problem, const char *run_id, struct frame_text detail)
{
	buf_addf(out, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d",
	    table[problem].title, table[problem].status);
	if (detail.p) {
		buf_add_str(out, ",\"detail\":");
		buf_add_json(out, detail.p, detail.n);
	}
	buf_addf(
	    out, ",\"code\":\"%s\",\"error\":\"%s\"", table[problem].code, table[problem].title);
	if (run_id)
		buf_addf(out, ",\"run_id\":\"%s\"", run_id);
	buf_add_str(out, "}");
}

void problem_reply_run(struct http_request *request, enum problem problem, const char *run_id,
    struct frame_text detail)
{
	struct buf body = { 0 };
	problem_write(&body, problem, run_id, detail);
	buf_add_str(&body, "\n");
	http_reply(request, table[problem].status, "application/problem+json", &body);
}

void problem_reply(struct http_request *request, enum problem problem, const char *detail, ...)
{
	char text[512];
	struct buf clean = { 0 };
	va_list args;
	va_start(args, detail);
	vsnprintf(text, sizeof(text), detail, args);
	va_end(args);
	buf_add_utf8(&clean, NULL, text, strlen(text)); /* it may quote a client, and be cut */
	problem_reply_run(request, problem, NULL,
	    (struct frame_text){ clean.failed ? NULL : clean.data, clean.length });
	buf_done(&clean);
}

enum problem problem_of_code(const char *code)
{
	for (int i = 0; i < PROBLEM_COUNT; i++)
		if (code && strcmp(table[i].code, code) == 0)
			return (enum problem)i;
	return PROBLEM_INTERNAL;
}
