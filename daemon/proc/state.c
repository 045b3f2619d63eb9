/* state: the table. Every cell is filled, so that "what if it dies while stopping?" has an answer. */
#include "daemon/proc/state.h"

/* clang-format off */
#define STAY(s)   { STATE_##s, ACTION_NONE }
#define GO(s)     { STATE_##s, ACTION_NONE }
#define DO(s, a)  { STATE_##s, ACTION_##a }

static const struct state_step table[STATE_COUNT][EVENT_COUNT] = {
	[STATE_DOWN] = {
		[EVENT_UP] = DO(STARTING, SPAWN), [EVENT_READY] = STAY(DOWN), [EVENT_DOWN] = STAY(DOWN),
		[EVENT_IDLE] = STAY(DOWN),        [EVENT_TIMER] = STAY(DOWN), [EVENT_FAULT] = STAY(DOWN),
		[EVENT_GONE] = STAY(DOWN),        [EVENT_ENDED] = STAY(DOWN), [EVENT_REFUSED] = STAY(DOWN),
		[EVENT_CLOSED] = STAY(DOWN),
	},
	[STATE_STARTING] = {
		[EVENT_UP] = STAY(STARTING),   [EVENT_READY] = GO(READY),            [EVENT_DOWN] = DO(STOPPING, TERM),
		[EVENT_IDLE] = STAY(STARTING), [EVENT_TIMER] = DO(STOPPING, KILL),   [EVENT_FAULT] = DO(STOPPING, KILL),
		[EVENT_GONE] = GO(BACKOFF),    [EVENT_ENDED] = GO(DOWN),             [EVENT_REFUSED] = GO(FAILED),
		[EVENT_CLOSED] = GO(STOPPING),
	},
	[STATE_READY] = {
		[EVENT_UP] = STAY(READY),   [EVENT_READY] = STAY(READY), [EVENT_DOWN] = DO(DRAINING, DRAIN),
		[EVENT_IDLE] = STAY(READY), [EVENT_TIMER] = STAY(READY), [EVENT_FAULT] = DO(STOPPING, KILL),
		[EVENT_GONE] = GO(BACKOFF), [EVENT_ENDED] = GO(DOWN),    [EVENT_REFUSED] = GO(FAILED),
		[EVENT_CLOSED] = GO(STOPPING),
	},
	[STATE_DRAINING] = {
		[EVENT_UP] = STAY(DRAINING),        [EVENT_READY] = STAY(DRAINING),     [EVENT_DOWN] = STAY(DRAINING),
		[EVENT_IDLE] = DO(STOPPING, QUIT),  [EVENT_TIMER] = DO(STOPPING, TERM), [EVENT_FAULT] = DO(STOPPING, KILL),
		[EVENT_GONE] = GO(DOWN),            [EVENT_ENDED] = GO(DOWN),           [EVENT_REFUSED] = GO(DOWN),
		[EVENT_CLOSED] = GO(STOPPING),
	},
	[STATE_STOPPING] = {
		[EVENT_UP] = STAY(STOPPING),   [EVENT_READY] = STAY(STOPPING),     [EVENT_DOWN] = STAY(STOPPING),
		[EVENT_IDLE] = STAY(STOPPING), [EVENT_TIMER] = DO(STOPPING, KILL), [EVENT_FAULT] = DO(STOPPING, KILL),
		[EVENT_GONE] = GO(BACKOFF),    [EVENT_ENDED] = GO(DOWN),           [EVENT_REFUSED] = GO(FAILED),
		[EVENT_CLOSED] = STAY(STOPPING),
	},
	[STATE_BACKOFF] = {
		[EVENT_UP] = DO(STARTING, SPAWN), [EVENT_READY] = STAY(BACKOFF),         [EVENT_DOWN] = GO(DOWN),
		[EVENT_IDLE] = STAY(BACKOFF),     [EVENT_TIMER] = DO(STARTING, SPAWN),   [EVENT_FAULT] = STAY(BACKOFF),
		[EVENT_GONE] = STAY(BACKOFF),     [EVENT_ENDED] = STAY(BACKOFF),         [EVENT_REFUSED] = GO(FAILED),
		[EVENT_CLOSED] = STAY(BACKOFF),
	},
	[STATE_FAILED] = {
		[EVENT_UP] = DO(STARTING, SPAWN), [EVENT_READY] = STAY(FAILED), [EVENT_DOWN] = GO(DOWN),
		[EVENT_IDLE] = STAY(FAILED),      [EVENT_TIMER] = STAY(FAILED), [EVENT_FAULT] = STAY(FAILED),
		[EVENT_GONE] = STAY(FAILED),      [EVENT_ENDED] = STAY(FAILED), [EVENT_REFUSED] = STAY(FAILED),
		[EVENT_CLOSED] = STAY(FAILED),
	},
};
/* clang-format on */

static const char *const name[STATE_COUNT] = {
	[STATE_DOWN] = "down",
	[STATE_STARTING] = "starting",
	[STATE_READY] = "ready",
	[STATE_DRAINING] = "draining",
	[STATE_STOPPING] = "stopping",
	[STATE_BACKOFF] = "backoff",
	[STATE_FAILED] = "failed",
};

struct state_step state_step(enum state state, enum state_event event)
{
	return table[state][event];
}

const char *state_name(enum state state)
{
	return name[state];
}

int64_t state_lasts_ms(enum state state, const struct supervision *times, int64_t backoff_ms)
{
	switch (state) {
	case STATE_STARTING:
		return times->ready_ms;
	case STATE_DRAINING:
		return times->drain_ms;
	case STATE_STOPPING:
		return times->kill_ms;
	case STATE_BACKOFF:
		return backoff_ms;
	default:
		return 0;
	}
}

int64_t state_backoff_ms(const struct supervision *times, unsigned failures, uint32_t chance)
{
	int64_t delay = times->backoff_min_ms;
	for (unsigned i = 1; i < failures && delay < times->backoff_max_ms; i++)
		delay *= 2;
	if (delay > times->backoff_max_ms)
		delay = times->backoff_max_ms;
	int64_t spread = delay / 5; /* 20 % */
	return delay - spread + (int64_t)((uint64_t)(2 * spread) * chance / UINT32_MAX);
}
