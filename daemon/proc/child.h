/*
 * child: one supervised host process, over all its lives. It feeds what happens (frames, timers,
 * signals, the end) to the table in state.h and does what the table says; it knows nothing of runs.
 *
 * Each start is a new generation. A process is gone only when it is reaped and all that it said is
 * read, so that a FINISH that lay in the socket still counts.
 *
 * One thread. The callbacks may call any function here; only `changed`, in the states DOWN, BACKOFF
 * and FAILED, may free the child.
 */
#ifndef AGENTD_PROC_CHILD_H
#define AGENTD_PROC_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/base/frame.h"
#include "daemon/proc/exit.h"
#include "daemon/proc/image.h"
#include "daemon/proc/state.h"

struct event_base;
struct child;

struct child_setup {
	const char *name;         /* borrowed: the instance's, shown in ps */
	const char *label;        /* borrowed: how the log calls it, "agent echo" */
	struct image *image;      /* a reference is taken */
	const struct buf *config; /* borrowed: a CONFIG frame; NULL: stays at HELLO (a probe) */
	const struct supervision *times;  /* borrowed */
	const struct host_limits *limits; /* borrowed */
	const struct schema_list *hidden; /* borrowed: files that the sandbox keeps from it */
	unsigned *generations;            /* borrowed: the counter of the instance */
	const char *spool;                /* borrowed: a folder for its attachments; NULL: none */
	int host_fd;                      /* borrowed */
	bool quiet;                       /* its end is not logged: the owner reports it */
};

struct child_ops {
	/* What message.h has from READY on, in READY and DRAINING; EMIT, SUBMIT and STOPPED, once it has CONFIG. Negative: it
	 * makes no sense, from a plugin of its kind or at all; the process is killed. */
	int (*frame)(void *arg, struct child *child, const struct frame *frame);
	/* The process is gone; whatever it had in flight is lost. `changed` follows. */
	void (*gone)(void *arg, struct child *child);
	/* The state changed. */
	void (*changed)(void *arg, struct child *child);
	/* Optional: HELLO came, image_descriptor has it. */
	void (*hello)(void *arg, struct child *child);
	/* Optional: the backlog is written. */
	void (*drained)(void *arg, struct child *child);
	/* Optional: the generation of another process that serves while this one does not; 0: none. For the log. */
	unsigned (*meanwhile)(void *arg);
};

/* `ops` and `arg` are borrowed. NULL: memory is out. */
struct child *child_new(struct event_base *base, const struct child_setup *setup,
    const struct child_ops *ops, void *arg);
/* A process that still lives is killed, and reaped. No callback is called. */
void child_free(struct child *child);

/* Borrows from another setup from now on, which says the same in all that a process is made of, unless there is none
 * (DOWN). */
void child_rebind(struct child *child, const struct child_setup *setup);

void child_up(struct child *child);   /* wanted: start it, now if it was waiting for a retry */
void child_down(struct child *child); /* not wanted: drain, then stop */
void child_idle(struct child *child); /* nothing is in flight; ends a drain */
void child_fault(struct child *child, const char *reason); /* it broke a rule: kill it */
void child_kill(struct child *child);                      /* not wanted, at once */

/* A frame for the process; ended with frame_end. Without a process it goes nowhere. */
struct frame_writer child_begin(struct child *child, uint16_t type, uint64_t run);
size_t child_backlog(const struct child *child); /* bytes it has not read yet */

enum state child_state(const struct child *child);
/* Whether it was sent its settings; before that it understands nothing else. */
bool child_is_configured(const struct child *child);
unsigned child_generation(const struct child *child);       /* of the last start */
pid_t child_pid(const struct child *child);                 /* 0: no process */
unsigned child_restarts(const struct child *child);         /* after ends that nobody wanted */
uint64_t child_retry_at_wall_ms(const struct child *child); /* 0 unless in BACKOFF */
const struct child_exit *child_last_exit(const struct child *child);

#endif
