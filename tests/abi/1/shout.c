/* shout: an agent as it was when ABI 1 was new; never changed. tests/e2e/test_abi_1.py. */
#include <agentd/plugin.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

static const struct agentd_host *host;

static int shout_open(
    const struct agentd_host *given, const struct agentd_options *options, void **ret_self)
{
	(void)options;
	(void)ret_self;
	host = given;
	return 0; /* ready */
}

static int shout_run(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self;
	size_t n = request->input.n;
	char *text = malloc(n + 1);
	if (!text)
		return -ENOMEM; /* agentd ends the run as failed */
	for (size_t i = 0; i < n; i++)
		text[i] = (char)toupper((unsigned char)request->input.p[i]);

	struct agentd_result result = { .size = sizeof(result), .content = agentd_text(text, n) };
	host->finish(run, &result); /* exactly one finish for every run */
	free(text);                 /* what was passed was only borrowed */
	return 0;
}

static const struct agentd_agent_ops agent = {
	.size = sizeof(agent),
	.open = shout_open,
	.run = shout_run,
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_AGENT,
	.name = "shout",
	.version = "1.0.0",
	.summary = "says it louder",
	.agent = &agent,
};
