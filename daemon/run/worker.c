/* worker: between child.c, which knows no runs, and agent.c, which knows no processes. */
#include "daemon/run/worker.h"

#include <stdlib.h>

#include "daemon/base/message.h"
#include "daemon/run/agent.h"
#include "daemon/run/internal.h"

static void worker_emit(void *arg, struct frame_text event, struct frame_text json,
    void (*done)(void *arg), void *done_arg)
{
	struct worker *worker = arg;
	agent_emit(worker->agent, event, json, done, done_arg);
}

static int worker_on_frame(void *arg, struct child *child, const struct frame *frame)
{
	(void)child;
	struct worker *worker = arg;
	if (frame->type == MESSAGE_EMIT)
		return emissions_on_frame(&worker->emissions, frame);
	return wire_receive(agent_runs(worker->agent), worker, frame);
}

static void worker_on_gone(void *arg, struct child *child)
{
	struct worker *worker = arg;
	struct run *run;
	emissions_forget(&worker->emissions);
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

static unsigned worker_meanwhile(void *arg)
{
	return agent_generation_before(arg);
}

static const struct child_ops worker_ops = {
	.frame = worker_on_frame,
	.gone = worker_on_gone,
	.changed = worker_on_changed,
	.drained = worker_on_drained,
	.meanwhile = worker_meanwhile,
};

struct worker *worker_new(struct event_base *base, struct agent *agent, enum worker_role role,
    struct edition *edition, const struct child_setup *setup)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	if (!worker)
		return NULL;
	worker->agent = agent;
	worker->role = role;
	TAILQ_INIT(&worker->runs);
	emissions_init(&worker->emissions);
	worker->child = child_new(base, setup, &worker_ops, worker);
	if (!worker->child) {
		free(worker);
		return NULL;
	}
	worker->edition = edition_ref(edition);
	worker->emissions.child = worker->child;
	worker->emissions.emit = worker_emit;
	worker->emissions.arg = worker;
	worker->emissions.event_max = (size_t)agent_settings(agent)->instance.limits.event;
	return worker;
}

void worker_free(struct worker *worker)
{
	while (worker->count)
		run_leave_worker(TAILQ_FIRST(&worker->runs));
	emissions_forget(&worker->emissions);
	child_free(worker->child);
	edition_unref(worker->edition);
	free(worker);
}

void worker_rebind(struct worker *worker, struct edition *edition, const struct child_setup *setup)
{
	struct edition *before = worker->edition;
	child_rebind(worker->child, setup);
	worker->edition = edition_ref(edition);
	edition_unref(before);
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
