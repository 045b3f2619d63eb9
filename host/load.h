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
	struct agentd_agent_ops agent;
	struct agentd_trigger *triggers;
};

/* 0; or -1, with a line for people in `reason`. */
int load_plugin(int fd, struct plugin *ret, char *reason, size_t size);

#endif
