/*
 * gate: a hook for the tests. What it does with a message says its text, behind the "say" for the agent:
 *
 *	refuse STAGE …      refuses it at that stage (message, before, after)
 *	fail STAGE …        fails there
 *	later STAGE …       decides there 50 ms later, by a timer
 *	never STAGE …       never decides there
 *	until STAGE FILE …  decides there once the file is there
 *	crash STAGE …       SIGSEGV there, each time
 *	once STAGE FILE …   SIGSEGV there, if the file is not there yet
 *	fatal STAGE …       gives up there, each time
 *	change …            before the run: "request", with metadata; after it: adds "!" to the reply
 *
 * With the option `tag` it adds that to each reply; with `needs` it does not get ready before that file is there.
 *
 * It logs each call: "STAGE platform=… user=… session=… reply=… error=…".
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agentd/plugin.h"

static const struct agentd_host *host;
static int changed;
static struct agentd_call *volatile forgotten; /* no leak: it might still be decided */
static char *tag;

struct pending {
	struct agentd_call *call;
	struct agentd_timer *timer;
	char *path; /* that it waits for; NULL: only for the time */
};

static void on_timer(void *arg)
{
	struct pending *pending = arg;
	if (pending->path && access(pending->path, F_OK) < 0) {
		host->timer_set(pending->timer, 20);
		return;
	}
	host->decide(pending->call, 0);
	host->timer_free(pending->timer);
	free(pending->path);
	free(pending);
}

static int later(struct agentd_call *call, const char *path)
{
	struct pending *pending = calloc(1, sizeof(*pending));
	pending->call = call;
	pending->path = path ? strdup(path) : NULL;
	pending->timer = host->timer_new(host, on_timer, pending);
	host->timer_set(pending->timer, 50);
	return AGENTD_PENDING;
}

static int crash_once(const char *path)
{
	if (access(path, F_OK) == 0)
		return 0;
	close(open(path, O_CREAT | O_WRONLY, 0600));
	raise(SIGSEGV);
	return 0;
}

#define SHOWN(text) (int)(text).n, (text).p ? (text).p : ""

static int at(const char *stage, struct agentd_call *call, const struct agentd_exchange *exchange)
{
	const struct agentd_incoming *message = exchange->message;
	char *text = strndup(message->text.n ? message->text.p : "", message->text.n), *rest = text;
	const char *first = strsep(&rest, " "), *act = rest ? strsep(&rest, " ") : "";
	const char *where = rest ? strsep(&rest, " ") : "";
	int verdict = 0;
	(void)first;
	host->log(host, AGENTD_LOG_INFO,
	    "%s platform=%.*s user=%.*s session=%zu reply=%.*s error=%.*s", stage,
	    SHOWN(exchange->platform), SHOWN(exchange->user_id), exchange->session_id.n,
	    SHOWN(exchange->reply), SHOWN(exchange->error));
	if (strcmp(where, stage) == 0) {
		if (strcmp(act, "refuse") == 0)
			verdict = AGENTD_REFUSE;
		else if (strcmp(act, "fail") == 0)
			verdict = -5;
		else if (strcmp(act, "later") == 0)
			verdict = later(call, NULL);
		else if (strcmp(act, "until") == 0)
			verdict = later(call, rest ? strsep(&rest, " ") : "");
		else if (strcmp(act, "never") == 0)
			forgotten = call, verdict = AGENTD_PENDING;
		else if (strcmp(act, "crash") == 0)
			raise(SIGSEGV);
		else if (strcmp(act, "fatal") == 0)
			host->fatal(host, "it was told to");
		else if (strcmp(act, "once") == 0)
			verdict = crash_once(rest ? strsep(&rest, " ") : "");
	}
	if (strcmp(act, "change") == 0 && strcmp(stage, "before") == 0) {
		changed = 1;
		host->edit(call, AGENTD_EDIT_TEXT, agentd_text("request", 7));
		host->edit(call, AGENTD_EDIT_METADATA, agentd_text("{\"by\":\"gate\"}", 13));
	}
	if ((changed || tag) && strcmp(stage, "after") == 0) {
		char *reply;
		int n = asprintf(
		    &reply, "%.*s%s%s", SHOWN(exchange->reply), changed ? "!" : "", tag ? tag : "");
		host->edit(call, AGENTD_EDIT_TEXT, agentd_text(reply, (size_t)n));
		free(reply);
	}
	free(text);
	return verdict;
}

static int on_message(void *self, struct agentd_call *call, const struct agentd_exchange *exchange)
{
	(void)self;
	return at("message", call, exchange);
}

static int before_run(void *self, struct agentd_call *call, const struct agentd_exchange *exchange)
{
	(void)self;
	return at("before", call, exchange);
}

static int after_run(void *self, struct agentd_call *call, const struct agentd_exchange *exchange)
{
	(void)self;
	return at("after", call, exchange);
}

static int on_error(void *self, struct agentd_call *call, const struct agentd_exchange *exchange)
{
	(void)self;
	return at("error", call, exchange);
}

static int gate_open(
    const struct agentd_host *given, const struct agentd_options *options, void **self)
{
	const char *needs = agentd_get_text(options, "needs");
	(void)self;
	host = given;
	signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would make an exit of it */
	if (agentd_get_text(options, "tag"))
		tag = strdup(agentd_get_text(options, "tag"));
	if (needs && access(needs, F_OK) < 0)
		host->fail(host, "what it needs is not there");
	return 0;
}

static const struct agentd_hook_ops ops = {
	.size = sizeof(ops),
	.open = gate_open,
	.on_message = on_message,
	.before_run = before_run,
	.after_run = after_run,
	.on_error = on_error,
};

static const struct agentd_option options[] = {
	{ .key = "tag", .type = AGENTD_STRING },
	{ .key = "needs", .type = AGENTD_STRING },
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_HOOK,
	.name = "gate",
	.version = "1.0",
	.summary = "a hook for tests",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.hook = &ops,
};
