/*
 * worker: one process of an agent, and the runs in flight in it. Private to daemon/run.
 *
 * A run that has been answered (by its deadline or a cancel) keeps its place until the process says
 * FINISH: whatever it is busy with there, it still is. `kept` counts those.
 */
#ifndef AGENTD_RUN_WORKER_H
#define AGENTD_RUN_WORKER_H

#include <stddef.h>
#include <sys/queue.h>

#include "daemon/proc/child.h"
#include "daemon/proc/edition.h"
#include "daemon/proc/emissions.h"
#include "daemon/run/run.h"

enum worker_role {
	WORKER_SERVING,    /* gets the agent's runs */
	WORKER_SUCCESSOR,  /* starts, to take the place of a serving one */
	WORKER_RETIRED,    /* gets none any more; goes when its runs are over */
	WORKER_QUARANTINE, /* gets suspects, one at a time: runs in flight when a process died */
};

struct worker {
	struct agent *agent; /* borrowed */
	enum worker_role role;
	struct edition *edition; /* a reference: what its process is made of */
	struct child *child;
	struct worker *successor; /* borrowed; NULL: none is starting */
	TAILQ_HEAD(, run) runs;
	size_t count, kept; /* runs in it; those of them that have been answered */
	const char *reason; /* borrowed: why it is to be replaced; a constant */
	bool leaving;       /* it has been told to stop */
	struct emissions emissions;
	TAILQ_ENTRY(worker) link;
};

/* NULL: memory is out. `setup` is the child's, of the edition, of which a reference is taken. */
struct worker *worker_new(struct event_base *base, struct agent *agent, enum worker_role role,
    struct edition *edition, const struct child_setup *setup);
/* Its process is as good as one of another edition. */
void worker_rebind(struct worker *worker, struct edition *edition, const struct child_setup *setup);
void worker_free(struct worker *worker);

void worker_add(struct worker *worker, struct run *run);
void worker_remove(struct worker *worker, struct run *run);
/* From now on it gets no runs, and ends once those that somebody waits for are over. It may be gone
 * when this returns. */
void worker_retire(struct worker *worker);
/* It is retired, and a run in it is over: lets it go if that was the last. It may be gone when this
 * returns. */
void worker_check_retired(struct worker *worker);
/* Lets go of the runs that nobody waits for, and stops the process once the others are over. */
void worker_stop(struct worker *worker);

#endif
