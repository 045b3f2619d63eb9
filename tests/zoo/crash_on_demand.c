/* Crashes in `run`, and in `open` for as long as the file that its option names is there: a crash
 * loop that a test can end. agentd must have nothing left of it afterwards. */
#include "animal.h"

static const struct agentd_option options[] = {
	{ .key = "while", .type = AGENTD_STRING, .fallback = "/nonexistent" },
};

static int bite_in_open(
    const struct agentd_host *given, const struct agentd_options *values, void **ret_self)
{
	animal_open(given, values, ret_self);
	if (access(agentd_get_text(values, "while"), F_OK) == 0)
		raise(SIGSEGV);
	return 0;
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	return raise(SIGSEGV);
}

static const struct agentd_agent_ops ops = {
	.size = sizeof(ops), .open = bite_in_open, .run = bite
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_AGENT,
	.name = "animal",
	.version = "1",
	.options = options,
	.option_count = 1,
	.agent = &ops,
};
