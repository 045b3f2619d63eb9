/*
 * pool: the threads on which a blocking plugin's `run` is called.
 *
 * A thread is made when a call finds none that is idle, up to a bound; it then stays. Calls beyond
 * the bound wait: agentd sends no more runs than there are threads, so that happens only in the
 * moment between a plugin's finish and its return.
 *
 * All functions are for the loop thread.
 */
#ifndef AGENTD_HOST_POOL_H
#define AGENTD_HOST_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* Lives at the head of what is to be done. */
struct pool_call {
	void (*execute)(struct pool_call *call); /* on a thread of the pool; it frees the call */
	STAILQ_ENTRY(pool_call) link;
};

/* 0; or -errno: there is no thread to do it, and the call is still the caller's. */
int pool_add(struct pool_call *call, unsigned threads_max);
/* Waits until no thread is inside a call. False: some still are. */
bool pool_wait_idle(int64_t most_ms);

#endif
