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
	[PROBLEM_FORBIDDEN] = { 403, "forbidden", "Forbidden" },
	[PROBLEM_NOT_FOUND] = { 404, "not_found", "Not Found" },
	[PROBLEM_METHOD_NOT_ALLOWED] = { 405, "method_not_allowed", "Method Not Allowed" },
	[PROBLEM_SESSION_BUSY] = { 409, "session_busy", "Session Busy" },
	[PROBLEM_SESSION_MISMATCH] = { 409, "session_mismatch", "Session Mismatch" },
	[PROBLEM_RUN_CANCELLED] = { 409, "run_cancelled", "Run Cancelled" },
	[PROBLEM_PAYLOAD_TOO_LARGE] = { 413, "payload_too_large", "Payload Too Large" },
	[PROBLEM_UNSUPPORTED_MEDIA_TYPE] = { 415, "unsupported_media_type",
	    "Unsupported Media Type" },
	[PROBLEM_INTERNAL] = { 500, "internal", "Internal Server Error" },
	[PROBLEM_AGENT_FAILED] = { 502, "agent_failed", "Agent Failed" },
	[PROBLEM_AGENT_CRASHED] = { 502, "agent_crashed", "Agent Crashed" },
	[PROBLEM_OVERLOADED] = { 503, "overloaded", "Overloaded" },
	[PROBLEM_AGENT_UNAVAILABLE] = { 503, "agent_unavailable", "Agent Unavailable" },
	[PROBLEM_DRAINING] = { 503, "draining", "Draining" },
	[PROBLEM_TIMEOUT] = { 504, "timeout", "Timeout" },
};

void problem_write(struct buf *out, enum problem problem, const char *run_id, const char *detail)
{
	buf_addf(out, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d",
	    table[problem].title, table[problem].status);
	if (detail) {
		buf_add_str(out, ",\"detail\":");
		buf_add_json_str(out, detail);
	}
	buf_addf(
	    out, ",\"code\":\"%s\",\"error\":\"%s\"", table[problem].code, table[problem].title);
	if (run_id)
		buf_addf(out, ",\"run_id\":\"%s\"", run_id);
	buf_add_str(out, "}");
}

void problem_reply_run(
    struct http_request *request, enum problem problem, const char *run_id, const char *detail)
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
	buf_add(&clean, "", 1);
	problem_reply_run(request, problem, NULL, clean.failed ? NULL : clean.data);
	buf_done(&clean);
}

enum problem problem_of_run(enum run_code code)
{
	switch (code) {
	case RUN_AGENT_FAILED:
		return PROBLEM_AGENT_FAILED;
	case RUN_AGENT_CRASHED:
		return PROBLEM_AGENT_CRASHED;
	case RUN_AGENT_UNAVAILABLE:
		return PROBLEM_AGENT_UNAVAILABLE;
	case RUN_OVERLOADED:
		return PROBLEM_OVERLOADED;
	case RUN_DRAINING:
		return PROBLEM_DRAINING;
	case RUN_TIMEOUT:
		return PROBLEM_TIMEOUT;
	case RUN_STOPPED:
		return PROBLEM_RUN_CANCELLED;
	case RUN_SESSION_BUSY:
		return PROBLEM_SESSION_BUSY;
	case RUN_SESSION_MISMATCH:
		return PROBLEM_SESSION_MISMATCH;
	case RUN_OK:
	case RUN_NO_MEMORY:
		break;
	}
	return PROBLEM_INTERNAL;
}
