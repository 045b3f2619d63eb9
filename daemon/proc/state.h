/*
 * state: the life of a supervised process as a table, state × event → next state and what to do.
 * Pure: no process, no clock, no randomness; time and chance are passed in. child.c feeds it.
 *
 *	DOWN      not running, and not wanted
 *	STARTING  the process exists; not READY yet
 *	READY     serving
 *	DRAINING  wanted down; finishing what it has
 *	STOPPING  told to end, or killed; waiting for it to be gone
 *	BACKOFF   died; started again when the timer says so
 *	FAILED    said that another try cannot help (exit 78); waits for an operator or a change
 */
#ifndef AGENTD_PROC_STATE_H
#define AGENTD_PROC_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/conf/settings.h" /* struct supervision */

enum state {
	STATE_DOWN,
	STATE_STARTING,
	STATE_READY,
	STATE_DRAINING,
	STATE_STOPPING,
	STATE_BACKOFF,
	STATE_FAILED,
	STATE_COUNT,
};

enum state_event {
	EVENT_UP,      /* somebody wants it to run */
	EVENT_READY,   /* it said READY */
	EVENT_DOWN,    /* somebody wants it to stop */
	EVENT_IDLE,    /* it has nothing in flight */
	EVENT_TIMER,   /* the state's time is over */
	EVENT_FAULT,   /* bad frame, no pong: it cannot be trusted any more */
	EVENT_CLOSED,  /* it closed its socket: it is ending, or of no use */
	EVENT_GONE,    /* it ended, and is wanted */
	EVENT_ENDED,   /* it ended, as it was asked to */
	EVENT_REFUSED, /* it ended with exit code 78 */
	EVENT_COUNT,
};

enum state_action {
	ACTION_NONE,
	ACTION_SPAWN,
	ACTION_DRAIN, /* send it nothing new */
	ACTION_QUIT,  /* ask it to close and exit */
	ACTION_TERM,  /* the same, by signal */
	ACTION_KILL,
};

struct state_step {
	enum state next;
	enum state_action action;
};

struct state_step state_step(enum state state, enum state_event event);
const char *state_name(enum state state);

/* How long a state may last before EVENT_TIMER; 0: for ever. `backoff_ms` is for BACKOFF. */
int64_t state_lasts_ms(enum state state, const struct supervision *times, int64_t backoff_ms);

/* The restart delay after `failures` deaths in a row (from 1): backoff_min doubling up to
 * backoff_max, ± 20 % by `chance` (any 32 bits). */
int64_t state_backoff_ms(const struct supervision *times, unsigned failures, uint32_t chance);

#endif
