/*
 * process: one process that spawn.h starts, until nothing of it is left: its channel, what it prints, and its end. What
 * it says is its owner's matter, and so is whether another is started after it.
 *
 * It has ended when it is reaped and all that it said is read, so that a frame that lay in the socket still counts. What
 * is left of its process group is killed with it.
 *
 * One thread.
 */
#ifndef AGENTD_PROC_PROCESS_H
#define AGENTD_PROC_PROCESS_H

#include <sys/types.h>

#include "daemon/proc/channel.h"

struct event_base;
struct output;
struct process;
struct spawn_request;

struct process_setup {
	const struct spawn_request *request; /* borrowed until process_start returns */
	const char *label;                   /* copied: how the log calls what it prints */
	const struct channel_ops *ops;       /* borrowed */
	/* It has ended; signal: 0, it has exited. May free it. */
	void (*ended)(void *arg, int signal, int code);
	void *arg; /* borrowed; of the ops, too */
};

/* 0 or -errno: then none is left. */
int process_start(struct event_base *base, const struct process_setup *setup, struct process **ret);
/* One that still lives is killed, and reaped. NULL is fine. No callback is called. */
void process_free(struct process *process);

/* NULL once it is closed. */
struct channel *process_channel(const struct process *process);
/* Also from the channel's own callbacks. */
void process_close(struct process *process);
struct output *process_output(const struct process *process);
pid_t process_pid(const struct process *process);
/* Nothing, if it has ended. */
void process_signal(const struct process *process, int signal);

#endif
