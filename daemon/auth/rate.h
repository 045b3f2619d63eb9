/*
 * rate: how often each principal may ask. A token bucket: it holds `count` requests, fills up evenly in
 * `period_ms`, and each request takes one. Pure: time is passed in.
 */
#ifndef AGENTD_AUTH_RATE_H
#define AGENTD_AUTH_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/conf/settings.h"

struct rates;

struct rates *rates_new(void); /* with one reference */
struct rates *rates_ref(struct rates *rates);
void rates_free(struct rates *rates); /* gives a reference back */
/* Takes one request out of the bucket of `who` (of a provider). False: it is empty; *ret_wait_us says
 * when there will be one. With a rate of nothing, or no memory, everybody may. A rate may be another than before: what
 * was taken stays taken, as far as the new bucket holds so much. */
bool rates_take(struct rates *rates, const char *provider, const char *who, const struct rate *rate,
    uint64_t now_us, uint64_t *ret_wait_us);
/* How many buckets are not full; for tests. */
size_t rates_count(const struct rates *rates);

#endif
