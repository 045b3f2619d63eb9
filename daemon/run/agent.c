/*
 * agent: places for runs.
 *
 * Its workers (worker.h) are `workers` that serve, and others for a while: a successor of one in which
 * a run did not end when it was told to, the retired one that it replaced, and the quarantine for runs
 * in flight when a process died. The queue holds runs whose session's turn has come and that wait for
 * a place.
 */
#include "daemon/run/agent.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/run/agent_internal.h"

#define BACKLOG_MAX (8u << 20) /* bytes a process has not read: then it gets no more runs */
#define DURABLE_MAX 10000      /* durable runs that wait; more are refused */

struct agent *agent_new(struct event_base *base, const struct agent_setup *setup)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	if (!agent)
		return NULL;
	agent->base = base;
	agent->setup = *setup;
	TAILQ_INIT(&agent->queue);
	TAILQ_INIT(&agent->suspects);
	TAILQ_INIT(&agent->workers);
	struct edition_setup edition = {
		.era = setup->config.era,
		.instance = &setup->config.settings->instance,
		.supervision = setup->config.supervision,
		.hidden = setup->config.hidden,
		.image = setup->config.image,
		.view = setup->config.view,
	};
	agent->edition = edition_new(&edition);
	bool ok = agent->edition != NULL;
	for (int64_t i = 0; ok && i < setup->config.settings->workers; i++)
		ok = agent_add_worker(agent, WORKER_SERVING);
	if (!ok) {
		agent_free(agent);
		return NULL;
	}
	return agent;
}

void agent_free(struct agent *agent)
{
	if (!agent)
		return;
	agent->stopping = true;
	while (!TAILQ_EMPTY(&agent->workers))
		agent_remove_worker(agent, TAILQ_FIRST(&agent->workers));
	edition_unref(agent->edition);
	tally_done(&agent->tally);
	free(agent);
}

void agent_start(struct agent *agent)
{
	struct worker *worker;
	TAILQ_FOREACH (worker, &agent->workers, link)
		child_up(worker->child);
}

void agent_stop(struct agent *agent)
{
	struct worker *worker = TAILQ_FIRST(&agent->workers), *next;
	agent->stopping = true;
	for (; worker; worker = next) {
		next = TAILQ_NEXT(worker, link); /* this one may go at once */
		worker_stop(worker);
	}
}

/* Durable ones as well: they would wait for ever. */
static void agent_turn_away(struct agent *agent)
{
	struct run *run;
	while ((run = TAILQ_FIRST(&agent->queue)) || (run = TAILQ_FIRST(&agent->suspects)))
		run_end(run, RUN_FAILED, run->durable ? RUN_INTERRUPTED : RUN_AGENT_UNAVAILABLE,
		    "the config has no such agent any more");
}

/* Its processes end in their own time, and its era, which it goes with, does not end before them. */
void agent_check_left(struct agent *agent)
{
	if (agent->left && agent_is_down(agent))
		edition_leave_era(agent->edition);
}

void agent_leave(struct agent *agent)
{
	agent_stop(agent);
	agent->left = true;
	agent_turn_away(agent);
	agent_check_left(agent);
}

bool agent_is_down(const struct agent *agent)
{
	const struct worker *worker;
	TAILQ_FOREACH (worker, &agent->workers, link)
		if (child_state(worker->child) != STATE_DOWN)
			return false;
	return true;
}

/* The state of the best of its processes, since one that serves is enough. */
static enum state agent_state(const struct agent *agent)
{
	static const int rank[STATE_COUNT] = {
		[STATE_READY] = 6,
		[STATE_STARTING] = 5,
		[STATE_STOPPING] = 4,
		[STATE_BACKOFF] = 3,
		[STATE_FAILED] = 2,
		[STATE_DRAINING] = 1,
		[STATE_DOWN] = 0,
	};
	enum state best = STATE_DOWN;
	const struct worker *worker;
	TAILQ_FOREACH (worker, &agent->workers, link)
		if (worker->role == WORKER_SERVING && rank[child_state(worker->child)] > rank[best])
			best = child_state(worker->child);
	return best;
}

bool agent_is_available(const struct agent *agent)
{
	enum state state = agent_state(agent);
	return state == STATE_READY || state == STATE_STARTING || state == STATE_STOPPING;
}

void agent_refuse_queued(struct agent *agent)
{
	char why[300];
	snprintf(why, sizeof(why), "%s is not running: %s",
	    agent->setup.config.settings->instance.label, agent->last_exit.reason);
	struct run *run = TAILQ_FIRST(&agent->queue), *next;
	for (; run; run = next) {
		next = TAILQ_NEXT(run, queued);
		if (!run->durable) /* those wait as long as they must */
			run_end(run, RUN_FAILED, RUN_AGENT_UNAVAILABLE, why);
	}
}

/* Places. */

/* Places that are taken. Those that ended runs keep in a retired process count no more. */
static size_t agent_running(const struct agent *agent)
{
	const struct worker *worker;
	size_t count = 0;
	TAILQ_FOREACH (worker, &agent->workers, link)
		count += worker->count - (worker->role == WORKER_RETIRED ? worker->kept : 0);
	return count;
}

/* The next try of one that is down while none serves; 0: there is nothing to wait for. */
static uint64_t agent_retry_at_wall_ms(const struct agent *agent)
{
	const struct worker *worker;
	uint64_t first = 0;
	if (agent_state(agent) != STATE_BACKOFF)
		return 0;
	TAILQ_FOREACH (worker, &agent->workers, link) {
		uint64_t at = child_retry_at_wall_ms(worker->child);
		if (worker->role == WORKER_SERVING && at && (!first || at < first))
			first = at;
	}
	return first;
}

enum run_code agent_admit(const struct agent *agent, bool durable)
{
	const struct agent_settings *settings = agent->setup.config.settings;
	if (agent->left)
		return RUN_AGENT_UNAVAILABLE;
	if (durable) /* they are in the store, but here as well */
		return agent->waiting_durable < DURABLE_MAX ? RUN_OK : RUN_OVERLOADED;
	if (!agent_is_available(agent))
		return RUN_AGENT_UNAVAILABLE;
	size_t most = (size_t)(settings->concurrency + settings->queue);
	return agent_running(agent) + agent->waiting < most ? RUN_OK : RUN_OVERLOADED;
}

unsigned agent_retry_after_s(const struct agent *agent)
{
	uint64_t now = clock_wall_ms(), at = agent_retry_at_wall_ms(agent);
	if (agent_state(agent) == STATE_FAILED)
		return 60; /* until somebody does something */
	return at > now ? (unsigned)((at - now + 999) / 1000) : 1;
}

void agent_count(struct agent *agent, struct run *run)
{
	run->counted = true;
	++*(run->durable ? &agent->waiting_durable : &agent->waiting);
}

/* The one with the fewest runs; NULL: no process has a place. */
static struct worker *agent_find_place(const struct agent *agent)
{
	const struct agent_settings *settings = agent->setup.config.settings;
	bool blocking = edition_descriptor(agent->edition)->flags & AGENTD_BLOCKING;
	size_t most =
	    (size_t)(blocking ? settings->instance.limits.threads : settings->concurrency);
	struct worker *worker, *found = NULL;
	if (agent_running(agent) >= (size_t)settings->concurrency)
		return NULL;
	TAILQ_FOREACH (worker, &agent->workers, link)
		if (worker->role == WORKER_SERVING && child_state(worker->child) == STATE_READY &&
		    worker->count < most && child_backlog(worker->child) < BACKLOG_MAX &&
		    (!found || worker->count < found->count))
			found = worker;
	return found;
}

static void agent_begin(struct agent *agent, struct run *run, struct worker *worker)
{
	agent_withdraw(agent, run);
	worker_add(worker, run);
	run_begin(run, worker);
}

/* The next suspect, if the one before is through; the process for them comes and goes. */
static void agent_pump_suspects(struct agent *agent)
{
	struct run *run = TAILQ_FIRST(&agent->suspects);
	if (agent->stopping)
		return;
	if (run && !agent->quarantine) {
		agent->quarantine = agent_add_worker(agent, WORKER_QUARANTINE);
		if (agent->quarantine)
			child_up(agent->quarantine->child);
	}
	struct worker *worker = agent->quarantine;
	if (!worker || worker->count)
		return;
	if (run && child_state(worker->child) == STATE_READY) {
		agent_begin(agent, run, worker);
	} else if (!run) {
		agent->quarantine = NULL;
		worker_retire(worker);
	}
}

void agent_pump(struct agent *agent)
{
	struct worker *worker;
	struct run *run;
	if (agent->pumping)
		return; /* a run that ended in run_begin: the loop below goes on */
	agent->pumping = true;
	while ((run = TAILQ_FIRST(&agent->queue)) && (worker = agent_find_place(agent)))
		agent_begin(agent, run, worker);
	if (!TAILQ_EMPTY(&agent->suspects) || agent->quarantine)
		agent_pump_suspects(agent);
	agent->pumping = false;
}

void agent_submit(struct agent *agent, struct run *run)
{
	run->waits_in = RUN_IN_QUEUE;
	TAILQ_INSERT_TAIL(&agent->queue, run, queued);
	if (agent->left)
		agent_turn_away(agent);
	else if (agent_is_available(agent))
		agent_pump(agent);
	else
		agent_refuse_queued(agent);
}

void agent_suspect(struct agent *agent, struct run *run)
{
	agent_count(agent, run);
	run->waits_in = RUN_IN_SUSPECTS;
	TAILQ_INSERT_TAIL(&agent->suspects, run, queued);
	if (agent->left)
		agent_turn_away(agent);
	else
		agent_pump(agent);
}

void agent_withdraw(struct agent *agent, struct run *run)
{
	if (run->waits_in == RUN_IN_QUEUE)
		TAILQ_REMOVE(&agent->queue, run, queued);
	if (run->waits_in == RUN_IN_SUSPECTS)
		TAILQ_REMOVE(&agent->suspects, run, queued);
	if (run->counted)
		--*(run->durable ? &agent->waiting_durable : &agent->waiting);
	run->waits_in = RUN_NOWHERE;
	run->counted = false;
}

void agent_keep(struct run *run)
{
	run->worker->kept++;
	worker_check_retired(run->worker);
}

void agent_release(struct run *run)
{
	struct worker *worker = run->worker;
	struct agent *agent = worker->agent;
	worker_remove(worker, run);
	if (worker->count == 0)
		child_idle(worker->child);
	worker_check_retired(worker);
	agent_pump(agent);
}

void agent_tally(struct run *run)
{
	uint64_t ran_us = run->begun_us ? run->ended_us - run->begun_us + 1 : 0;
	tally_add(&run->agent->tally, run->source, run->status, ran_us);
}

void agent_emit(struct agent *agent, struct frame_text event, struct frame_text json,
    void (*done)(void *arg), void *done_arg)
{
	agent->setup.emit(agent->setup.arg, agent, event, json, done, done_arg);
}

struct runs *agent_runs(const struct agent *agent)
{
	return agent->setup.runs;
}

int64_t agent_patience_ms(const struct agent *agent)
{
	return agent->setup.config.supervision->kill_ms;
}

/* Showing. */

const struct agent_settings *agent_settings(const struct agent *agent)
{
	return agent->setup.config.settings;
}

const struct descriptor *agent_descriptor(const struct agent *agent)
{
	return edition_descriptor(agent->edition);
}

static void look_at_worker(const struct worker *worker, struct agent_view *view)
{
	const struct child *child = worker->child;
	view->restarts += child_restarts(child);
	if (child_pid(child) && view->pid_count < AGENT_PIDS_MAX)
		view->pids[view->pid_count++] = child_pid(child);
	if (worker->role == WORKER_SERVING && child_generation(child) > view->generation)
		view->generation = child_generation(child);
}

void agent_look(const struct agent *agent, struct agent_view *ret)
{
	const struct worker *worker;
	*ret = (struct agent_view){
		.state = agent_state(agent),
		.restarts = agent->restarts,
		.running = agent_running(agent),
		.queued = agent->waiting + agent->waiting_durable,
		.last_exit = &agent->last_exit,
		.retry_at_wall_ms = agent_retry_at_wall_ms(agent),
		.tally = &agent->tally,
	};
	TAILQ_FOREACH (worker, &agent->workers, link)
		look_at_worker(worker, ret);
}
