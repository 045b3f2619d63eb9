/* outage: a count, and a time. */
#include "plugins/common/outage.h"

bool outage_is_long(struct outage *outage, uint64_t began_ms, uint64_t now_ms, uint64_t wait_ms)
{
	if (!outage->failures)
		outage->since_ms = began_ms;
	if (outage->failures < UINT32_MAX)
		outage->failures++;
	uint64_t lasts_ms = now_ms > outage->since_ms ? now_ms - outage->since_ms : 0;
	return (outage->failures_max && outage->failures >= outage->failures_max) ||
	       lasts_ms >= outage->lasts_max_ms || wait_ms >= outage->lasts_max_ms - lasts_ms;
}

void outage_end(struct outage *outage)
{
	outage->failures = 0;
}
