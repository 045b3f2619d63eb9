/* histogram: from half a millisecond, a quick commit, to five minutes, a slow agent. */
#include "daemon/base/histogram.h"

const double histogram_bound[HISTOGRAM_BOUNDS] = { 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
	0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300 };

void histogram_add(struct histogram *histogram, uint64_t us)
{
	unsigned i = 0;
	while (i < HISTOGRAM_BOUNDS && (double)us > histogram_bound[i] * 1e6)
		i++;
	histogram->count[i]++;
	histogram->sum_us += us;
}
