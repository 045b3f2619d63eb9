/*
 * blocker: a blocking agent for the tests. The first word of its input is the act:
 *
 *	say TEXT    finishes with TEXT
 *	sleep MS    sleeps, then finishes with the number of runs that were in `run` with it at once
 *	wait        waits in small steps until it is cancelled, then finishes so
 *	stuck       never returns
 *	flood N     N bytes of deltas, 1 KiB each; finishes with nothing else
 *	tell N      as flood, but logs what delta returned when it did not return 0, and stops there
 *	again MS    finishes, then stays in `run` for so long
 *	crash       SIGSEGV
 *	refuse      returns -5
 *	where       finishes with where it was called, and how many runs were cancelled
 */
#include "agentd/plugin.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct agentd_host *host;
static pthread_t loop;
static atomic_int inside, most, cancels;

static void finish(struct agentd_run *run, uint32_t status, const char *text)
{
	struct agentd_result result = { .size = sizeof(result), .status = status };
	if (text)
		result.content = agentd_text(text, strlen(text));
	host->finish(run, &result);
}

static void rest(long ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

static void flood(struct agentd_run *run, long left, int tell)
{
	char text[1024];
	memset(text, 'x', sizeof(text));
	for (; left > 0; left -= (long)sizeof(text)) {
		size_t n = left < (long)sizeof(text) ? (size_t)left : sizeof(text);
		int error = host->delta(run, agentd_text(text, n));
		if (error && tell) {
			host->log(host, AGENTD_LOG_INFO, "delta returned %d", error);
			finish(run, AGENTD_CANCELLED, NULL);
			return;
		}
	}
	finish(run, AGENTD_DONE, NULL);
}

static void act(struct agentd_run *run, const char *name, const char *argument)
{
	char text[64];
	long number = strtol(argument, NULL, 10);
	if (strcmp(name, "say") == 0) {
		finish(run, AGENTD_DONE, argument);
	} else if (strcmp(name, "sleep") == 0) {
		rest(number);
		snprintf(text, sizeof(text), "%d", atomic_load(&most));
		finish(run, AGENTD_DONE, text);
	} else if (strcmp(name, "wait") == 0) {
		while (!host->cancelled(run))
			rest(5);
		finish(run, AGENTD_CANCELLED, NULL);
	} else if (strcmp(name, "stuck") == 0) {
		for (;;)
			pause();
	} else if (strcmp(name, "flood") == 0 || strcmp(name, "tell") == 0) {
		flood(run, number, strcmp(name, "tell") == 0);
	} else if (strcmp(name, "again") == 0) {
		finish(run, AGENTD_DONE, "done");
		rest(number);
	} else if (strcmp(name, "crash") == 0) {
		raise(SIGSEGV);
	} else {
		snprintf(text, sizeof(text), "%s, %d cancelled",
		    pthread_equal(pthread_self(), loop) ? "the loop" : "another thread",
		    atomic_load(&cancels));
		finish(run, AGENTD_DONE, text);
	}
}

static int blocker_run(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self;
	int now = atomic_fetch_add(&inside, 1) + 1, before = atomic_load(&most);
	while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
		;
	/* What was passed is there until the return. */
	char *line = strndup(request->input.p, request->input.n);
	char *argument = line + strcspn(line, " ");
	if (*argument)
		*argument++ = '\0';
	int refused = strcmp(line, "refuse") == 0;
	if (!refused)
		act(run, line, argument);
	free(line);
	atomic_fetch_sub(&inside, 1);
	return refused ? -5 : 0;
}

static void blocker_cancel(void *self, struct agentd_run *run)
{
	(void)self;
	(void)run;
	atomic_fetch_add(&cancels, 1);
}

static int blocker_open(
    const struct agentd_host *given, const struct agentd_options *options, void **self)
{
	(void)options;
	(void)self;
	host = given;
	loop = pthread_self();
	signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would make an exit of it */
	return 0;
}

static void blocker_close(void *self)
{
	(void)self;
	host->log(host, AGENTD_LOG_INFO, "closed with %d inside", atomic_load(&inside));
}

static const struct agentd_agent_ops agent = {
	.size = sizeof(agent),
	.open = blocker_open,
	.run = blocker_run,
	.cancel = blocker_cancel,
	.close = blocker_close,
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_AGENT,
	.flags = AGENTD_BLOCKING,
	.name = "blocker",
	.version = "1.0.0",
	.summary = "blocks where it is called",
	.agent = &agent,
};
