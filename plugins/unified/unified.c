/*
 * unified: one plugin that is asked, called, told and woken. It greets whoever it is given: the input of a run,
 * the name in a webhook's body, the one who signed up. An example of triggers, handlers and emit.
 *
 *	curl -d '{"input":"Ann"}' http://127.0.0.1:8000/run
 *	curl -d '{"name":"Ann"}' http://127.0.0.1:8000/hello
 *	agentctl emit signup '{"name":"Ann"}'
 *	agentctl cron run morning
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agentd/plugin.h"

static const struct agentd_option options[] = {
	{ .key = "greeting", .type = AGENTD_STRING, .fallback = "Hello", .help = "the first word" },
	{ .key = "tell",
	    .type = AGENTD_BOOL,
	    .fallback = "no",
	    .help = "emit the event \"greeted\" after each greeting; it needs the store" },
};

static const struct agentd_host *host;
static char *greeting;
static int64_t tell;

/* Handlers: what came is theirs first. */

/* Ends the run at once, with what the caller reads. */
static int refuse(struct agentd_run *run, const char *why)
{
	struct agentd_result result = { .size = sizeof(result),
		.status = AGENTD_FAILED,
		.error = agentd_text(why, strlen(why)) };
	return host->finish(run, &result);
}

/* Somebody called, or signed up: the agent is told the name, and its answer goes back to the caller. */
static int on_name(void *self, struct agentd_run *run, const struct agentd_event *event)
{
	(void)self;
	json_t *body = json_loadb(event->body.p, event->body.n, 0, NULL);
	const json_t *name = json_object_get(body, "name");
	int error =
	    json_string_length(name)
		? host->input(run, agentd_text(json_string_value(name), json_string_length(name)))
		: refuse(run, "the body has no name");
	json_decref(body);
	return error;
}

/* Its time has come: there is nothing to read, only something to say. */
static int on_morning(void *self, struct agentd_run *run, const struct agentd_event *event)
{
	static const char who[] = "early bird";
	(void)self;
	(void)event;
	return host->input(run, agentd_text(who, sizeof(who) - 1));
}

/* One that does all there is to do: the agent is told nothing, and the run is over. */
static int on_greeted(void *self, struct agentd_run *run, const struct agentd_event *event)
{
	(void)self;
	(void)run;
	host->log(host, AGENTD_LOG_INFO, "greeted %.*s", (int)event->body.n, event->body.p);
	return 0;
}

static const struct agentd_trigger triggers[] = {
	{ .type = AGENTD_WEBHOOK, .name = "hello", .path = "/hello", .handle = on_name },
	{ .type = AGENTD_CRON,
	    .name = "morning",
	    .schedule = "0 9 * * MON-FRI",
	    .handle = on_morning },
	{ .type = AGENTD_EVENT, .name = "signup", .handle = on_name },
	{ .type = AGENTD_EVENT, .name = "greeted", .handle = on_greeted },
};

/* The agent. */

static void emit_greeted(struct agentd_text name)
{
	json_t *body = json_pack("{s:s%}", "name", name.p, name.n);
	char *text = json_dumps(body, JSON_COMPACT);
	if (text)
		host->emit(host, "greeted", agentd_text(text, strlen(text)));
	free(text);
	json_decref(body);
}

static int unified_run(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self;
	char *text;
	int n = asprintf(&text, "%s, %.*s!", greeting, (int)request->input.n, request->input.p);
	if (n < 0)
		return -ENOMEM;
	if (tell)
		emit_greeted(request->input);
	struct agentd_result result = { .size = sizeof(result),
		.content = agentd_text(text, (size_t)n) };
	host->finish(run, &result);
	free(text);
	return 0;
}

static int unified_open(
    const struct agentd_host *given, const struct agentd_options *values, void **ret_self)
{
	(void)ret_self;
	host = given;
	greeting = strdup(agentd_get_text(values, "greeting"));
	tell = agentd_get_int(values, "tell");
	return greeting ? 0 : -ENOMEM;
}

static void unified_close(void *self)
{
	(void)self;
	free(greeting);
}

static const struct agentd_agent_ops agent = {
	.size = sizeof(agent),
	.open = unified_open,
	.run = unified_run,
	.close = unified_close,
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_AGENT,
	.name = "unified",
	.version = "0.1.0",
	.summary = "greets whoever asks, calls or signs up",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.agent = &agent,
	AGENTD_TRIGGERS(triggers),
};
