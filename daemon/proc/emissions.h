/*
 * emissions: the events that one process has emitted and that are on their way into the store. Each is
 * answered with EMITTED once it is there, or dropped; the process may be gone before that.
 */
#ifndef AGENTD_PROC_EMISSIONS_H
#define AGENTD_PROC_EMISSIONS_H

#include <sys/queue.h>

#include "daemon/proc/child.h"

struct emission_slip;

/* Lives in its owner; emissions_init. */
struct emissions {
	TAILQ_HEAD(, emission_slip) slips;
	size_t count;
	struct child *child; /* borrowed */
	/* Where events go: `done` is called once, when it is in the store, or dropped. */
	void (*emit)(void *arg, struct frame_text event, struct frame_text json,
	    void (*done)(void *arg), void *done_arg);
	void *arg;
	size_t event_max; /* bytes of one */
};

void emissions_init(struct emissions *emissions);
/* An EMIT. -EPROTO: it breaks a rule. */
int emissions_on_frame(struct emissions *emissions, const struct frame *frame);
/* The process is gone: nobody is there to be answered. */
void emissions_forget(struct emissions *emissions);

#endif
