/* sse: a subscriber that writes events into an HTTP stream. */
#include "daemon/http/sse.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http/problem.h"
#include "daemon/http/reply.h"
#include "daemon/run/agent.h"

#define BACKLOG_MAX (64u << 10) /* bytes the client has not taken: from here on the run is paused */

struct sse {
	struct http_request *request; /* borrowed; over when the stream has ended or is gone */
	struct run *run;
	struct run_subscriber subscriber;
	struct buf out;              /* of this turn */
	struct event *flush, *timer; /* timer: the next comment, or the end of a slow client */
	bool paused;
	size_t backlog; /* when the timer of a paused stream was set */
};

static void sse_free(struct sse *sse)
{
	if (sse->paused)
		run_resume(sse->run);
	if (sse->flush)
		event_free(sse->flush);
	if (sse->timer)
		event_free(sse->timer);
	buf_done(&sse->out);
	run_unref(sse->run);
	free(sse);
}

static void sse_arm(struct sse *sse)
{
	const struct http_settings *settings = http_settings(sse->request);
	int64_t ms = sse->paused ? settings->slow_reader_ms : settings->heartbeat_ms;
	struct timeval after = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	sse->backlog = http_stream_backlog(sse->request);
	event_add(sse->timer, &after);
}

static void sse_flush(struct sse *sse)
{
	if (!sse->out.length)
		return;
	http_stream_write(sse->request, &sse->out);
	if (!sse->paused && http_stream_backlog(sse->request) > BACKLOG_MAX) {
		sse->paused = true;
		run_pause(sse->run);
		sse_arm(sse);
	} else if (!sse->paused) {
		sse_arm(sse);
	}
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

static void sse_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct sse *sse = arg;
	struct http_request *request = sse->request;
	if (!sse->paused) {
		buf_add_str(&sse->out, ":\n\n");
		sse_flush(sse);
		return;
	}
	if (http_stream_backlog(request) < sse->backlog) {
		sse_arm(sse); /* slow, but reading */
		return;
	}
	sse_leave(sse);
	http_stream_cut(request);
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
	sse_arm(sse);
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

/* The last event; returns its name. */
static const char *add_end(struct buf *out, const struct run *run)
{
	if (run_status(run) == RUN_SUCCEEDED) {
		reply_write_run(out, run);
		return "run.finished";
	}
	problem_write(out, problem_of_run(run_code(run)), run_id(run), run_error(run));
	return run_status(run) == RUN_CANCELLED ? "run.cancelled" : "run.failed";
}

static void sse_on_event(void *arg, struct run *run, const struct run_event *event)
{
	struct sse *sse = arg;
	struct buf data = { 0 };
	const char *name;
	switch (event->type) {
	case RUN_EVENT_STARTED:
		name = "run.started";
		buf_addf(&data, "{\"run_id\":\"%s\",\"session_id\":", run_id(run));
		buf_add_json_str(&data, run_session_id(run));
		buf_addf(&data, ",\"agent\":\"%s\"}", agent_settings(run_agent(run))->name);
		break;
	case RUN_EVENT_DELTA:
		name = "run.delta";
		add_delta(&data, event->text);
		break;
	case RUN_EVENT_OTHER:
		name = "run.event";
		add_other(&data, event->name, event->text);
		break;
	default:
		name = add_end(&data, run);
	}
	buf_add_str(&sse->out, "id: ");
	buf_add_uint(&sse->out, event->id);
	buf_add_str(&sse->out, "\nevent: ");
	buf_add_str(&sse->out, name);
	buf_add_str(&sse->out, "\ndata: ");
	buf_add(&sse->out, data.data, data.length);
	buf_add_str(&sse->out, "\n\n");
	buf_done(&data);
	if (event->type != RUN_EVENT_ENDED) {
		event_active(sse->flush, EV_TIMEOUT, 0);
		return;
	}
	http_stream_write(sse->request, &sse->out);
	http_stream_end(sse->request);
	sse_free(sse);
}

bool sse_begin(struct http_request *request, struct run *run)
{
	struct sse *sse = calloc(1, sizeof(*sse));
	if (sse) {
		sse->run = run_ref(run);
		sse->flush = event_new(http_base(request), -1, 0, sse_on_flush, sse);
		sse->timer = event_new(http_base(request), -1, 0, sse_on_timer, sse);
	}
	if (!sse || !sse->flush || !sse->timer) {
		if (sse)
			sse_free(sse);
		return false;
	}
	sse->request = request;
	sse->subscriber.event = sse_on_event;
	sse->subscriber.arg = sse;
	run_subscribe(run, &sse->subscriber);
	http_on_gone(request, sse_on_gone, sse);
	http_on_drained(request, sse_on_drained, sse);
	http_stream_begin(request, "text/event-stream");
	sse_arm(sse);
	return true;
}
