/*
 * internal: the state of a host, as host.c (what agentd says) and services.c (what the plugin asks for)
 * share it. There is one plugin in a process, so there is one state.
 */
#ifndef AGENTD_HOST_INTERNAL_H
#define AGENTD_HOST_INTERNAL_H

#define HASH_NONFATAL_OOM 1
#include <pthread.h>
#include <stdbool.h>
#include <uthash.h>

#include "host/host.h"

struct channel;
struct event;
struct event_base;

#define RUN_ID_MAX 63

struct agentd_run {
	uint64_t number;
	char id[RUN_ID_MAX + 1]; /* as people know it */
	unsigned refs;
	uint32_t credit, events;
	bool cancelled, finished, starved, complained;
	bool handling;              /* a trigger's handler is in its call */
	struct buf input, metadata; /* what it has said so far */
	UT_hash_handle hh;
};

struct host_state {
	int fd;
	const struct host_setup *setup;
	const struct plugin *plugin;
	void *self;
	bool ready, opened, blocking; /* blocking: `run` is called on threads of the pool */
	struct event_base *base;
	struct channel *channel;
	struct event *flush; /* made active by hand: frames leave at the end of the turn */
	pthread_t loop;

	/* Under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t credit; /* some run got more, or is cancelled */
	struct agentd_run *runs;
	struct buf out;
	unsigned emitted; /* events on their way into the store */
	size_t backlog;   /* bytes that agentd had not taken at the last flush */
	bool woken;
	int wake_fd;
};

extern struct host_state host;

/* The table that the plugin gets; its name is set before `open`. */
extern struct agentd_host host_services;

/* Frames wait in `out`: they leave at the end of this turn of the loop, or of the next. Locked by the caller. */
void services_wake(void);
bool services_is_kind(uint32_t kind);
/* A line of a run, or of none (NULL). Locked by the caller. */
void services_put_log(uint32_t level, const char *run_id, const char *text);
/* Hands the frames that wait to the channel, which sends them at the end of this turn. An event's
 * callback; its arguments do not matter. */
void services_flush(int fd, short what, void *arg);
/* "its open failed: Permission denied (-13)". Without the words if the number is none of errno's; nor has -1 any, which is
 * what C says for all failures, more often than EPERM. */
void services_describe(char *text, size_t size, const char *what, int error);
/* Says why, after all that was said before, and ends this process. */
_Noreturn void services_leave(int code, const char *reason);
/* The run that this thread is in, for the lines that it logs; NULL: none. */
void services_enter(const struct agentd_run *run);
/* services_run.c. A handler is called for the run from now on: it may say what the agent is told. */
void services_begin_input(struct agentd_run *run);
/* It has returned, with `error`. True: there is an input, which is the caller's now, and `run` comes next.
 * Else the run is over. */
bool services_end_input(
    struct agentd_run *run, int error, struct buf *ret_input, struct buf *ret_metadata);
/* Ends a run for the plugin; nothing happens if it is finished. */
void services_fail_run(struct agentd_run *run, const char *why);
void services_unref(struct agentd_run *run);

#endif
