/* usage: what a process costs, as the kernel has it (proc_pid_stat(5)). */
#ifndef AGENTD_PROC_USAGE_H
#define AGENTD_PROC_USAGE_H

#include <stdint.h>
#include <sys/types.h>

struct usage {
	double cpu_seconds;      /* user and system, of all its threads */
	uint64_t resident_bytes; /* pages that it shares with others count for each */
};

/* 0, or -ESRCH: there is no such process. */
int usage_read(pid_t pid, struct usage *ret);

#endif
