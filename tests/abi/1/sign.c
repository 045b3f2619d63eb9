/* sign: a hook as it was when ABI 1 was new; never changed. tests/e2e/test_abi_1.py. */
#include <agentd/plugin.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct agentd_host *host;
static char *signature;

static int sign_open(
    const struct agentd_host *given, const struct agentd_options *options, void **ret_self)
{
	(void)ret_self;
	host = given;
	signature = strdup(agentd_get_text(options, "signature"));
	return signature ? 0 : -ENOMEM;
}

static int sign_after_run(
    void *self, struct agentd_call *call, const struct agentd_exchange *exchange)
{
	(void)self;
	char *text;
	int n = asprintf(&text, "%.*s\n%s", (int)exchange->reply.n, exchange->reply.p, signature);
	if (n < 0)
		return -ENOMEM;
	int error = host->edit(call, AGENTD_EDIT_TEXT, agentd_text(text, (size_t)n));
	free(text);
	return error;
}

static const struct agentd_option options[] = {
	{ .key = "signature", .type = AGENTD_STRING, .fallback = "-- a machine" },
};

static const struct agentd_hook_ops hook = {
	.size = sizeof(hook),
	.open = sign_open,
	.after_run = sign_after_run,
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_HOOK,
	.name = "sign",
	.version = "1.0.0",
	.summary = "signs what agents say",
	.options = options,
	.option_count = 1,
	.hook = &hook,
};
