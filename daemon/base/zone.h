/*
 * zone: what the clocks on the wall of an IANA time zone show, and when they are changed.
 *
 * A zone is read once, from the system's tzdata ($TZDIR, else /usr/share/zoneinfo), and is constant
 * from then on: any thread may ask. News of tzdata are seen by the next zone_new. "UTC" needs no
 * tzdata. Times are seconds since 1970 in UTC; "local" seconds are what a clock shows, counted as if
 * it were UTC. From 2100 on nothing changes any more.
 */
#ifndef AGENTD_BASE_ZONE_H
#define AGENTD_BASE_ZONE_H

#include <stdint.h>

struct zone;

/* A time without change: start ≤ t < end. The first one starts at INT64_MIN, the last ends at INT64_MAX. */
struct zone_span {
	int64_t start, end;
	int32_t offset; /* seconds that local time is ahead of UTC */
	int32_t before; /* the offset until start; of the first the same */
};

/* 0; -ENOENT: tzdata has no such zone; -ENOMEM. Names are those of IANA as they are written there, not
 * "+02:00" nor "CET-1CEST". */
int zone_new(const char *name, struct zone **ret_zone);
void zone_free(struct zone *zone);
const char *zone_name(const struct zone *zone);

/* The span that holds an instant. */
struct zone_span zone_span_at(const struct zone *zone, int64_t utc_s);

#endif
