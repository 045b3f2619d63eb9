/* Says that its descriptor ends before its name. agentd must refuse it with the size. */
#include "animal.h"

static const struct agentd_agent_ops ops = {
	.size = sizeof(ops), .open = animal_open, .run = animal_run
};

const struct agentd_plugin agentd_plugin = {
	.magic = AGENTD_MAGIC,
	.abi = AGENTD_ABI,
	.size = 12,
	.option_size = sizeof(struct agentd_option),
	.kind = AGENTD_AGENT,
	.name = "animal",
	.version = "1",
	.agent = &ops,
};
