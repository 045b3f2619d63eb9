/* reply: runs as JSON, built by splicing: what is JSON already is not parsed again. */
#include "daemon/http/reply.h"

#include <stdio.h>
#include <string.h>

#include "daemon/base/id.h"
#include "daemon/run/agent.h"
#include "daemon/run/attachment.h"

/* ,"name":value, where value is JSON already; null if there is none. */
static void add_json(struct buf *out, const char *name, struct frame_text value)
{
	buf_addf(out, ",\"%s\":", name);
	if (value.n)
		buf_add(out, value.p, value.n);
	else
		buf_add_str(out, "null");
}

static void add_text(struct buf *out, const char *name, struct frame_text text)
{
	buf_addf(out, ",\"%s\":", name);
	if (text.p)
		buf_add_json(out, text.p, text.n);
	else
		buf_add_str(out, "null");
}

static void add_str(struct buf *out, const char *name, const char *text)
{
	add_text(out, name, (struct frame_text){ text, text ? strlen(text) : 0 });
}

/* Nothing if there is none to be seen. */
static void add_attachments(struct buf *out, const char *name, struct frame_text json, bool files)
{
	struct buf shown = { 0 };
	if (!json.n)
		return;
	attachments_show(&shown, json, files);
	out->failed = out->failed || shown.failed;
	if (shown.length)
		add_json(out, name, (struct frame_text){ shown.data, shown.length });
	buf_done(&shown);
}

void reply_add_time(struct buf *out, uint64_t wall_ms)
{
	char text[TIME_SIZE];
	if (!wall_ms) {
		buf_add_str(out, "null");
		return;
	}
	time_format(wall_ms, text);
	buf_addf(out, "\"%s\"", text);
}

static void add_time(struct buf *out, const char *name, uint64_t wall_ms)
{
	buf_addf(out, ",\"%s\":", name);
	reply_add_time(out, wall_ms);
}

/* The one that is in every answer of /run: no printf. */
void reply_write_run(struct buf *out, const struct store_run *run)
{
	buf_add_str(out, "{\"content\":");
	buf_add_json(out, run->content.p ? run->content.p : "", run->content.n);
	buf_add_str(out, ",\"session_id\":");
	buf_add_json_str(out, run->session_id);
	buf_add_str(out, ",\"run_id\":\"");
	buf_add_str(out, run->id);
	buf_add_str(out, "\",\"agent\":\"");
	buf_add_str(out, run->agent);
	buf_add_str(out, "\",\"status\":\"");
	buf_add_str(out, run_status_name(run->status));
	buf_add_str(out, "\"");
	if (run->usage.n) {
		buf_add_str(out, ",\"usage\":");
		buf_add(out, run->usage.p, run->usage.n);
	}
	add_attachments(out, "attachments", run->files, false);
	buf_add_str(out, "}");
}

void reply_write_record(struct buf *out, const struct store_run *run)
{
	buf_addf(out, "{\"run_id\":\"%s\"", run->id);
	add_str(out, "agent", run->agent);
	add_str(out, "session_id", run->session_id);
	add_str(out, "user_id", run->user && run->user[0] ? run->user : NULL);
	add_str(out, "source", run->source);
	add_str(out, "trigger", run->trigger);
	add_str(out, "status", run_status_name(run->status));
	add_text(out, "input", run->input);
	add_attachments(out, "input_attachments", run->attachments, true);
	add_text(out, "content", run->content);
	add_attachments(out, "attachments", run->files, false);
	add_text(out, "error", run->error);
	add_str(out, "code", run->code);
	buf_addf(out, ",\"attempts\":%u", run->attempts);
	add_json(out, "usage", run->usage);
	add_json(out, "metadata", run->metadata);
	add_time(out, "created_at", run->created_wall_ms);
	add_time(out, "started_at", run->started_wall_ms);
	add_time(out, "finished_at", run->finished_wall_ms);
	buf_add_str(out, "}");
}

void reply_add_retry_after(
    struct http_request *request, enum problem problem, const struct agent *agent)
{
	char seconds[12] = "1";
	if (problem == PROBLEM_AGENT_UNAVAILABLE && agent)
		snprintf(seconds, sizeof(seconds), "%u", agent_retry_after_s(agent));
	if (problem == PROBLEM_AGENT_UNAVAILABLE || problem == PROBLEM_OVERLOADED ||
	    problem == PROBLEM_DRAINING || problem == PROBLEM_STORE_UNAVAILABLE)
		http_add_header(request, "Retry-After", seconds);
}

void reply_run(struct http_request *request, const struct store_run *run)
{
	struct buf body = { 0 };
	if (run->status != RUN_SUCCEEDED) {
		problem_reply_run(request, problem_of_code(run->code), run->id, run->error);
		return;
	}
	reply_write_run(&body, run);
	buf_add(&body, "\n", 1);
	http_reply(request, 200, "application/json", &body);
}

void reply_content(struct http_request *request, const struct store_run *run)
{
	struct buf body = { 0 };
	if (run->status != RUN_SUCCEEDED) {
		problem_reply_run(request, problem_of_code(run->code), run->id, run->error);
		return;
	}
	if (run->content.n) {
		buf_add_str(&body, "{\"content\":");
		buf_add_json(&body, run->content.p, run->content.n);
		buf_add_str(&body, "}\n");
	} else {
		buf_add_str(&body, "{\"status\":\"ok\"}\n");
	}
	http_reply(request, 200, "application/json", &body);
}

void reply_store_error(struct http_request *request, int error)
{
	reply_add_retry_after(request, PROBLEM_STORE_UNAVAILABLE, NULL);
	problem_reply(request, PROBLEM_STORE_UNAVAILABLE, "the store: %s", strerror(-error));
}
