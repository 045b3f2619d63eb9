/* Describes itself with what a terminal would obey. Nobody who looks at it must have that done to theirs. */
#include "animal.h"

static const struct agentd_agent_ops ops = {
	.size = sizeof(ops), .open = animal_open, .run = animal_run
};

static const struct agentd_option options[] = {
	{ .key = "color",
	    .type = AGENTD_STRING,
	    .fallback = "red",
	    .choices = "red|\033[32m|\302\233"
		       "33m|\377",
	    .help = "which\033[8m hides\nthis: a line of its own" },
	{ .key = "reset",
	    .type = AGENTD_STRING,
	    .fallback = "\033c\302\233"
			"1m" },
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_AGENT,
	.name = "animal",
	.version = "\033[2J1",
	.summary = "is\tbad\033]0;title\007",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.agent = &ops,
};
