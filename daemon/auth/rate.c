/* rate: buckets by name. A full one is as good as none, so those are thrown away now and then. */
#include "daemon/auth/rate.h"

#define HASH_NONFATAL_OOM 1
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define SWEEP_LEAST    1024 /* buckets before anybody looks for full ones */
#define NAME_MAX_BYTES 400

/* A request weighs as much as the period has microseconds, and `count` of that come back in each of them: so
 * nothing is rounded. A whole bucket, of 1000000 a day, is 9e16. */
struct bucket {
	uint64_t missing, at_us; /* so much, at that time */
	uint64_t period_us;      /* what a request weighs in it */
	uint64_t full_at_us;     /* if nobody takes anything */
	UT_hash_handle hh;
	char name[];
};

struct rates {
	unsigned refs;
	struct bucket *buckets;
	size_t sweep_at;
};

struct rates *rates_new(void)
{
	struct rates *rates = calloc(1, sizeof(*rates));
	if (rates)
		*rates = (struct rates){ .refs = 1, .sweep_at = SWEEP_LEAST };
	return rates;
}

struct rates *rates_ref(struct rates *rates)
{
	rates->refs++;
	return rates;
}

static void sweep(struct rates *rates, uint64_t now_us)
{
	struct bucket *bucket, *next;
	HASH_ITER (hh, rates->buckets, bucket, next)
		if (bucket->full_at_us <= now_us) {
			HASH_DEL(rates->buckets, bucket);
			free(bucket);
		}
	rates->sweep_at = 2 * (size_t)HASH_COUNT(rates->buckets) + SWEEP_LEAST;
}

void rates_free(struct rates *rates)
{
	if (!rates || --rates->refs)
		return;
	sweep(rates, UINT64_MAX);
	free(rates);
}

/* "provider user": no name of a provider has a blank in it. One that is too long for this is cut, and
 * shares its bucket with others that begin so. */
static size_t make_name(char name[NAME_MAX_BYTES], const char *provider, const char *who)
{
	size_t head = strnlen(provider, NAME_MAX_BYTES - 1);
	memcpy(name, provider, head);
	name[head++] = ' ';
	size_t tail = strnlen(who, NAME_MAX_BYTES - head);
	memcpy(name + head, who, tail);
	return head + tail;
}

/* NULL: no memory. */
static struct bucket *find(struct rates *rates, const char *provider, const char *who)
{
	char name[NAME_MAX_BYTES];
	size_t n = make_name(name, provider, who);
	struct bucket *bucket;
	HASH_FIND(hh, rates->buckets, name, n, bucket);
	if (bucket)
		return bucket;
	bucket = calloc(1, sizeof(*bucket) + n);
	if (!bucket)
		return NULL;
	memcpy(bucket->name, name, n);
	HASH_ADD_KEYPTR(hh, rates->buckets, bucket->name, n, bucket);
	if (bucket->hh.tbl)
		return bucket;
	free(bucket); /* uthash had no memory for it */
	return NULL;
}

/* Its rate may have changed: so many requests as before are missing, or all that it holds. */
static void weigh_anew(struct bucket *bucket, uint64_t period_us, uint64_t count)
{
	if (bucket->period_us && bucket->period_us != period_us) {
		uint64_t taken = (bucket->missing + bucket->period_us - 1) / bucket->period_us;
		bucket->missing = (taken < count ? taken : count) * period_us;
	}
	bucket->period_us = period_us;
	if (bucket->missing > count * period_us)
		bucket->missing = count * period_us;
}

bool rates_take(struct rates *rates, const char *provider, const char *who, const struct rate *rate,
    uint64_t now_us, uint64_t *ret_wait_us)
{
	if (rate->count == 0)
		return true;
	if (HASH_COUNT(rates->buckets) >= rates->sweep_at)
		sweep(rates, now_us);
	struct bucket *bucket = find(rates, provider, who);
	if (!bucket)
		return true;
	uint64_t period_us = (uint64_t)rate->period_ms * 1000, count = (uint64_t)rate->count;
	weigh_anew(bucket, period_us, count);
	uint64_t passed_us = now_us - bucket->at_us;
	uint64_t came = (passed_us < period_us ? passed_us : period_us) * count;
	bucket->missing = bucket->missing > came ? bucket->missing - came : 0;
	bucket->at_us = now_us;
	if (bucket->missing + period_us > count * period_us) {
		*ret_wait_us = (bucket->missing - (count - 1) * period_us + count - 1) / count;
		return false;
	}
	bucket->missing += period_us;
	bucket->full_at_us = now_us + (bucket->missing + count - 1) / count;
	return true;
}

size_t rates_count(const struct rates *rates)
{
	return HASH_COUNT(rates->buckets);
}
