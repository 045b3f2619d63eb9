/* Has an option table at an address where nothing is. agentd must survive the crash of the host that
 * reads it, and refuse the file. */
#include "animal.h"

static const struct agentd_agent_ops ops = {
	.size = sizeof(ops), .open = animal_open, .run = animal_run
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_AGENT,
	.name = "animal",
	.version = "1",
	.options = (const struct agentd_option *)64,
	.option_count = 3,
	.agent = &ops,
};
