/* agent_internal: an agent, as agent.c (places for runs) and renew.c (its processes) share it. */
#ifndef AGENTD_RUN_AGENT_INTERNAL_H
#define AGENTD_RUN_AGENT_INTERNAL_H

#include "daemon/proc/edition.h"
#include "daemon/run/agent.h"
#include "daemon/run/internal.h"
#include "daemon/run/worker.h"

#define RETIRED_MAX 4 /* replaced processes that have not ended; then no more are replaced */

struct agent {
	struct event_base *base; /* borrowed */
	struct agent_setup setup;
	struct edition *edition; /* of the processes that it starts from now on */
	unsigned generations;
	unsigned restarts; /* of workers that are gone */
	struct child_exit last_exit;
	struct tally tally;
	TAILQ_HEAD(, worker) workers;
	TAILQ_HEAD(, run) queue;
	TAILQ_HEAD(, run) suspects; /* were in flight when a process died; retried alone */
	struct worker *quarantine;  /* borrowed: the worker that gets them; NULL: none needed */
	bool pumping, updating, stopping;
	bool left;    /* the config has it no more */
	bool is_late; /* processes are still to be replaced by those of its edition */
	/* Started and not begun: in the queue, or before it in their session. */
	size_t waiting, waiting_durable;
};

/* agent.c */
bool agent_is_available(const struct agent *agent); /* it serves, or is about to */
void agent_refuse_queued(struct agent *agent);
void agent_check_left(struct agent *agent); /* one of its processes may be down */

/* renew.c */
struct worker *agent_add_worker(struct agent *agent, enum worker_role role);
void agent_remove_worker(struct agent *agent, struct worker *worker);

#endif
