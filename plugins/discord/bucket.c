/* bucket: a small table, since a bucket is worth remembering only until it is full again. */
#include "bucket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MAX_S (24.0 * 60 * 60) /* of what is asked; more is nonsense */
#define WAIT_S     1.0              /* of a 429 that does not say how long */

static uint64_t ms_of(double seconds)
{
	if (!(seconds > 0)) /* nor what is no number */
		return 0;
	return 1 + (uint64_t)(1000 *
			      (seconds < WAIT_MAX_S ? seconds : WAIT_MAX_S)); /* never too early */
}

static int row_of(const struct discord_buckets *buckets, const char *route)
{
	for (int i = 0; i < DISCORD_BUCKETS; i++)
		if (strcmp(buckets->rows[i].route, route) == 0)
			return i;
	return -1;
}

/* The route's row, or the one that can best be spared. */
static int row_for(struct discord_buckets *buckets, const char *route)
{
	int row = row_of(buckets, route);
	if (row >= 0)
		return row;
	row = 0;
	for (int i = 1; i < DISCORD_BUCKETS; i++)
		if (buckets->rows[i].until_ms < buckets->rows[row].until_ms)
			row = i;
	snprintf(buckets->rows[row].route, DISCORD_ROUTE_MAX, "%s", route);
	return row;
}

uint64_t discord_buckets_wait_ms(
    const struct discord_buckets *buckets, const char *route, uint64_t now_ms)
{
	uint64_t until_ms = buckets->all_until_ms;
	int row = row_of(buckets, route);
	if (row >= 0 && buckets->rows[row].remaining == 0 && buckets->rows[row].until_ms > until_ms)
		until_ms = buckets->rows[row].until_ms;
	return until_ms > now_ms ? until_ms - now_ms : 0;
}

void discord_buckets_take(struct discord_buckets *buckets, const char *route, uint64_t now_ms)
{
	int row = row_of(buckets, route);
	if (row < 0)
		return;
	if (buckets->rows[row].until_ms <= now_ms)
		buckets->rows[row].route[0] =
		    '\0'; /* it is full again, and of what it holds now the answer tells */
	else if (buckets->rows[row].remaining)
		buckets->rows[row].remaining--;
}

void discord_buckets_learn(struct discord_buckets *buckets, const char *route,
    const struct discord_limit *limit, uint64_t now_ms)
{
	if (limit->status == 429) {
		double seconds = limit->body_retry_after;
		if (!(seconds > 0) && limit->retry_after)
			seconds = strtod(limit->retry_after, NULL);
		if (!(seconds > 0))
			seconds = WAIT_S;
		uint64_t until_ms = now_ms + ms_of(seconds);
		if (limit->global) {
			buckets->all_until_ms = until_ms;
			return;
		}
		int row = row_for(buckets, route);
		buckets->rows[row].remaining = 0;
		buckets->rows[row].until_ms = until_ms;
	} else if (limit->remaining && limit->reset_after) {
		int row = row_for(buckets, route);
		long remaining = strtol(limit->remaining, NULL, 10);
		buckets->rows[row].remaining = remaining <= 0     ? 0
					       : remaining < 1000 ? (unsigned)remaining
								  : 1000;
		buckets->rows[row].until_ms = now_ms + ms_of(strtod(limit->reset_after, NULL));
	}
}
