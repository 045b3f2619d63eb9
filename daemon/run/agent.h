/*
 * agent: one agent of the config: its processes (those that serve, and older ones that may still be
 * finishing), the runs in them, and those that wait for a place.
 *
 * One thread. What run.c asks of it is in internal.h.
 */
#ifndef AGENTD_RUN_AGENT_H
#define AGENTD_RUN_AGENT_H

#include <stdint.h>
#include <sys/types.h>

#include "daemon/conf/settings.h"
#include "daemon/proc/child.h"
#include "daemon/run/run.h"
#include "daemon/run/tally.h"

/* What a config has of it: borrowed from the era, of which its processes take a reference. */
struct agent_config {
	struct era *era;
	const struct agent_settings *settings; /* its options are checked */
	const struct supervision *supervision;
	const struct schema_list *hidden; /* files that its processes must not see */
	struct image *image;              /* a reference is taken */
	unsigned view;                    /* edition.h */
};

struct agent_setup {
	struct agent_config config;
	int host_fd;       /* borrowed */
	struct runs *runs; /* borrowed */
	/* Some process of the agent is gone or came; borrowed, may be NULL. */
	void (*changed)(void *arg);
	/* Its plugin emits an event; `done` is called once, when that is in the store, or dropped. */
	void (*emit)(void *arg, struct agent *agent, struct frame_text event,
	    struct frame_text json, void (*done)(void *arg), void *done_arg);
	void *arg;
};

struct agent *agent_new(struct event_base *base, const struct agent_setup *setup);
void agent_free(struct agent *agent); /* kills what still lives */

void agent_start(struct agent *agent);
/* Goes by another config from now on. If its processes are to be other ones, they are started first, and take the place
 * of those that there are once they are ready; those end what they have begun. If they do not get ready, those that
 * there are go on. 0 or -ENOMEM: nothing has changed. */
int agent_reconfigure(struct agent *agent, const struct agent_config *config);
/* The config has it no more: what runs ends, and what waits will not run. It is the era's now, of which it keeps no
 * reference once its processes are down: to be freed when that is over. */
void agent_leave(struct agent *agent);
/* New processes take the place of those that there are, once they are ready; the old ones end what they
 * have begun. 0; -EBUSY: several old ones are at that already; -ENOMEM. */
int agent_restart(struct agent *agent);
void agent_stop(struct agent *agent); /* lets go of its processes once their runs are over */
bool agent_is_down(const struct agent *agent);

/* Whether it takes another run now. One that is durable may wait for a process. */
enum run_code agent_admit(const struct agent *agent, bool durable);
/* Seconds until another try makes sense, for Retry-After. */
unsigned agent_retry_after_s(const struct agent *agent);

const struct agent_settings *agent_settings(const struct agent *agent);
const struct descriptor *agent_descriptor(const struct agent *agent);

#define AGENT_PIDS_MAX 144 /* 64 workers, as many successors, and a few that are retired */

/* What people are shown. */
struct agent_view {
	enum state state;
	unsigned generation; /* of the newest process that serves */
	unsigned restarts;
	size_t running, queued;
	pid_t pids[AGENT_PIDS_MAX];
	size_t pid_count;
	const struct child_exit *last_exit;
	uint64_t retry_at_wall_ms;
	const struct tally *tally;
};
void agent_look(const struct agent *agent, struct agent_view *ret);

#endif
