/* dispatch: a run that got a place goes out to its process, and comes back from one that died. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/run/agent.h"
#include "daemon/run/internal.h"

#define DEATHS_MAX 2 /* of processes, until a run is held to be the cause */

/* Readers of its stream learn that what they have read is void. */
static void run_tell_restart(struct run *run)
{
	char attempt[16];
	int n = snprintf(attempt, sizeof(attempt), "%u", run->attempt);
	struct frame_text none = { 0 }, text = { attempt, (size_t)n };
	run_emit(run, RUN_EVENT_RESTARTED, none, text);
}

/* uthash may have had no memory for it: then it is not there. */
static void run_leave_flight(struct run *run)
{
	if (run->by_number.tbl)
		HASH_DELETE(by_number, run->runs->in_flight, run);
}

/* A process that heard late of a run that is over may have made its folder anew. */
static void run_leave_folder(struct run *run)
{
	if (run->told)
		run_remove_files(run);
}

void run_leave_worker(struct run *run)
{
	if (!run->worker)
		return;
	run_leave_flight(run);
	run_leave_folder(run);
	event_del(&run->timer);
	agent_release(run);
	run_unref(run);
}

/* An attempt after one in another life of agentd says so; after one in another process it has been
 * said already, when that ended. */
static void run_tell_start(struct run *run)
{
	struct frame_text none = { 0 };
	run->started_wall_ms = clock_wall_ms();
	run->begun_us = clock_monotonic_us();
	run->begun = true;
	if (run->attempt == 1)
		run_emit(run, RUN_EVENT_STARTED, none, none);
	else if (run->deaths == 0)
		run_tell_restart(run);
}

/* The store has answered. Its process may have died meanwhile: a durable run, which had not gone out to
 * it, waits for a place again, and is no suspect. Returns true if the run is where it was. */
static bool run_is_answered(struct run *run)
{
	run->asking = false;
	if (run->ended || run->worker)
		return true;
	agent_count(run->agent, run);
	agent_submit(run->agent, run);
	run_unref(run);
	return false;
}

static bool run_is_out_of_reach(const struct run *run, const struct store_session *session)
{
	if (run->reach == REACH_OWN)
		return strcmp(session->user, run->user_id) != 0;
	return run->reach == REACH_SOURCE && !session->is_of_source;
}

static void run_on_history(void *arg, int error, const struct store_session *session)
{
	struct run *run = arg;
	const char *name = agent_settings(run->agent)->instance.name;
	if (!run_is_answered(run))
		return;
	if (run->ended) {
		run_leave_worker(run);                 /* it ended while the store was reading */
	} else if (error < 0 || !run->by_number.tbl) { /* what is said of it would not find it */
		run_leave_worker(run);
		run_end(run, RUN_FAILED, RUN_NO_MEMORY, strerror(error < 0 ? -error : ENOMEM));
	} else if (session && run_is_out_of_reach(run, session)) {
		run_leave_worker(run);
		run_end(run, RUN_FAILED, RUN_FORBIDDEN, run_why_forbidden(run));
	} else if (session && strcmp(session->agent, name) != 0) {
		char why[256];
		snprintf(why, sizeof(why), "session %.64s belongs to agent \"%s\"", run->session_id,
		    session->agent);
		run_leave_worker(run);
		run_end(run, RUN_FAILED, RUN_SESSION_MISMATCH, why);
	} else if ((error = wire_send_run(run, session)) < 0) {
		run_leave_worker(run);
		run_end(run, RUN_FAILED, RUN_NO_MEMORY,
		    error == -EINVAL ? "what came to its trigger cannot be read again"
				     : "the request is too long for one frame");
	} else {
		run->status = RUN_RUNNING;
		run_arm(run, run->timeout_ms);
		run_tell_start(run);
	}
	run_unref(run);
}

static void run_ask_history(struct run *run)
{
	const struct agent_settings *settings = agent_settings(run->agent);
	run->asking = true;
	if (run->session_is_new)
		run_on_history(run, 0, NULL);
	else
		store_session_get(run->runs->store, run->session_id,
		    run->reach == REACH_SOURCE ? run->source : NULL, (size_t)run_history(run),
		    (size_t)settings->instance.limits.history, run_on_history, run);
}

static void run_on_counted(void *arg, int error)
{
	struct run *run = arg;
	(void)error; /* a store that cannot write keeps nobody from trying */
	if (!run_is_answered(run))
		return;
	run->begun = true;
	if (!run->ended) {
		run_ask_history(run);
		return;
	}
	run_leave_worker(run);
	run_unref(run);
}

/* The attempts of a durable run are counted before they begin: one that ends agentd is not tried for
 * ever. */
void run_begin(struct run *run, struct worker *worker)
{
	run_ref(run); /* for being in flight */
	run->worker = worker;
	HASH_ADD(by_number, run->runs->in_flight, number, sizeof(run->number), run);
	run_ref(run); /* for the answers of the store */
	run->asking = true;
	if (run->durable && !run->begun)
		store_run_attempt(run->runs->store, run->id, run->attempt, run_on_counted, run);
	else
		run_ask_history(run);
}

/* Its process died, and it may be the cause: once more, and alone. */
static void run_restart(struct run *run)
{
	run->attempt++;
	run->status = RUN_QUEUED;
	run->content.length = 0;
	run->tail.n = 0;
	run->has_deltas = false;
	run->is_said = false;
	run->files.length = 0;
	run->said.length = 0;
	if (run->trigger)
		run->metadata.length = 0; /* its handler says it again */
	run->debt = 0;
	run->begun = false;
	run_tell_restart(run);
	agent_suspect(run->agent, run);
}

void run_lost(struct run *run, const char *reason)
{
	char why[320];
	run_leave_flight(run);
	run_leave_folder(run);
	event_del(&run->timer);
	if (run->asking && run->durable && !run->ended) {
		run_unref(run); /* run_is_answered goes on */
		return;
	}
	run->deaths++;
	snprintf(why, sizeof(why), "the agent's process ended%s: %s",
	    run->durable ? " twice with this run in it" : "", reason);
	if (run->durable && !run->ended && run->deaths < DEATHS_MAX)
		run_restart(run);
	else
		run_end(run, RUN_FAILED, RUN_AGENT_CRASHED, why);
	run_unref(run);
}
