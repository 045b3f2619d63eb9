/*
 * command: a program that agentd runs to its end, for itself: its output goes to the log, line by line, and
 * how it ended is told. It is trusted as agentd is: no sandbox, and agentd's own environment and user.
 * Plugins never run this way. One thread.
 */
#ifndef AGENTD_PROC_COMMAND_H
#define AGENTD_PROC_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct command;
struct event_base;

struct command_setup {
	const char *path;  /* borrowed for the call */
	char *const *argv; /* the same */
	const char *label; /* of its lines in the log; borrowed for its life */
	int64_t patience_ms;
	/* Called once, later, when it has ended and all that it said is in the log; NULL: with exit code 0. Else why
	 * that is not so, borrowed for the call. The command is gone then. */
	void (*done)(void *arg, const char *error);
	void *arg;
};

/* Starts it, in a session of its own, with nothing to read. 0 or -errno, as execve(2) has it, too. */
int command_start(struct event_base *base, const struct command_setup *setup, struct command **ret);
/* Ends it, and all that it started and that did not leave its session. `done` is not called. */
void command_stop(struct command *command);

#endif
