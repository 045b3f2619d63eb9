/*
 * backoff: how long to wait before another try: it doubles from `min` to `max`, ± 20 % so that many do
 * not come at once. What the platform asks for (Retry-After) goes before. Pure: chance is passed in.
 */
#ifndef AGENTD_PLUGINS_COMMON_BACKOFF_H
#define AGENTD_PLUGINS_COMMON_BACKOFF_H

#include <stdint.h>

struct backoff {
	uint64_t min_ms, max_ms;
	unsigned failures; /* in a row */
};

/* One more failure. `asked_ms`: what the platform asked for; 0: nothing. `chance`: any 32 bits. */
uint64_t backoff_next_ms(struct backoff *backoff, uint64_t asked_ms, uint32_t chance);
void backoff_reset(struct backoff *backoff);

#endif
