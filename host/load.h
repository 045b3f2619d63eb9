/* load: a plugin from its descriptor 4 into this process, checked before it is believed. */
#ifndef AGENTD_HOST_LOAD_H
#define AGENTD_HOST_LOAD_H

#include <stddef.h>

#include "agentd/plugin.h"

/* Our own copy of the descriptor and all its tables: larger or smaller structs of another
 * plugin.h are evened out here, nowhere else. */
struct plugin {
	struct agentd_plugin head;
	struct agentd_option *options;
	struct agentd_agent_ops agent; /* by its kind, one of these three */
	struct agentd_interface_ops interface;
	struct agentd_hook_ops hook;
	struct agentd_trigger *triggers;
	struct agentd_path *paths;
	/* Of whatever kind. `close` may be NULL. */
	int (*open)(
	    const struct agentd_host *host, const struct agentd_options *options, void **ret_self);
	void (*close)(void *self);
};

/* A struct that says its size, as ours: what a smaller one does not have is zero. -1: it is larger, and what we do not
 * know is not zero, so that something would be asked of us that we do not do. */
int load_copy(void *into, size_t ours, const void *from, size_t theirs);

/* 0; or -1, with a line for people in `reason`. */
int load_plugin(int fd, struct plugin *ret, char *reason, size_t size);

#endif
