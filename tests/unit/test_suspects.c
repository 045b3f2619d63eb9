/*
 * suspects: runs that are tried again when a process dies with them, here with real processes (the
 * plugin is tests/plugins/actor.c), since no way into agentd makes durable runs yet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/id.h"
#include "daemon/base/era.h"
#include "daemon/base/log.h"
#include "daemon/plugins.h"
#include "daemon/run/registry.h"

#define PATIENCE_MS 20000

/* The parts of a daemon that runs need. */
struct bench {
	struct event_base *base;
	struct conf_errors *errors;
	struct settings *settings;
	struct era *era;
	struct trials *trials;
	struct image **images;
	struct store *store;
	struct runs *runs;
	struct registry *registry;
	struct agent *agent;
	int host_fd;
};

/* A run that is listened to. */
struct listener {
	struct run *run;
	struct run_subscriber subscriber;
	char events[256]; /* "started restarted(2) ended" */
};

/* build/tests/unit/test_suspects → build/NAME */
static void in_build(const char *name, char *path, size_t size)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	assert_true(n > 0);
	self[n] = '\0';
	for (int i = 0; i < 3; i++)
		*strrchr(self, '/') = '\0';
	snprintf(path, size, "%.2000s/%s", self, name);
}

static void on_tried(void *arg)
{
	struct bench *b = arg;
	event_base_loopbreak(b->base);
}

static int setup(void **state)
{
	static struct bench bench;
	char path[4096], text[8192];
	struct bench *b = &bench;
	*b = (struct bench){ .base = event_base_new(), .errors = conf_errors_new() };
	log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
	in_build("agentd-host", path, sizeof(path));
	b->host_fd = open(path, O_RDONLY | O_CLOEXEC);
	in_build("tests/plugins/actor.so", path, sizeof(path));
	int n = snprintf(text, sizeof(text),
	    "agents: { a: { plugin: %s } }\n"
	    "supervision: { backoff_min: 20ms, backoff_max: 20ms, kill: 100ms }\n",
	    path);
	struct conf_node *tree = conf_parse(text, (size_t)n, "test", NULL, b->errors);
	b->settings = settings_read(tree, b->errors, b->errors);
	struct trials_setup trials = { .base = b->base,
		.settings = b->settings,
		.host_fd = b->host_fd,
		.done = on_tried,
		.arg = b };
	b->trials = trials_new(&trials);
	trials_start(b->trials);
	event_base_dispatch(b->base);
	b->images = trials_take(b->trials, b->settings, b->errors, b->errors);
	if (conf_errors_count(b->errors))
		fail_msg("%s", conf_errors_get(b->errors, 0));
	b->store = store_new_memory(100);
	b->runs = runs_new(b->base, b->store, NULL);
	b->era = era_new(b->base);
	struct registry_setup registry = {
		.config = { b->era, b->settings, b->images, 0 },
		.host_fd = b->host_fd,
		.runs = b->runs,
	};
	b->registry = registry_new(b->base, &registry);
	b->agent = registry_at(b->registry, 0);
	registry_start(b->registry);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	runs_cancel_all(b->runs, RUN_STOPPED, "the test is over");
	registry_free(b->registry);
	runs_free(b->runs);
	era_unref(b->era);
	eras_release();
	store_free(b->store);
	size_t count = b->settings->agent_count;
	settings_unref(b->settings);
	plugins_free(b->images, count);
	trials_free(b->trials);
	conf_errors_free(b->errors);
	close(b->host_fd);
	event_base_free(b->base);
	return 0;
}

static void on_event(void *arg, struct run *run, const struct run_event *event)
{
	(void)run;
	struct listener *listener = arg;
	char word[64];
	if (event->type == RUN_EVENT_RESTARTED)
		snprintf(word, sizeof(word), "restarted(%.*s) ", (int)event->text.n, event->text.p);
	else
		snprintf(word, sizeof(word), "%s ",
		    event->type == RUN_EVENT_STARTED ? "started"
		    : event->type == RUN_EVENT_ENDED ? "ended"
						     : "said");
	strncat(listener->events, word, sizeof(listener->events) - strlen(listener->events) - 1);
}

static void begin(struct bench *b, struct listener *listener, const char *input, bool durable)
{
	struct run_request request = {
		.agent = b->agent,
		.input = { input, strlen(input) },
		.source = "test",
		.durable = durable,
	};
	*listener = (struct listener){ .subscriber = { .event = on_event, .arg = listener } };
	assert_int_equal(run_create(b->runs, &request, &listener->run), RUN_OK);
	run_subscribe(listener->run, &listener->subscriber);
	run_start(listener->run);
}

static bool is_over(const struct listener *listener)
{
	return strstr(listener->events, "ended") != NULL;
}

/* Turns the loop until the condition holds. */
#define UNTIL(b, condition)                                                    \
	for (uint64_t end = clock_monotonic_ms() + PATIENCE_MS; !(condition);) \
	turn(b, end)

static void turn(struct bench *b, uint64_t end)
{
	struct timeval soon = { .tv_usec = 10000 };
	event_base_loopexit(b->base, &soon);
	event_base_loop(b->base, EVLOOP_ONCE);
	assert_true(clock_monotonic_ms() < end);
}

static struct agent_view look(const struct bench *b)
{
	struct agent_view view;
	agent_look(b->agent, &view);
	return view;
}

static void assert_content(const struct listener *listener, const char *part)
{
	struct frame_text content = run_content(listener->run);
	assert_int_equal(run_status(listener->run), RUN_SUCCEEDED);
	if (!memmem(content.p, content.n, part, strlen(part)))
		fail_msg("\"%s\" is not in: %.*s", part, (int)content.n, content.p);
}

/* Poison: a run under which processes die is tried twice, and set aside. */
static void test_poison_is_set_aside_after_the_second_death(void **state)
{
	struct bench *b = *state;
	struct listener poison;
	begin(b, &poison, "crash", true);
	UNTIL(b, is_over(&poison));
	assert_string_equal(poison.events, "started restarted(2) ended ");
	assert_int_equal(run_status(poison.run), RUN_FAILED);
	assert_int_equal(run_code(poison.run), RUN_AGENT_CRASHED);
	assert_non_null(
	    strstr(run_error(poison.run), "twice with this run in it: killed by SIGSEGV"));
	run_unref(poison.run);
	UNTIL(b, look(b).pid_count == 1); /* the quarantine is over */
	assert_int_equal(look(b).queued, 0);
}

/* Who was in flight beside it is retried alone, and told which attempt it is. */
static void test_a_neighbour_of_poison_is_answered_at_its_second_attempt(void **state)
{
	struct bench *b = *state;
	struct listener neighbour[3], poison;
	for (int i = 0; i < 3; i++)
		begin(b, &neighbour[i], i ? "timer 200" : "attempt", true);
	begin(b, &poison, "crash", true);
	for (int i = 0; i < 3; i++) {
		UNTIL(b, is_over(&neighbour[i]));
		assert_string_equal(neighbour[i].events, "started restarted(2) said ended ");
		assert_content(&neighbour[i], i ? "timer" : "attempt=2");
		run_unref(neighbour[i].run);
	}
	UNTIL(b, is_over(&poison));
	run_unref(poison.run);
}

/* Runs that came later are not in the process in which suspects are tried. */
static void test_a_suspect_takes_nobody_down(void **state)
{
	struct bench *b = *state;
	struct listener poison, later;
	begin(b, &poison, "crash", true);
	UNTIL(b, strstr(poison.events, "restarted"));
	UNTIL(b, look(b).state == STATE_READY);
	begin(b, &later, "timer 500", false);
	UNTIL(b, is_over(&poison));
	UNTIL(b, is_over(&later));
	assert_content(&later, "timer");
	run_unref(poison.run);
	run_unref(later.run);
}

/* A run that is not durable gets its error at once: its caller is there to decide. */
static void test_others_fail_at_the_first_death(void **state)
{
	struct bench *b = *state;
	struct listener listener;
	begin(b, &listener, "crash", false);
	UNTIL(b, is_over(&listener));
	assert_string_equal(listener.events, "started ended ");
	assert_int_equal(run_code(listener.run), RUN_AGENT_CRASHED);
	run_unref(listener.run);
}

/* A durable run that comes while the agent is down waits for it. */
static void test_a_durable_run_waits_for_a_process(void **state)
{
	struct bench *b = *state;
	struct listener crash, waiting, hasty;
	UNTIL(b, look(b).state == STATE_READY);
	begin(b, &crash, "crash", false);
	begin(b, &hasty, "say now", false);
	UNTIL(b, is_over(&crash));
	begin(b, &waiting, "say later", true);
	UNTIL(b, is_over(&waiting));
	assert_content(&waiting, "later");
	UNTIL(b, is_over(&hasty));
	run_unref(crash.run);
	run_unref(waiting.run);
	run_unref(hasty.run);
}

/* What is cancelled while it waits for its second attempt gets none. */
static void test_a_suspect_can_be_cancelled(void **state)
{
	struct bench *b = *state;
	struct listener listener;
	begin(b, &listener, "crash", true);
	UNTIL(b, strstr(listener.events, "restarted"));
	run_cancel(listener.run, "never mind");
	assert_string_equal(listener.events, "started restarted(2) ended ");
	assert_int_equal(run_status(listener.run), RUN_CANCELLED);
	run_unref(listener.run);
	UNTIL(b, look(b).pid_count == 1 && look(b).state == STATE_READY);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_poison_is_set_aside_after_the_second_death),
		CASE(test_a_neighbour_of_poison_is_answered_at_its_second_attempt),
		CASE(test_a_suspect_takes_nobody_down),
		CASE(test_others_fail_at_the_first_death),
		CASE(test_a_durable_run_waits_for_a_process),
		CASE(test_a_suspect_can_be_cancelled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
