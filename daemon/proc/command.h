/*
 * command: a program that agentd runs to its end, for itself or since the config says so: its output goes to the
 * log, line by line, and how it ended is told. It is trusted as agentd is: no sandbox, and agentd's own environment
 * and user, but none of its descriptors, and what it makes is no secret (umask 022). It ends with all that it has
 * started, wherever that has gone to. Plugins never run this way. One thread.
 */
#ifndef AGENTD_PROC_COMMAND_H
#define AGENTD_PROC_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct command;
struct event_base;

/* All of it is borrowed for the call. */
struct command_end {
	const char *error; /* why that was not with exit code 0; NULL: it was */
	bool is_late;      /* the error: it was ended, after patience_ms */
	const char *output;
	size_t output_length;
};

struct command_setup {
	/* These three are borrowed for the call. */
	const char *path; /* without a slash it is looked for in $PATH */
	char *const *argv;
	const char *folder; /* where it runs, and a relative path begins; NULL: as agentd */
	const char *label;  /* of its lines in the log; borrowed for its life */
	int64_t patience_ms;
	/* How much of the end of its output is told, at least. 0: none, but its last line is in the error. */
	size_t keep;
	/* Called once, later, when it has ended and all that it said is in the log. The command is gone then. */
	void (*done)(void *arg, const struct command_end *end);
	void *arg;
};

/* Starts it, in a session of its own, with nothing to read. 0 or -errno, as chdir(2) and execve(2) have it, too. */
int command_start(struct event_base *base, const struct command_setup *setup, struct command **ret);
/* Ends it, and all that it started. `done` is not called. NULL is fine. */
void command_stop(struct command *command);

#endif
