/* Asks for something that this agentd does not know, in bytes behind its own descriptor's. agentd must
 * refuse it: what it does not know it cannot do. */
#include "animal.h"

static const struct agentd_agent_ops ops = {
	.size = sizeof(ops), .open = animal_open, .run = animal_run
};

struct longer {
	struct agentd_plugin known;
	uint64_t news;
};
extern const struct longer longer __asm__("agentd_plugin");
__attribute__((visibility("default"))) const struct longer longer = {
	.known = {
		.magic = AGENTD_MAGIC,
		.abi = AGENTD_ABI,
		.size = sizeof(longer),
		.option_size = sizeof(struct agentd_option),
		.kind = AGENTD_AGENT,
		.name = "animal",
		.version = "1",
		.agent = &ops,
	},
	.news = 1,
};
