/* problem: the table of errors. */
#include "daemon/http/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct problem_view table[PROBLEM_COUNT] = {
	[PROBLEM_BAD_REQUEST] = { 400, "bad_request", "Bad Request",
	    "broken framing, a target that can be read in two ways, or something in it of the wrong type or value (named in `detail`)" },
	[PROBLEM_UNAUTHORIZED] = { 401, "unauthorized", "Unauthorized",
	    "no credentials, or none that are known" },
	[PROBLEM_FORBIDDEN] = { 403, "forbidden", "Forbidden",
	    "who asks may not do this; or a `Host` that is not this server, or a page of an origin that is not in `http.cors_origins`" },
	[PROBLEM_NOT_FOUND] = { 404, "not_found", "Not Found",
	    "there is none of that name or id" },
	[PROBLEM_METHOD_NOT_ALLOWED] = { 405, "method_not_allowed", "Method Not Allowed",
	    "the path has other methods; `Allow` names them" },
	[PROBLEM_SESSION_BUSY] = { 409, "session_busy", "Session Busy",
	    "a run of this session is going on" },
	[PROBLEM_SESSION_MISMATCH] = { 409, "session_mismatch", "Session Mismatch",
	    "the session belongs to another agent" },
	[PROBLEM_RUN_CANCELLED] = { 409, "run_cancelled", "Run Cancelled",
	    "somebody cancelled the run" },
	[PROBLEM_RUN_OVER] = { 409, "run_over", "Run Over",
	    "the run has ended already" },
	[PROBLEM_IDENTITY_CONFLICT] = { 409, "identity_conflict", "Identity Conflict",
	    "somebody on a platform is another user already, or the config says who they are" },
	[PROBLEM_PAYLOAD_TOO_LARGE] = { 413, "payload_too_large", "Payload Too Large",
	    "the body is larger than `http.max_body`, or an attachment than 32 MiB" },
	[PROBLEM_UNSUPPORTED_MEDIA_TYPE] = { 415, "unsupported_media_type", "Unsupported Media Type",
	    "the body is declared as something that is not text" },
	[PROBLEM_IDEMPOTENCY_MISMATCH] = { 422, "idempotency_mismatch", "Idempotency Mismatch",
	    "this `Idempotency-Key` came with another request before" },
	[PROBLEM_CONFIG_INVALID] = { 422, "config_invalid", "Config Invalid",
	    "the config has mistakes, or asks for what cannot be had; agentd goes on with the one before. `detail` "
	    "has a line for each" },
	[PROBLEM_RATE_LIMITED] = { 429, "rate_limited", "Rate Limited",
	    "too many requests; `Retry-After` says when to come again" },
	[PROBLEM_INTERNAL] = { 500, "internal", "Internal Server Error",
	    "agentd itself could not go on, for want of memory as a rule" },
	[PROBLEM_NOT_IMPLEMENTED] = { 501, "not_implemented", "Not Implemented",
	    "the method is none that agentd has a use for" },
	[PROBLEM_AGENT_FAILED] = { 502, "agent_failed", "Agent Failed",
	    "the agent said that it failed; why is in `detail`" },
	[PROBLEM_AGENT_CRASHED] = { 502, "agent_crashed", "Agent Crashed",
	    "the agent's process died with the run in it" },
	[PROBLEM_INTERRUPTED] = { 502, "interrupted", "Interrupted",
	    "agentd ended while the run was going on" },
	[PROBLEM_OVERLOADED] = { 503, "overloaded", "Overloaded",
	    "the agent's queue is full, or the wait in it was too long; or there are 256 MiB of inputs" },
	[PROBLEM_AGENT_UNAVAILABLE] = { 503, "agent_unavailable", "Agent Unavailable",
	    "the agent's process is down" },
	[PROBLEM_INTERFACE_UNAVAILABLE] = { 503, "interface_unavailable", "Interface Unavailable",
	    "the process of the interface whose path it is is down, or has not answered in time" },
	[PROBLEM_DRAINING] = { 503, "draining", "Draining",
	    "agentd is stopping" },
	[PROBLEM_STORE_UNAVAILABLE] = { 503, "store_unavailable", "Store Unavailable",
	    "the store cannot read or write: its disk is full, or its file is locked or damaged" },
	[PROBLEM_AUTH_UNAVAILABLE] = { 503, "auth_unavailable", "Auth Unavailable",
	    "the keys of the tokens' issuer could not be got" },
	[PROBLEM_TIMEOUT] = { 504, "timeout", "Timeout",
	    "the run did not end before its deadline" },
};
/* clang-format on */

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

const struct problem_view *problem_look(enum problem problem)
{
	return &table[problem];
}
