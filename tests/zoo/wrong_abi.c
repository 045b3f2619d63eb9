/* Was built for another ABI. agentd must say both numbers, and read no byte behind them. */
#include "animal.h"

static const struct agentd_agent_ops ops = {
	.size = sizeof(ops), .open = animal_open, .run = animal_run
};

const struct agentd_plugin agentd_plugin = {
	.magic = AGENTD_MAGIC,
	.abi = 4711,
	.size = sizeof(agentd_plugin),
	.option_size = sizeof(struct agentd_option),
	.kind = AGENTD_AGENT,
	.name = "animal",
	.version = "1",
	.agent = &ops,
};
