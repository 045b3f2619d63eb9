/*
 * mode: the two ways of running a program. Each has the functions of struct agentd_agent_ops, under
 * the same rules; `self` is what its `open` made.
 */
#ifndef EXEC_MODE_H
#define EXEC_MODE_H

#include <stdbool.h>

#include "agentd/plugin.h"

struct processes;
struct program;

/* What both are given. It lives as long as the plugin. */
struct exec {
	const struct agentd_host *host; /* borrowed */
	struct program *program;
	struct processes *processes;
	bool input_is_json;
};

struct mode {
	const char *name;
	int (*open)(struct exec *exec, void **ret_self);
	int (*run)(void *self, struct agentd_run *run, const struct agentd_request *request);
	void (*cancel)(void *self, struct agentd_run *run);
	void (*writable)(void *self, struct agentd_run *run);
	void (*close)(void *self); /* all processes have ended */
};

/* A process for each run. */
extern const struct mode mode_oneshot;
/* One process for all of them. */
extern const struct mode mode_worker;

#endif
