/*
 * cron: runs at their times.
 *
 * One timer for all schedules, on the wall clock, which also fires when that clock is set. What is due is
 * written down as a durable run together with how far its schedule has come, in one commit: so each due
 * time has one run, whenever agentd ends.
 *
 * While the run before is going, a due time is left out, waits (one does), or does not care (`overlap`).
 * Times that were missed (cron_plan.h) wait for their turn in any case. A time that no run can be made of,
 * since the store or the agent's queue is full, is tried again each second. A schedule has one run at a time
 * on its way into the store, so that what this knows has no gaps.
 *
 * Reference: none; one thread. Times are wall-clock milliseconds.
 */
#ifndef AGENTD_TRIGGER_CRON_H
#define AGENTD_TRIGGER_CRON_H

#include "daemon/base/histogram.h"
#include "daemon/run/run.h"
#include "daemon/trigger/trigger.h"

struct cron;
struct cron_entry;

/* All borrowed. */
struct cron_setup {
	struct event_base *base;
	struct store *store;
	struct runs *runs; /* recovered already */
	const struct triggers *triggers;
	/* Has the answer of a run that has succeeded, which is in the store, sent where `deliver` says; `done` is
	 * called once, when that is in the store too. */
	void (*deliver)(void *arg, const struct trigger *trigger, const char *run_id,
	    store_done_fn done, void *done_arg);
	void *arg;
};

/* NULL: memory is out. */
struct cron *cron_new(const struct cron_setup *setup);
/* Runs that go on are left to themselves. */
void cron_free(struct cron *cron);
/* Reads how far the schedules have come; `done` says whether that worked. */
void cron_load(struct cron *cron, void (*done)(void *arg, int error), void *arg);
/* From now on their times come; what was missed comes first. */
void cron_start(struct cron *cron);
/* No more of them come. */
void cron_stop(struct cron *cron);
/*
 * A reload, in place of cron_load: goes on with what another knows, which is started, and stops that. Before
 * cron_start, in the same turn of the loop. It cannot fail, and nothing is asked of the store, which knows less.
 *
 * A schedule is known by its name. Its runs that go on, or are on their way into the store or to a chat, are those of
 * the new one: its `overlap`, `retries` and `deliver` are what they meet at their end. What is paused stays so. If its
 * times are the same, what has come of them meanwhile is neither missed nor lost; if not, it begins anew from now on, as
 * with a start of agentd, and that is what one that is off, or was, does too. @reboot does not come.
 *
 * The runs of one that is gone, or off now, are left to `before`, which has their answers sent as it was going to. So
 * it has to live as long as they do, and as the requests that know its entries: the era of its triggers is the one to
 * free it. What is asked of its entries is done to those that go on with them.
 */
void cron_inherit(struct cron *cron, struct cron *before);
/* Whether runs of it go on, or are on their way. They may be older than its triggers. */
bool cron_is_busy(const struct cron *cron);

/* The i-th, in the order of triggers_at; NULL past the last. */
struct cron_entry *cron_at(struct cron *cron, size_t i);
/* NULL: there is none of that name. */
struct cron_entry *cron_find(struct cron *cron, const char *name);
const struct trigger *cron_trigger(const struct cron_entry *entry);
/* Stops a schedule, or lets it go on: the times between are left out. `done` once that is in the store; if
 * it cannot be written it holds all the same, and is written once it can. */
void cron_pause(struct cron_entry *entry, bool paused, store_done_fn done, void *arg);
/* A run of it as its times make them, for now; not started. -EINVAL, and why. */
int cron_make_run(const struct cron_entry *entry, enum run_code *ret_code, struct run **ret,
    char *reason, size_t size);

struct cron_view {
	bool paused, enabled;
	uint64_t next_wall_ms;  /* 0: it does not come again */
	uint64_t retry_wall_ms; /* when the last is tried again; 0: not */
	size_t going;           /* runs */
	uint64_t skipped;       /* times left out, since agentd was started */
	/* The last run; NULL: there was none. */
	const char *run_id;
	uint64_t run_due_wall_ms;
	const char *status; /* NULL: not known any more */
};
void cron_look(const struct cron_entry *entry, struct cron_view *ret);
/* How long after their times runs were made, those aside that were missed. */
const struct histogram *cron_lateness(const struct cron *cron);

#endif
