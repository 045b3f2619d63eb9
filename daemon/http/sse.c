/* sse: a subscriber that writes events into an HTTP stream. */
#include "daemon/http/sse.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "daemon/base/id.h"
#include "daemon/http/sse_format.h"
#include "daemon/run/agent.h"
#include "daemon/run/event_log.h"
#include "daemon/store/copy.h"

#define ROOM_OF_EVENT 128         /* beside its text, as a rule */
#define BACKLOG_MAX   (64u << 10) /* bytes the client has not taken: from here on the run is paused */

/* A run that has ended, for all who read it at the same time. */
struct replay {
	struct store_run *run;
	unsigned refs;
	LIST_ENTRY(replay) link;
};
static LIST_HEAD(, replay) replays = LIST_HEAD_INITIALIZER(replays);

struct sse {
	struct http_request *request; /* borrowed; over when the stream has ended or is gone */
	struct run *run;              /* a reference; NULL: it has ended, and is in `replay` */
	struct replay *replay;
	uint64_t after; /* the last event that the client knows */
	bool listening; /* it has */
	bool cancels;
	struct run_subscriber subscriber;
	struct buf out;     /* of this turn */
	struct event timer; /* the next comment, or the end */
	uint64_t wrote_ms;  /* when the client was last sent something, monotonic */
	bool paused;
};

/* NULL: memory is out. */
static struct replay *replay_of(const struct store_run *run)
{
	struct replay *replay;
	LIST_FOREACH(replay, &replays, link)
	if (strcmp(replay->run->id, run->id) == 0 && replay->run->status == run->status &&
	    replay->run->events.n == run->events.n) {
		replay->refs++;
		return replay;
	}
	replay = calloc(1, sizeof(*replay));
	if (!replay || !(replay->run = copy_run(run))) {
		free(replay);
		return NULL;
	}
	replay->refs = 1;
	LIST_INSERT_HEAD(&replays, replay, link);
	return replay;
}

static void replay_unref(struct replay *replay)
{
	if (!replay || --replay->refs)
		return;
	LIST_REMOVE(replay, link);
	free(replay->run);
	free(replay);
}

static void sse_free(struct sse *sse)
{
	if (sse->paused && sse->listening)
		run_resume(sse->run);
	event_del(&sse->timer);
	buf_done(&sse->out);
	run_unref(sse->run);
	replay_unref(sse->replay);
	free(sse);
}

static void sse_arm(struct sse *sse, int64_t after_ms)
{
	struct timeval after = { .tv_sec = after_ms / 1000, .tv_usec = after_ms % 1000 * 1000 };
	event_add(&sse->timer, &after);
}

/* A client that takes nothing is cut by its connection. */
static void sse_pause(struct sse *sse)
{
	if (sse->listening)
		run_pause(sse->run);
	sse->paused = true;
	event_del(&sse->timer);
}

/* Memory was too short for an event. The client is cut, and comes again behind what it has; from the
 * loop, since it may be one of several who are being told. */
static void sse_give_up(struct sse *sse)
{
	sse_arm(sse, 0);
}

static void sse_flush(struct sse *sse)
{
	if (sse->out.failed)
		sse_give_up(sse);
	if (sse->out.failed || !sse->out.length)
		return;
	http_stream_write(sse->request, &sse->out);
	buf_done(&sse->out); /* most streams are silent most of the time */
	sse->wrote_ms = clock_monotonic_ms();
	if (!sse->paused && http_stream_backlog(sse->request) > BACKLOG_MAX)
		sse_pause(sse);
}

static void sse_on_soon(void *arg)
{
	sse_flush(arg);
}

static void sse_leave(struct sse *sse)
{
	struct run *run = sse->run;
	if (sse->listening)
		run_unsubscribe(run, &sse->subscriber);
	if (run && sse->cancels && agent_settings(run_agent(run))->cancel_on_disconnect)
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
	if (!sse->out.failed) {
		sse_heartbeat(sse);
		return;
	}
	sse_leave(sse);
	http_stream_cut(request);
}

static void sse_on_gone(void *arg)
{
	sse_leave(arg);
}

static void sse_catch_up(struct sse *sse);

static void sse_on_drained(void *arg)
{
	struct sse *sse = arg;
	if (!sse->paused || sse->out.failed)
		return;
	sse->paused = false;
	sse_arm(sse, http_settings(sse->request)->heartbeat_ms);
	if (sse->listening)
		run_resume(sse->run);
	else
		sse_catch_up(sse);
}

static void sse_end(struct sse *sse)
{
	if (sse->out.failed) {
		if (sse->paused && sse->listening)
			run_resume(sse->run);
		sse->listening = false; /* who tells of an end forgets whom it told */
		sse->cancels = false;
		sse_give_up(sse);
		return;
	}
	http_stream_write(sse->request, &sse->out);
	http_stream_end(sse->request);
	sse_free(sse);
}

static void sse_on_event(void *arg, struct run *run, const struct run_event *event)
{
	struct sse *sse = arg;
	struct store_run record = { 0 };
	if (event->type == RUN_EVENT_STARTED || event->type == RUN_EVENT_ENDED)
		run_describe(run, &record);
	buf_room(&sse->out, ROOM_OF_EVENT + event->text.n);
	if (event->type != RUN_EVENT_LEFT)
		sse_format(&sse->out, &record, event);
	if (event->type >= RUN_EVENT_LEFT)
		sse_end(sse); /* one that is left has no end yet: the client may come again */
	else
		http_stream_soon(sse->request);
}

/* Takes the next event that was said before. False: that was all. */
static bool sse_next(struct sse *sse, struct event_reader *reader, struct run_event *event)
{
	while (event_log_next(reader, event)) {
		/* The end of a run that is not over is told when it is written down. */
		bool untold = sse->run && !run_is_over(sse->run) && event->type == RUN_EVENT_ENDED;
		if (event->id > sse->after && !untold) {
			sse->after = event->id;
			return true;
		}
	}
	return false;
}

/* From the first event on, each time: the log may have changed its form when the run ended. */
static void sse_catch_up(struct sse *sse)
{
	struct store_run record;
	struct run_event event = { .id = sse->after };
	bool ended = false;
	if (sse->run)
		run_describe(sse->run, &record);
	else
		record = *sse->replay->run;
	struct event_reader reader = { .log = record.events, .content = record.content };
	while (!ended && sse_next(sse, &reader, &event)) {
		sse_format(&sse->out, &record, &event);
		ended = event.type == RUN_EVENT_ENDED;
		if (sse->out.length < BACKLOG_MAX || ended)
			continue;
		sse_flush(sse);
		if (sse->paused || sse->out.failed)
			return; /* sse_on_drained goes on */
	}
	if (sse->run && !run_is_over(sse->run)) {
		sse->listening = true;
		run_subscribe(sse->run, &sse->subscriber);
		sse_flush(sse);
		return;
	}
	if (!ended) { /* the log was cut short, or is none */
		event = (struct run_event){ .type = RUN_EVENT_ENDED, .id = sse->after + 1 };
		sse_format(&sse->out, &record, &event);
	}
	sse_end(sse);
}

static struct sse *sse_new(struct http_request *request, uint64_t after)
{
	struct sse *sse = calloc(1, sizeof(*sse));
	if (!sse)
		return NULL;
	sse->request = request;
	sse->after = after;
	sse->wrote_ms = clock_monotonic_ms();
	sse->subscriber.event = sse_on_event;
	sse->subscriber.arg = sse;
	event_assign(&sse->timer, http_base(request), -1, 0, sse_on_timer, sse);
	return sse;
}

static void sse_open(struct sse *sse)
{
	static const struct http_stream_ops ops = { .soon = sse_on_soon,
		.drained = sse_on_drained };
	http_on_gone(sse->request, sse_on_gone, sse);
	if (!http_stream_begin(sse->request, "text/event-stream", &ops, sse)) {
		sse_free(sse);
		return;
	}
	sse_arm(sse, http_settings(sse->request)->heartbeat_ms);
	sse_catch_up(sse);
}

bool sse_begin(struct http_request *request, struct run *run, uint64_t after, bool cancels)
{
	struct sse *sse = sse_new(request, after);
	if (!sse)
		return false;
	sse->run = run_ref(run);
	sse->cancels = cancels;
	sse_open(sse);
	return true;
}

bool sse_replay(struct http_request *request, const struct store_run *run, uint64_t after)
{
	struct sse *sse = sse_new(request, after);
	if (sse)
		sse->replay = replay_of(run);
	if (!sse || !sse->replay) {
		free(sse);
		return false;
	}
	sse_open(sse);
	return true;
}
