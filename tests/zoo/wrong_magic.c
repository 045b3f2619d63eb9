/* Exports a symbol "agentd_plugin" that does not begin with the magic number. agentd must say that it
 * is no descriptor, and serve nothing with it. */
#include "animal.h"

static const struct agentd_agent_ops ops = {
	.size = sizeof(ops), .open = animal_open, .run = animal_run
};

const struct agentd_plugin agentd_plugin = {
	.magic = 0x464c457f,
	.abi = AGENTD_ABI,
	.size = sizeof(agentd_plugin),
	.option_size = sizeof(struct agentd_option),
	.kind = AGENTD_AGENT,
	.name = "animal",
	.version = "1",
	.agent = &ops,
};
