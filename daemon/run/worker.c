/* worker: between child.c, which knows no runs, and agent.c, which knows no processes. */
#include "daemon/run/worker.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/base/id.h"
#include "daemon/base/message.h"
#include "daemon/run/agent.h"
#include "daemon/run/internal.h"

/* An event that its process emitted. It may be gone before that is in the store. */
struct worker_event {
	struct worker *worker; /* borrowed; NULL: the process is gone */
	TAILQ_ENTRY(worker_event) link;
};

static void event_leave(struct worker_event *event)
{
	TAILQ_REMOVE(&event->worker->events, event, link);
	event->worker->event_count--;
	event->worker = NULL;
}

/* Nobody is there to be answered. */
static void worker_forget_events(struct worker *worker)
{
	while (!TAILQ_EMPTY(&worker->events))
		event_leave(TAILQ_FIRST(&worker->events));
}

static void worker_answer_event(struct worker *worker)
{
	struct frame_writer writer = child_begin(worker->child, MESSAGE_EMITTED, 0);
	frame_end(&writer);
}

static void event_on_done(void *arg)
{
	struct worker_event *event = arg;
	if (event->worker) {
		struct frame_writer writer = child_begin(event->worker->child, MESSAGE_EMITTED, 0);
		frame_end(&writer);
		event_leave(event);
	}
	free(event);
}

static int worker_on_emit(struct worker *worker, const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	struct frame_text name = frame_get_text(&cursor), json = frame_get_text(&cursor);
	const struct host_limits *limits = &agent_settings(worker->agent)->instance.limits;
	if (frame_end_fields(&cursor) < 0 || !name_is_good(name.p, name.n) ||
	    name.n + json.n > (size_t)limits->event || worker->event_count >= MESSAGE_EMISSIONS)
		return -EPROTO;
	struct worker_event *event = calloc(1, sizeof(*event));
	if (!event) {
		worker_answer_event(worker); /* it is lost */
		return 0;
	}
	event->worker = worker;
	TAILQ_INSERT_TAIL(&worker->events, event, link);
	worker->event_count++;
	agent_emit(worker->agent, name, json, event_on_done, event);
	return 0;
}

static int worker_on_frame(void *arg, struct child *child, const struct frame *frame)
{
	(void)child;
	struct worker *worker = arg;
	if (frame->type == MESSAGE_EMIT)
		return worker_on_emit(worker, frame);
	return wire_receive(agent_runs(worker->agent), worker, frame);
}

static void worker_on_gone(void *arg, struct child *child)
{
	struct worker *worker = arg;
	struct run *run;
	worker_forget_events(worker);
	agent_on_worker_gone(worker);
	while ((run = TAILQ_FIRST(&worker->runs))) {
		worker_remove(worker, run);
		run_lost(run, child_last_exit(child)->reason);
	}
	if (worker->role == WORKER_RETIRED)
		child_down(child); /* it has died before it was told to: nobody wants it back */
}

static void worker_on_changed(void *arg, struct child *child)
{
	(void)child;
	agent_on_worker_changed(arg);
}

static void worker_on_drained(void *arg, struct child *child)
{
	(void)child;
	struct worker *worker = arg;
	agent_pump(worker->agent);
}

static const struct child_ops worker_ops = {
	.frame = worker_on_frame,
	.gone = worker_on_gone,
	.changed = worker_on_changed,
	.drained = worker_on_drained,
};

struct worker *worker_new(struct event_base *base, struct agent *agent, enum worker_role role,
    const struct child_setup *setup)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	if (!worker)
		return NULL;
	worker->agent = agent;
	worker->role = role;
	TAILQ_INIT(&worker->runs);
	TAILQ_INIT(&worker->events);
	worker->child = child_new(base, setup, &worker_ops, worker);
	if (!worker->child) {
		free(worker);
		return NULL;
	}
	return worker;
}

void worker_free(struct worker *worker)
{
	while (worker->count)
		run_leave_worker(TAILQ_FIRST(&worker->runs));
	worker_forget_events(worker);
	child_free(worker->child);
	free(worker);
}

struct child *worker_child(const struct worker *worker)
{
	return worker->child;
}

void worker_add(struct worker *worker, struct run *run)
{
	TAILQ_INSERT_TAIL(&worker->runs, run, in_flight);
	worker->count++;
}

void worker_remove(struct worker *worker, struct run *run)
{
	TAILQ_REMOVE(&worker->runs, run, in_flight);
	worker->count--;
	if (run->ended)
		worker->kept--;
	run->worker = NULL;
}

static void worker_drop_kept(struct worker *worker)
{
	struct run *run = TAILQ_FIRST(&worker->runs), *next;
	for (; run; run = next) {
		next = TAILQ_NEXT(run, in_flight);
		if (run->ended)
			run_leave_worker(run);
	}
}

void worker_stop(struct worker *worker)
{
	worker->leaving = true;
	worker_drop_kept(worker);
	child_down(worker->child);
}

void worker_check_retired(struct worker *worker)
{
	if (worker->role == WORKER_RETIRED && worker->count == worker->kept && !worker->leaving)
		worker_stop(worker);
}

void worker_retire(struct worker *worker)
{
	worker->role = WORKER_RETIRED;
	worker->successor = NULL;
	worker_check_retired(worker);
}
