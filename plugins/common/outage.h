/*
 * outage: whether a platform has been away for so long that it is agentd's affair. A plugin that goes on
 * trying looks ready, although nothing comes in. So it ends itself then (host->fail_for): agentd shows the
 * reason and the next try, keeps replies back meanwhile, and starts it again. Pure.
 */
#ifndef AGENTD_PLUGINS_COMMON_OUTAGE_H
#define AGENTD_PLUGINS_COMMON_OUTAGE_H

#include <stdbool.h>
#include <stdint.h>

#define OUTAGE_FAILURES 8
#define OUTAGE_MS       180000

struct outage {
	unsigned failures_max; /* in a row; 0: only the time counts */
	uint64_t lasts_max_ms;
	unsigned failures;
	uint64_t since_ms;
};

/* One more failure, of what began then; the next try comes in `wait_ms`. True: it is long, or will be before
 * that. */
bool outage_is_long(struct outage *outage, uint64_t began_ms, uint64_t now_ms, uint64_t wait_ms);
void outage_end(struct outage *outage);

#endif
