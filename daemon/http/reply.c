/* reply: a finished run as JSON, built by splicing: what is JSON already is not parsed again. */
#include "daemon/http/reply.h"

#include <stdio.h>

#include "daemon/http/problem.h"
#include "daemon/run/agent.h"

void reply_write_run(struct buf *out, const struct run *run)
{
	struct frame_text content = run_content(run);
	const char *usage = run_usage(run);
	buf_add_str(out, "{\"content\":");
	buf_add_json(out, content.p, content.n);
	buf_add_str(out, ",\"session_id\":");
	buf_add_json_str(out, run_session_id(run));
	buf_add_str(out, ",\"run_id\":\"");
	buf_add_str(out, run_id(run));
	buf_add_str(out, "\",\"agent\":\"");
	buf_add_str(out, agent_settings(run_agent(run))->name);
	buf_add_str(out, "\",\"status\":\"");
	buf_add_str(out, run_status_name(run_status(run)));
	buf_add_str(out, "\"");
	if (usage) {
		buf_add_str(out, ",\"usage\":");
		buf_add_str(out, usage);
	}
	buf_add_str(out, "}");
}

void reply_add_retry_after(
    struct http_request *request, enum run_code code, const struct agent *agent)
{
	char seconds[12] = "1";
	if (code == RUN_AGENT_UNAVAILABLE)
		snprintf(seconds, sizeof(seconds), "%u", agent_retry_after_s(agent));
	if (code == RUN_AGENT_UNAVAILABLE || code == RUN_OVERLOADED || code == RUN_DRAINING)
		http_add_header(request, "Retry-After", seconds);
}

void reply_run(struct http_request *request, const struct run *run)
{
	struct buf body = { 0 };
	if (run_status(run) == RUN_SUCCEEDED) {
		reply_write_run(&body, run);
		buf_add(&body, "\n", 1);
		http_reply(request, 200, "application/json", &body);
		return;
	}
	reply_add_retry_after(request, run_code(run), run_agent(run));
	problem_reply_run(request, problem_of_run(run_code(run)), run_id(run), run_error(run));
}
