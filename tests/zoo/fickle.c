/* Describes itself in another way each time that it is loaded. agentd must not serve what it has not
 * checked: it stays down, and its runs get 503. */
#include "animal.h"

static char version[16];
static const struct agentd_agent_ops ops = {
	.size = sizeof(ops), .open = animal_open, .run = animal_run
};

__attribute__((constructor)) static void begin(void)
{
	snprintf(version, sizeof(version), "%d", getpid());
}

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_AGENT,
	.name = "animal",
	.version = version,
	.agent = &ops,
};
