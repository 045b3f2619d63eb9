/*
 * handler: an agent for the tests that brings triggers. What a handler does stands in the body, as "do":
 *
 *	nothing     returns 0
 *	say         tells the agent what "text" has
 *	twice       tells it "first", then "second"
 *	show        tells it all that came, as lines "name=value"
 *	metadata    tells it "metadata", with {"a":1} as metadata
 *	slip        the same, with metadata that is no JSON
 *	finish      finishes the run itself, with what "text" has
 *	both        tells the agent "both", and finishes the run itself
 *	late        tells the agent "x", and again after it has returned; logs what came of the wrong calls
 *	fail        returns -EPERM
 *	crash       SIGSEGV
 *	once        SIGSEGV, unless the file that the option `mark` names is there, which it makes
 *	sleep       sleeps for 300 ms, then as nothing
 *
 * `run` finishes with "NAME of the trigger|metadata|input"; with the input "history" with the session's
 * messages; with one of these, with what `emit` returned:
 *
 *	emit EVENT JSON     emits it
 *	thread EVENT JSON   the same, from a thread
 *	big EVENT N         with a JSON text of so many bytes
 *	many EVENT N        so many times: "OK's AGAIN's OTHER's"
 *
 * The options `first` and `last` name events that `open` and `close` emit.
 */
#include "agentd/plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct agentd_host *host;
static char *mark, *last;

static const struct agentd_option options[] = {
	{ .key = "ready", .type = AGENTD_BOOL, .fallback = "yes" },
	{ .key = "mark", .type = AGENTD_STRING },
	{ .key = "first", .type = AGENTD_STRING },
	{ .key = "last", .type = AGENTD_STRING },
};

static struct agentd_text text_of(const char *text)
{
	return agentd_text(text, strlen(text));
}

/* A member of an object that is a plain text; to be freed, "" if there is none. */
static char *member(struct agentd_text json, const char *name)
{
	char *all = strndup(json.p, json.n), key[64], *at, *found;
	snprintf(key, sizeof(key), "\"%s\":\"", name);
	at = strstr(all, key);
	found = at ? strndup(at + strlen(key), strcspn(at + strlen(key), "\"")) : strdup("");
	free(all);
	return found;
}

static int finish(struct agentd_run *run, struct agentd_text content)
{
	struct agentd_result result = { .size = sizeof(result), .content = content };
	return host->finish(run, &result);
}

static int show(struct agentd_run *run, const struct agentd_event *event)
{
	const struct {
		const char *name;
		struct agentd_text text;
	} rows[] = { { "trigger", event->trigger }, { "source", event->source },
		{ "timestamp", event->timestamp }, { "body", event->body },
		{ "headers", event->headers }, { "raw", event->raw } };
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		fprintf(out, "%s=%.*s\n", rows[i].name, (int)rows[i].text.n,
		    rows[i].text.p ? rows[i].text.p : "");
	fclose(out);
	int error = host->input(run, agentd_text(text, n));
	free(text);
	return error;
}

static void crash_once(void)
{
	int fd = open(mark, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	close(fd);
	raise(SIGSEGV);
}

static int act(struct agentd_run *run, const struct agentd_event *event, const char *what)
{
	char *text = member(event->body, "text");
	int error = 0;
	if (strcmp(what, "say") == 0) {
		error = host->input(run, text_of(text));
	} else if (strcmp(what, "twice") == 0) {
		host->input(run, text_of("first"));
		error = host->input(run, text_of("second"));
	} else if (strcmp(what, "show") == 0) {
		error = show(run, event);
	} else if (strcmp(what, "metadata") == 0 || strcmp(what, "slip") == 0) {
		host->metadata(run, text_of(*what == 'm' ? "{\"a\": 1}" : "{"));
		error = host->input(run, text_of(what));
	} else if (strcmp(what, "finish") == 0) {
		error = finish(run, text_of(text));
	} else if (strcmp(what, "both") == 0) {
		host->input(run, text_of("both"));
		error = finish(run, text_of("itself"));
	} else if (strcmp(what, "late") == 0) {
		int empty = host->input(run, text_of(""));
		int none = host->metadata(run, text_of(""));
		host->log(host, AGENTD_LOG_INFO, "empty ones returned %d %d", empty, none);
		error = host->input(run, text_of("late"));
	} else if (strcmp(what, "fail") == 0) {
		error = -EPERM;
	} else if (strcmp(what, "crash") == 0) {
		raise(SIGSEGV);
	} else if (strcmp(what, "once") == 0) {
		crash_once();
	} else if (strcmp(what, "sleep") == 0) {
		nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
	}
	free(text);
	return error;
}

static int handle(void *self, struct agentd_run *run, const struct agentd_event *event)
{
	char *what = member(event->body, "do");
	(void)self;
	host->log(host, AGENTD_LOG_INFO, "%.*s handles %s", (int)event->trigger.n, event->trigger.p,
	    what);
	int error = act(run, event, what);
	free(what);
	return error;
}

static void say_history(struct agentd_run *run, const struct agentd_request *request)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);
	for (size_t i = 0; i < request->history_count; i++)
		fprintf(out, "%.*s:%.*s\n", (int)request->history[i].role.n,
		    request->history[i].role.p, (int)request->history[i].content.n,
		    request->history[i].content.p);
	fclose(out);
	finish(run, agentd_text(text, n));
	free(text);
}

struct emission {
	struct agentd_run *run;
	char *event, *json;
};

static void *emit(void *arg)
{
	struct emission *emission = arg;
	char text[32];
	snprintf(
	    text, sizeof(text), "%d", host->emit(host, emission->event, text_of(emission->json)));
	finish(emission->run, text_of(text));
	host->unref(emission->run);
	free(emission->event);
	free(emission->json);
	free(emission);
	return NULL;
}

static void emit_many(struct agentd_run *run, const char *event, int left)
{
	int done = 0, again = 0, other = 0;
	char text[64];
	for (; left > 0; left--) {
		int error = host->emit(host, event, text_of("{\"do\":\"nothing\"}"));
		++*(error == 0 ? &done : error == -EAGAIN ? &again : &other);
	}
	snprintf(text, sizeof(text), "%d %d %d", done, again, other);
	finish(run, text_of(text));
}

static void emit_big(struct agentd_run *run, const char *event, size_t n)
{
	char *json = malloc(n + 1), text[32];
	memset(json, ' ', n);
	memcpy(json, "{}", 2);
	snprintf(text, sizeof(text), "%d", host->emit(host, event, agentd_text(json, n)));
	finish(run, text_of(text));
	free(json);
}

/* Whether it was one of those. */
static int run_emits(struct agentd_run *run, struct agentd_text input)
{
	char *line = strndup(input.p, input.n), *rest = line;
	char *name = strsep(&rest, " "), *event = rest ? strsep(&rest, " ") : NULL;
	struct emission *emission;
	pthread_t thread;
	int is_one = 1;
	if (!rest) {
		is_one = 0;
	} else if (strcmp(name, "many") == 0) {
		emit_many(run, event, atoi(rest));
	} else if (strcmp(name, "big") == 0) {
		emit_big(run, event, (size_t)atol(rest));
	} else if (strcmp(name, "emit") == 0 || strcmp(name, "thread") == 0) {
		emission = malloc(sizeof(*emission));
		*emission = (struct emission){ host->ref(run), strdup(event), strdup(rest) };
		if (*name == 'e')
			emit(emission);
		else if (pthread_create(&thread, NULL, emit, emission) == 0)
			pthread_detach(thread);
	} else {
		is_one = 0;
	}
	free(line);
	return is_one;
}

static int handler_run(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self;
	char *text = NULL;
	size_t n;
	if (run_emits(run, request->input))
		return 0;
	if (request->input.n == 7 && memcmp(request->input.p, "history", 7) == 0) {
		say_history(run, request);
		return 0;
	}
	if (request->input.n == 4 && memcmp(request->input.p, "late", 4) == 0)
		host->log(host, AGENTD_LOG_INFO, "late ones returned %d %d",
		    host->input(run, text_of("x")), host->metadata(run, text_of("{}")));
	FILE *out = open_memstream(&text, &n);
	fprintf(out, "%.*s|%.*s|%.*s", (int)request->trigger.n,
	    request->trigger.p ? request->trigger.p : "", (int)request->metadata.n,
	    request->metadata.p ? request->metadata.p : "", (int)request->input.n,
	    request->input.p);
	fclose(out);
	finish(run, agentd_text(text, n));
	free(text);
	return 0;
}

static int handler_open(
    const struct agentd_host *given, const struct agentd_options *values, void **self)
{
	const char *path = agentd_get_text(values, "mark");
	(void)self;
	host = given;
	mark = strdup(path ? path : "");
	path = agentd_get_text(values, "last");
	last = path ? strdup(path) : NULL;
	path = agentd_get_text(values, "first");
	if (path)
		host->emit(host, path, text_of("{\"do\":\"nothing\"}"));
	signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would make an exit of it */
	return agentd_get_int(values, "ready") ? 0 : AGENTD_PENDING;
}

static void handler_close(void *self)
{
	(void)self;
	if (last)
		host->emit(host, last, text_of("{\"do\":\"nothing\"}"));
	free(last);
	free(mark);
}

static const struct agentd_trigger triggers[] = {
	{ .type = AGENTD_WEBHOOK, .name = "hook", .path = "hook", .handle = handle },
	{ .type = AGENTD_WEBHOOK,
	    .flags = AGENTD_NO_AUTH,
	    .name = "open",
	    .path = "/open/door",
	    .method = "PUT",
	    .handle = handle },
	{ .type = AGENTD_WEBHOOK,
	    .name = "kept",
	    .path = "/kept",
	    .session = "{{ body.who }}",
	    .handle = handle },
	{ .type = AGENTD_EVENT, .name = "happened", .handle = handle },
	{ .type = AGENTD_EVENT, .name = "again", .event = "happened", .handle = handle },
};

static const struct agentd_agent_ops agent = {
	.size = sizeof(agent),
	.open = handler_open,
	.run = handler_run,
	.close = handler_close,
};

#ifndef FLAGS
#define FLAGS 0
#endif

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_AGENT,
	.flags = FLAGS,
	.name = "handler",
	.version = "1.0",
	.summary = "brings triggers",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.agent = &agent,
	AGENTD_TRIGGERS(triggers),
};
