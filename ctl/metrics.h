/* metrics: the two things that only /metrics tells: agentd's version, and the memory of processes. */
#ifndef AGENTCTL_METRICS_H
#define AGENTCTL_METRICS_H

#include "ctl/client.h"

struct metrics {
	char version[32];
	char *text; /* as it came */
};

void metrics_read(struct client *client, struct metrics *ret_metrics);
void metrics_done(struct metrics *metrics);
/* Resident memory of a process of an agent; 0: not known. */
uint64_t metrics_memory(const struct metrics *metrics, long long pid);

#endif
