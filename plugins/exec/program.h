/*
 * program: what the settings name: a file, its arguments, its environment. All of it is checked when
 * the plugin is opened, so that a mistake is seen then and not by the first run.
 */
#ifndef EXEC_PROGRAM_H
#define EXEC_PROGRAM_H

#include "agentd/plugin.h"

struct environment;

struct program {
	char *path;  /* the file to execute */
	char **argv; /* ends with NULL */
	struct environment *environment;
};

/* Reads `command`, `env` and `cwd`, and moves this process to `cwd`. Negative: `why` says which
 * option is wrong, and how. A program that is not in order can still be done with. */
int program_init(
    struct program *program, const struct agentd_options *options, char *why, size_t size);
void program_done(struct program *program);

#endif
