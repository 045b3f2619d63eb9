/* backoff: doubling, a bound, and chance. */
#include "plugins/common/backoff.h"

#define SPREAD 0.2

uint64_t backoff_next_ms(struct backoff *backoff, uint64_t asked_ms, uint32_t chance)
{
	uint64_t wait_ms = backoff->min_ms;
	for (unsigned i = 0; i < backoff->failures && wait_ms && wait_ms < backoff->max_ms; i++)
		wait_ms = wait_ms > backoff->max_ms / 2 ? backoff->max_ms : 2 * wait_ms;
	if (wait_ms > backoff->max_ms)
		wait_ms = backoff->max_ms;
	if (backoff->failures < UINT32_MAX)
		backoff->failures++;
	double spread_ms = (double)wait_ms * SPREAD, at = (double)chance / UINT32_MAX;
	/* Not before what is asked for; a little later, or all who were asked come at once. */
	if (asked_ms)
		return asked_ms < UINT64_MAX / 2 ? asked_ms + (uint64_t)(spread_ms * at) : asked_ms;
	return (uint64_t)((double)wait_ms - spread_ms + 2 * spread_ms * at);
}

void backoff_reset(struct backoff *backoff)
{
	backoff->failures = 0;
}
