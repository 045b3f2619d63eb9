/* runs: all that have not ended, how they are found, and whose turn it is. */
#include <stdlib.h>
#include <string.h>

#include "daemon/run/internal.h"

static void runs_on_ready(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct runs *runs = arg;
	struct run *run;
	while ((run = TAILQ_FIRST(&runs->ready))) {
		TAILQ_REMOVE(&runs->ready, run, ready);
		run->is_ready = false;
		agent_submit(run->agent, run);
	}
}

void runs_leave_session(struct run *run)
{
	struct runs *runs = run->runs;
	if (run->is_ready)
		TAILQ_REMOVE(&runs->ready, run, ready);
	run->is_ready = false;
	struct session_turn *next = session_leave(runs->sessions, &run->turn);
	if (!next)
		return;
	struct run *next_run = next->owner;
	next_run->is_ready = true;
	TAILQ_INSERT_TAIL(&runs->ready, next_run, ready);
	event_active(runs->ready_event, EV_TIMEOUT, 0);
}

struct runs *runs_new(struct event_base *base, struct store *store, struct spool *spool)
{
	struct runs *runs = calloc(1, sizeof(*runs));
	if (!runs)
		return NULL;
	runs->base = base;
	runs->store = store;
	runs->spool = spool;
	TAILQ_INIT(&runs->live);
	TAILQ_INIT(&runs->ready);
	runs->sessions = sessions_new();
	runs->records = records_new(base, store);
	runs->ready_event = event_new(base, -1, 0, runs_on_ready, runs);
	if (!runs->sessions || !runs->records || !runs->ready_event) {
		runs_free(runs);
		return NULL;
	}
	return runs;
}

void runs_begin_era(struct runs *runs, struct era *era)
{
	struct era *before = runs->era;
	runs->era = era_ref(era);
	era_unref(before);
}

void runs_free(struct runs *runs)
{
	if (!runs)
		return;
	if (runs->ready_event)
		event_free(runs->ready_event);
	sessions_free(runs->sessions);
	records_free(runs->records);
	era_unref(runs->era);
	free(runs);
}

void runs_check_idle(struct runs *runs)
{
	bool some_come = runs->coming_count && !runs->gives_up;
	if (!runs->draining || runs->live_count || some_come || !runs->idle)
		return;
	void (*idle)(void *arg) = runs->idle;
	runs->idle = NULL;
	idle(runs->idle_arg);
}

void runs_drain(struct runs *runs, void (*idle)(void *arg), void *arg)
{
	runs->draining = true;
	runs->idle = NULL;
	struct run *run = TAILQ_FIRST(&runs->live), *next;
	for (; run; run = next) { /* what has not begun, and is in the store, need not begin now */
		next = TAILQ_NEXT(run, live);
		if (run->durable && run->status == RUN_QUEUED)
			run_leave_for_later(run);
	}
	runs->idle = idle;
	runs->idle_arg = arg;
	runs_check_idle(runs);
}

void runs_cancel_all(struct runs *runs, enum run_code code, const char *why)
{
	runs->gives_up = true;
	struct run *run = TAILQ_FIRST(&runs->live), *next;
	for (; run; run = next) {
		next = TAILQ_NEXT(run, live);
		if (run->durable && code == RUN_DRAINING)
			run_leave_for_later(run); /* also one whose end cannot be written */
		else
			run_end(run, code == RUN_STOPPED ? RUN_CANCELLED : RUN_FAILED, code, why);
	}
	runs_check_idle(runs); /* those that were coming are not waited for any more */
}

bool runs_are_draining(const struct runs *runs)
{
	return runs->draining;
}

size_t runs_live(const struct runs *runs)
{
	return runs->live_count;
}

uint64_t runs_oldest_wall_ms(const struct runs *runs)
{
	const struct run *run;
	uint64_t oldest = UINT64_MAX;
	TAILQ_FOREACH (run, &runs->live, live)
		if (run->created_wall_ms < oldest)
			oldest = run->created_wall_ms;
	return oldest;
}

struct run *runs_find_live(const struct runs *runs, const char *id)
{
	struct run *run;
	HASH_FIND(by_id, runs->by_id, id, strlen(id), run);
	return run;
}

struct run *runs_live_at(const struct runs *runs, size_t i)
{
	struct run *run = TAILQ_FIRST(&runs->live);
	while (run && i--)
		run = TAILQ_NEXT(run, live);
	return run;
}

const struct run *runs_in_session(const struct runs *runs, const char *session_id)
{
	const struct session_turn *holder = session_holder(runs->sessions, session_id);
	return holder ? holder->owner : NULL;
}

struct run *runs_find(struct runs *runs, uint64_t number)
{
	struct run *run;
	HASH_FIND(by_number, runs->in_flight, &number, sizeof(number), run);
	return run;
}

struct records *runs_records(const struct runs *runs)
{
	return runs->records;
}
