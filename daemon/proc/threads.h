/*
 * threads: the other threads of this process. Most calls of the kernel that take a process take any thread of it as
 * well, so a sandbox has to know them all.
 *
 * agentd tells its hosts, and they do not look for themselves: with ProtectProc= in the unit they cannot see it. What a
 * host is told stays true: the store opens once, before there are agents, and an upgrade ends all hosts first.
 */
#ifndef AGENTD_PROC_THREADS_H
#define AGENTD_PROC_THREADS_H

#include <stddef.h>
#include <sys/types.h>

#define THREADS_MAX 64

struct threads {
	pid_t ids[THREADS_MAX]; /* without the first, whose id is the process's */
	size_t count;
};

/* 0 or -errno; -E2BIG: there are more than THREADS_MAX. */
int threads_read(struct threads *ret);

#endif
