/*
 * gatekeeper: a hook for tests: refuses messages that say so, and changes others. Texts begin with what it does:
 * "refuse …", "crash …", "wait …" (until it is ended), "fatal …"; all others have the option `mark` put behind them.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agentd/plugin.h"

static const struct agentd_host *host;
static char mark[64];

static int gate_open(
    const struct agentd_host *given, const struct agentd_options *options, void **self)
{
	(void)self;
	host = given;
	snprintf(mark, sizeof(mark), "%s", agentd_get_text(options, "mark"));
	return 0;
}

static int begins(struct agentd_text text, const char *word)
{
	return text.n >= strlen(word) && memcmp(text.p, word, strlen(word)) == 0;
}

static int gate_before_run(
    void *self, struct agentd_call *call, const struct agentd_exchange *exchange)
{
	(void)self;
	struct agentd_text text = exchange->message->text;
	char said[1024];
	if (begins(text, "refuse"))
		return AGENTD_REFUSE;
	if (begins(text, "crash"))
		raise(SIGSEGV);
	if (begins(text, "wait"))
		return AGENTD_PENDING;
	if (begins(text, "fatal"))
		host->fatal(host, "it was told to");
	int n = snprintf(said, sizeof(said), "%.*s%s", (int)text.n, text.p, mark);
	return host->edit(call, AGENTD_EDIT_TEXT, agentd_text(said, (size_t)n));
}

static const struct agentd_hook_ops ops = {
	.size = sizeof(ops), .open = gate_open, .before_run = gate_before_run
};

static const struct agentd_option options[] = {
	{ "mark", AGENTD_STRING, 0, "!", NULL, 0, 0, "what it puts behind all that is said" },
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_HOOK,
	.name = "gatekeeper",
	.version = "1.0",
	.summary = "a hook for tests",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.hook = &ops,
};
