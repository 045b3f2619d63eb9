/*
 * histogram: durations, counted in the buckets in which Prometheus shows them.
 *
 * Not thread-safe. Never freed: it is a plain struct, zero when it is new.
 */
#ifndef AGENTD_BASE_HISTOGRAM_H
#define AGENTD_BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BOUNDS 18

extern const double histogram_bound[HISTOGRAM_BOUNDS]; /* seconds, each the upper end of a bucket */

struct histogram {
	uint64_t
	    count[HISTOGRAM_BOUNDS + 1]; /* in that bucket alone; the last is beyond all bounds */
	uint64_t sum_us;
};

void histogram_add(struct histogram *histogram, uint64_t us);

#endif
