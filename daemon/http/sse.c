/* sse: a subscriber that writes events into an HTTP stream. */
#include "daemon/http/sse.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/id.h"
#include "daemon/http/problem.h"
#include "daemon/http/reply.h"
#include "daemon/run/agent.h"

#define BACKLOG_MAX (64u << 10) /* bytes the client has not taken: from here on the run is paused */

struct sse {
	struct http_request *request; /* borrowed; over when the stream has ended or is gone */
	struct run *run;
	struct run_subscriber subscriber;
	struct buf out;            /* of this turn */
	struct event flush, timer; /* timer: the next comment, or the end of a slow client */
	uint64_t wrote_ms;         /* when the client was last sent something, monotonic */
	size_t backlog;            /* of a paused stream, when its timer was set */
	bool paused;
};

static void sse_free(struct sse *sse)
{
	if (sse->paused)
		run_resume(sse->run);
	event_del(&sse->flush);
	event_del(&sse->timer);
	buf_done(&sse->out);
	run_unref(sse->run);
	free(sse);
}

static void sse_arm(struct sse *sse, int64_t after_ms)
{
	struct timeval after = { .tv_sec = after_ms / 1000, .tv_usec = after_ms % 1000 * 1000 };
	event_add(&sse->timer, &after);
}

/* From now on the client has to take something, or it is cut. */
static void sse_pause(struct sse *sse)
{
	if (!sse->paused)
		run_pause(sse->run);
	sse->paused = true;
	sse->backlog = http_stream_backlog(sse->request);
	sse_arm(sse, http_settings(sse->request)->slow_reader_ms);
}

static void sse_flush(struct sse *sse)
{
	if (!sse->out.length)
		return;
	http_stream_write(sse->request, &sse->out);
	sse->wrote_ms = clock_monotonic_ms();
	if (!sse->paused && http_stream_backlog(sse->request) > BACKLOG_MAX)
		sse_pause(sse);
}

static void sse_on_flush(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	sse_flush(arg);
}

static void sse_leave(struct sse *sse)
{
	struct run *run = sse->run;
	run_unsubscribe(run, &sse->subscriber);
	if (agent_settings(run_agent(run))->cancel_on_disconnect)
		run_cancel(run, "its client left");
	sse_free(sse);
}

/* The comment's timer is not set anew with every event: it looks when the last one was. */
static void sse_heartbeat(struct sse *sse)
{
	int64_t every_ms = http_settings(sse->request)->heartbeat_ms;
	int64_t silent_ms = (int64_t)(clock_monotonic_ms() - sse->wrote_ms);
	if (silent_ms >= every_ms) {
		buf_add_str(&sse->out, ":\n\n");
		sse_flush(sse);
		silent_ms = 0;
	}
	if (!sse->paused)
		sse_arm(sse, every_ms - silent_ms);
}

static void sse_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct sse *sse = arg;
	struct http_request *request = sse->request;
	if (!sse->paused) {
		sse_heartbeat(sse);
	} else if (http_stream_backlog(request) < sse->backlog) {
		sse_pause(sse); /* slow, but reading */
	} else {
		sse_leave(sse);
		http_stream_cut(request);
	}
}

static void sse_on_gone(void *arg)
{
	sse_leave(arg);
}

static void sse_on_drained(void *arg)
{
	struct sse *sse = arg;
	if (!sse->paused)
		return;
	sse->paused = false;
	run_resume(sse->run);
	sse_arm(sse, http_settings(sse->request)->heartbeat_ms);
}

static void add_start(struct buf *out, const struct run *run)
{
	buf_add_str(out, "{\"run_id\":\"");
	buf_add_str(out, run_id(run));
	buf_add_str(out, "\",\"session_id\":");
	buf_add_json_str(out, run_session_id(run));
	buf_add_str(out, ",\"agent\":\"");
	buf_add_str(out, agent_settings(run_agent(run))->name);
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

static const char *event_name(const struct run *run, const struct run_event *event)
{
	static const char *const name[] = {
		[RUN_EVENT_STARTED] = "run.started",
		[RUN_EVENT_DELTA] = "run.delta",
		[RUN_EVENT_RESTARTED] = "run.restarted",
		[RUN_EVENT_OTHER] = "run.event",
	};
	if (event->type != RUN_EVENT_ENDED)
		return name[event->type];
	return run_status(run) == RUN_SUCCEEDED   ? "run.finished"
	       : run_status(run) == RUN_CANCELLED ? "run.cancelled"
						  : "run.failed";
}

static void add_data(struct buf *out, const struct run *run, const struct run_event *event)
{
	if (event->type == RUN_EVENT_STARTED)
		add_start(out, run);
	else if (event->type == RUN_EVENT_DELTA)
		add_delta(out, event->text);
	else if (event->type == RUN_EVENT_OTHER)
		add_other(out, event->name, event->text);
	else if (event->type == RUN_EVENT_RESTARTED)
		buf_addf(out, "{\"attempt\":%.*s}", (int)event->text.n, event->text.p);
	else if (run_status(run) == RUN_SUCCEEDED)
		reply_write_run(out, run);
	else
		problem_write(out, problem_of_run(run_code(run)), run_id(run), run_error(run));
}

static void sse_on_event(void *arg, struct run *run, const struct run_event *event)
{
	struct sse *sse = arg;
	buf_add_str(&sse->out, "id: ");
	buf_add_uint(&sse->out, event->id);
	buf_add_str(&sse->out, "\nevent: ");
	buf_add_str(&sse->out, event_name(run, event));
	buf_add_str(&sse->out, "\ndata: ");
	add_data(&sse->out, run, event);
	buf_add_str(&sse->out, "\n\n");
	if (event->type != RUN_EVENT_ENDED) {
		event_active(&sse->flush, EV_TIMEOUT, 0);
		return;
	}
	http_stream_write(sse->request, &sse->out);
	http_stream_end(sse->request);
	sse_free(sse);
}

bool sse_begin(struct http_request *request, struct run *run)
{
	struct sse *sse = calloc(1, sizeof(*sse));
	if (!sse)
		return false;
	sse->request = request;
	sse->run = run_ref(run);
	sse->wrote_ms = clock_monotonic_ms();
	sse->subscriber.event = sse_on_event;
	sse->subscriber.arg = sse;
	event_assign(&sse->flush, http_base(request), -1, 0, sse_on_flush, sse);
	event_assign(&sse->timer, http_base(request), -1, 0, sse_on_timer, sse);
	run_subscribe(run, &sse->subscriber);
	http_on_gone(request, sse_on_gone, sse);
	http_on_drained(request, sse_on_drained, sse);
	http_stream_begin(request, "text/event-stream");
	sse_arm(sse, http_settings(request)->heartbeat_ms);
	return true;
}
