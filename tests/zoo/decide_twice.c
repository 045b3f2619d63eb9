/* Decides each call twice, and calls that there are none of. The first must count, and the others do no harm. */
#include "raw.h"

static int bite(void *self, struct agentd_call *call, const struct agentd_exchange *exchange)
{
	(void)self, (void)call, (void)exchange;
	static uint64_t number; /* calls are counted from 1 */
	raw_decide(++number, 0);
	raw_decide(number, AGENTD_REFUSE);
	for (uint64_t other = 1000; other < 1100; other++)
		raw_decide(other, AGENTD_REFUSE);
	return 0;
}

HOOK_ANIMAL(.on_message = bite);
