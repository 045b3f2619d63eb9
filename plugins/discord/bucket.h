/*
 * bucket: Discord's rate limits, as its answers tell of them: one bucket for each route, and one for all.
 *
 * A route of ours has its channel in it, so that it is a bucket of its own; that two of them share one
 * (X-RateLimit-Bucket) is not followed up: then a 429 says so. Pure: the time is passed in, in ms.
 */
#ifndef DISCORD_BUCKET_H
#define DISCORD_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#define DISCORD_BUCKETS   64 /* that are remembered; the one that opens first makes room */
#define DISCORD_ROUTE_MAX 64

struct discord_buckets {
	uint64_t all_until_ms; /* nothing before that */
	struct {
		char route[DISCORD_ROUTE_MAX];
		unsigned remaining;
		uint64_t until_ms; /* when it is full again */
	} rows[DISCORD_BUCKETS];
};

/* What an answer says. NULL: it has no such header. */
struct discord_limit {
	unsigned status;
	const char *remaining;   /* X-RateLimit-Remaining */
	const char *reset_after; /* X-RateLimit-Reset-After: seconds, with a fraction */
	const char *retry_after; /* Retry-After: seconds */
	double body_retry_after; /* of a 429's body: seconds; 0: none */
	bool global;             /* X-RateLimit-Global, or the body says so */
};

/* How long the route has to wait; 0: not at all. */
uint64_t discord_buckets_wait_ms(
    const struct discord_buckets *buckets, const char *route, uint64_t now_ms);
/* A request of that route is about to be sent. */
void discord_buckets_take(struct discord_buckets *buckets, const char *route, uint64_t now_ms);
void discord_buckets_learn(struct discord_buckets *buckets, const char *route,
    const struct discord_limit *limit, uint64_t now_ms);

#endif
