/* sse_format: id, event, data; a blank line. */
#include "daemon/http/sse_format.h"

#include "daemon/http/problem.h"
#include "daemon/http/reply.h"

static void add_start(struct buf *out, const struct store_run *run)
{
	buf_add_str(out, "{\"run_id\":\"");
	buf_add_str(out, run->id);
	buf_add_str(out, "\",\"session_id\":");
	buf_add_json_str(out, run->session_id);
	buf_add_str(out, ",\"agent\":\"");
	buf_add_str(out, run->agent);
	buf_add_str(out, "\"}");
}

static void add_delta(struct buf *out, struct frame_text text)
{
	buf_add_str(out, "{\"text\":");
	buf_add_json(out, text.p, text.n);
	buf_add_str(out, "}");
}

/* The agent's object with its type in front: {"type":"tool_call", …}. */
static void add_other(struct buf *out, struct frame_text name, struct frame_text object)
{
	struct buf clean = { 0 };
	buf_add_utf8(&clean, NULL, name.p, name.n);
	buf_add_str(out, "{\"type\":");
	buf_add_json(out, clean.data ? clean.data : "", clean.length);
	buf_done(&clean);
	if (object.n > 2)
		buf_add_str(out, ",");
	buf_add(out, object.p + 1, object.n - 1);
}

static const char *event_name(const struct store_run *run, const struct run_event *event)
{
	static const char *const name[] = {
		[RUN_EVENT_STARTED] = "run.started",
		[RUN_EVENT_DELTA] = "run.delta",
		[RUN_EVENT_RESTARTED] = "run.restarted",
		[RUN_EVENT_OTHER] = "run.event",
	};
	if (event->type < RUN_EVENT_LEFT)
		return name[event->type];
	return run->status == RUN_SUCCEEDED   ? "run.finished"
	       : run->status == RUN_CANCELLED ? "run.cancelled"
					      : "run.failed";
}

static void add_data(struct buf *out, const struct store_run *run, const struct run_event *event)
{
	if (event->type == RUN_EVENT_STARTED)
		add_start(out, run);
	else if (event->type == RUN_EVENT_DELTA)
		add_delta(out, event->text);
	else if (event->type == RUN_EVENT_OTHER)
		add_other(out, event->name, event->text);
	else if (event->type == RUN_EVENT_RESTARTED)
		buf_addf(out, "{\"attempt\":%.*s}", (int)event->text.n, event->text.p);
	else if (run->status == RUN_SUCCEEDED)
		reply_write_run(out, run);
	else
		problem_write(out, problem_of_code(run->code), run->id, run->error);
}

void sse_format(struct buf *out, const struct store_run *run, const struct run_event *event)
{
	buf_add_str(out, "id: ");
	buf_add_uint(out, event->id);
	buf_add_str(out, "\nevent: ");
	buf_add_str(out, event_name(run, event));
	buf_add_str(out, "\ndata: ");
	add_data(out, run, event);
	buf_add_str(out, "\n\n");
}
