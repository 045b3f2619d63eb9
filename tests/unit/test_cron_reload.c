/*
 * cron: one that goes on with another, as a reload makes it. Whatever is on its way at that moment happens once: a run,
 * its retry, the delivery of its answer.
 *
 * Runs, the store and the triggers are none: what cron asks of them is noted, and answered when a test says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/id.h"
#include "daemon/trigger/cron.h"

#define HOUR_MS 3600000
#define MOST    8

/* Runs. */

struct run {
	char id[ID_SIZE];
	unsigned refs, starts;
	enum run_status status;
	struct run_subscriber *subscriber;
	bool is_over, keeps_spool;
};

static struct run runs[MOST];
static size_t run_count;
static store_add_fn written; /* of the last: to be called */
static void *written_arg;

enum run_code run_create(struct runs *all, const struct run_request *request, struct run **ret)
{
	(void)all;
	(void)request;
	assert_in_range(run_count, 0, MOST - 1);
	struct run *run = &runs[run_count++];
	snprintf(run->id, sizeof(run->id), "run-%zu", run_count);
	run->refs = 1;
	*ret = run;
	return RUN_OK;
}

void run_write_down(struct run *run, const struct run_writing *with, store_add_fn done, void *arg)
{
	(void)run;
	assert_non_null(with->cron);
	assert_null(written); /* one at a time */
	written = done;
	written_arg = arg;
}

void run_start(struct run *run)
{
	run->starts++;
	run->status = RUN_RUNNING;
}

struct run *run_ref(struct run *run)
{
	run->refs++;
	return run;
}

void run_unref(struct run *run)
{
	if (run)
		run->refs--;
}

void run_subscribe(struct run *run, struct run_subscriber *subscriber)
{
	assert_null(run->subscriber);
	run->subscriber = subscriber;
}

void run_unsubscribe(struct run *run, struct run_subscriber *subscriber)
{
	assert_ptr_equal(run->subscriber, subscriber);
	run->subscriber = NULL;
}

const char *run_id(const struct run *run)
{
	return run->id;
}

enum run_status run_status(const struct run *run)
{
	return run->status;
}

const char *run_status_name(enum run_status status)
{
	return status == RUN_RUNNING ? "running" : "other";
}

const char *run_code_name(enum run_code code)
{
	(void)code;
	return "code";
}

bool run_is_over(const struct run *run)
{
	return run->is_over;
}

void run_keep_spool(struct run *run)
{
	run->keeps_spool = true;
}

struct run *runs_find_live(const struct runs *all, const char *id)
{
	(void)all;
	for (size_t i = 0; i < run_count; i++)
		if (!runs[i].is_over && strcmp(runs[i].id, id) == 0)
			return &runs[i];
	return NULL;
}

bool runs_are_draining(const struct runs *all)
{
	(void)all;
	return false;
}

static void write_now(int error)
{
	store_add_fn done = written;
	assert_non_null(done);
	written = NULL;
	done(written_arg, error, NULL);
}

static void end(struct run *run, enum run_status status)
{
	struct run_subscriber *subscriber = run->subscriber;
	struct run_event event = { .type = RUN_EVENT_ENDED };
	run->subscriber = NULL;
	run->status = status;
	run->is_over = true;
	if (subscriber)
		subscriber->event(subscriber->arg, run, &event);
}

/* The store: one row, and what became of it. */

static struct store_cron row; /* a name of NULL: there is none */
static char last_put[64], deleted[16];
static bool holds_puts;
static store_done_fn put_done; /* the last that is held */
static void *put_arg;

bool store_keeps_runs(const struct store *store)
{
	(void)store;
	return true;
}

void store_cron_list(struct store *store, store_crons_fn done, void *arg)
{
	(void)store;
	done(arg, 0, &row, row.name ? 1 : 0);
}

void store_cron_put(
    struct store *store, const struct store_cron *put, store_done_fn done, void *arg)
{
	(void)store;
	snprintf(last_put, sizeof(last_put), "%s %s%s%s", put->name, put->paused ? "paused " : "",
	    put->is_open ? "open " : "", put->run_id ? put->run_id : "none");
	if (holds_puts) {
		put_done = done;
		put_arg = arg;
	} else {
		done(arg, 0);
	}
}

void store_cron_delete(struct store *store, const char *name, store_done_fn done, void *arg)
{
	(void)store;
	snprintf(deleted, sizeof(deleted), "%s", name);
	done(arg, 0);
}

/* Triggers: one schedule at most. */

struct triggers {
	struct trigger_settings settings;
	struct trigger trigger;
	bool is_empty;
};

const struct trigger *triggers_at(const struct triggers *triggers, enum trigger_kind kind, size_t i)
{
	return kind == TRIGGER_CRON && i == 0 && !triggers->is_empty ? &triggers->trigger : NULL;
}

int trigger_say(const struct trigger *trigger, const struct template_values *values,
    const struct trigger_delivery *delivery, struct trigger_words *words, char *reason, size_t size)
{
	(void)trigger;
	(void)values;
	(void)delivery;
	(void)words;
	(void)reason;
	(void)size;
	return 0;
}

void trigger_words_done(struct trigger_words *words)
{
	(void)words;
}

struct run_request trigger_request(const struct trigger *trigger, const struct trigger_words *words)
{
	(void)words;
	return (struct run_request){ .agent = trigger->agent };
}

/* Deliveries, which are on their way until a test says so. */

static unsigned deliveries;
static const struct trigger *delivered; /* by which the last was */
static store_done_fn delivered_done;
static void *delivered_arg;

static void deliver(
    void *arg, const struct trigger *trigger, const char *id, store_done_fn done, void *done_arg)
{
	(void)arg;
	(void)id;
	deliveries++;
	delivered = trigger;
	delivered_done = done;
	delivered_arg = done_arg;
}

/* Crons. */

static struct event_base *base;
static struct triggers first, second;

static void make_triggers(struct triggers *triggers, const char *schedule)
{
	*triggers = (struct triggers){
		.settings = { .kind = TRIGGER_CRON,
		    .name = "tea",
		    .label = (char *)(uintptr_t) "cron.tea",
		    .enabled = true,
		    .cron = { .schedule = (char *)(uintptr_t)schedule,
			.timezone = (char *)(uintptr_t) "UTC",
			.misfire = MISFIRE_ALL,
			.overlap = OVERLAP_SKIP } },
		.trigger = { .settings = &triggers->settings,
		    .source = (char *)(uintptr_t) "cron(tea)" },
	};
}

static void send_to(struct triggers *triggers, const char *interface)
{
	triggers->settings.cron.deliver.interface = (char *)(uintptr_t)interface;
}

static int set_up(void **state)
{
	(void)state;
	memset(runs, 0, sizeof(runs));
	run_count = 0;
	written = NULL;
	row = (struct store_cron){ 0 };
	last_put[0] = deleted[0] = '\0';
	holds_puts = false;
	put_done = NULL;
	deliveries = 0;
	delivered = NULL;
	delivered_done = NULL;
	make_triggers(&first, "@every 1h");
	make_triggers(&second, "@every 1h");
	base = event_base_new();
	return base ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	event_base_free(base);
	for (size_t i = 0; i < run_count; i++)
		if (runs[i].refs || runs[i].starts > 1)
			return -1;
	return 0;
}

static void on_loaded(void *arg, int error)
{
	(void)arg;
	assert_int_equal(error, 0);
}

static void turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static struct cron *make(struct triggers *triggers)
{
	struct cron_setup setup = { .base = base, .triggers = triggers, .deliver = deliver };
	struct cron *cron = cron_new(&setup);
	assert_non_null(cron);
	return cron;
}

/* One whose times have come so often, the last a second ago. */
static struct cron *make_first(unsigned times)
{
	struct cron *cron = make(&first);
	row = (struct store_cron){ .name = "tea",
		.schedule = "@every 1h UTC",
		.due_wall_ms = clock_wall_ms() - times * HOUR_MS - 1000 };
	cron_load(cron, on_loaded, NULL);
	cron_start(cron);
	turn();
	return cron;
}

static struct cron *reload(struct cron *before)
{
	struct cron *cron = make(&second);
	cron_inherit(cron, before);
	cron_start(cron);
	turn();
	return cron;
}

static size_t going(struct cron *cron)
{
	struct cron_view view;
	cron_look(cron_find(cron, "tea"), &view);
	return view.going;
}

/* It goes on under the new one, whose `deliver` it meets; and the old one may go at any time. */
static void test_a_run_that_goes_on(void **state)
{
	(void)state;
	struct cron *before = make_first(1);
	write_now(0);
	assert_int_equal(runs[0].starts, 1);
	send_to(&second, "telegram");
	struct cron *cron = reload(before);
	assert_int_equal(going(cron), 1);
	assert_true(runs[0].keeps_spool);
	cron_free(before);
	end(&runs[0], RUN_SUCCEEDED);
	assert_int_equal(deliveries, 1);
	assert_ptr_equal(delivered, &second.trigger);
	turn();
	assert_string_equal(last_put, "tea open run-1"); /* it is not settled before that */
	delivered_done(delivered_arg, 0);
	turn();
	assert_string_equal(last_put, "tea run-1");
	assert_int_equal(going(cron), 0);
	assert_int_equal(run_count, 1);
	cron_free(cron);
}

/* On its way into the store: it is begun once, or tried again once, by the new one. */
static void test_a_run_that_is_being_written(void **state)
{
	(void)state;
	struct cron *before = make_first(1), *cron = reload(before);
	cron_free(before);
	write_now(-EIO);
	assert_int_equal(going(cron), 0);
	while (!written)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(run_count, 2);
	before = cron;
	cron = reload(before);
	write_now(0);
	assert_int_equal(runs[1].starts, 1);
	assert_int_equal(going(cron), 1);
	cron_free(before);
	end(&runs[1], RUN_SUCCEEDED);
	turn();
	assert_string_equal(last_put, "tea run-2");
	cron_free(cron);
}

static void test_an_answer_on_its_way(void **state)
{
	(void)state;
	send_to(&first, "telegram");
	send_to(&second, "telegram");
	struct cron *before = make_first(1);
	write_now(0);
	end(&runs[0], RUN_SUCCEEDED);
	struct cron *cron = reload(before);
	assert_int_equal(going(cron), 1);
	cron_free(before);
	delivered_done(delivered_arg, 0);
	turn();
	assert_string_equal(last_put, "tea run-1");
	assert_int_equal(deliveries, 1);
	assert_int_equal(going(cron), 0);
	cron_free(cron);
}

/* Its retry is the new one's, once; also one that has been waited for already. */
static void test_a_retry(void **state)
{
	(void)state;
	first.settings.cron.retries = second.settings.cron.retries = 2;
	first.settings.cron.retry_backoff_ms = second.settings.cron.retry_backoff_ms = 20;
	struct cron *before = make_first(1);
	write_now(0);
	struct cron *cron = reload(before);
	end(&runs[0], RUN_FAILED);
	while (!written)
		event_base_loop(base, EVLOOP_ONCE);
	write_now(0);
	end(&runs[1], RUN_FAILED);
	turn();
	struct cron *last = reload(cron);
	while (!written)
		event_base_loop(base, EVLOOP_ONCE);
	write_now(0);
	end(&runs[2], RUN_FAILED);
	turn();
	assert_int_equal(run_count, 3);
	cron_free(cron); /* in the middle of the line */
	assert_int_equal(going(before), 0);
	cron_free(before);
	cron_free(last);
}

/* What waits for its turn is not lost, nor dropped as missed, whatever the new one does with what is missed. */
static void test_what_waits(void **state)
{
	(void)state;
	struct cron *before = make_first(3);
	write_now(0);
	second.settings.cron.misfire = MISFIRE_SKIP;
	struct cron *cron = reload(before);
	assert_null(written);
	for (size_t i = 0; i < 2; i++) {
		end(&runs[i], RUN_SUCCEEDED);
		turn();
		write_now(0);
	}
	end(&runs[2], RUN_SUCCEEDED);
	turn();
	assert_int_equal(run_count, 3);
	cron_free(before);
	cron_free(cron);
}

/* A time that comes after the reload comes once, and on time. */
static void test_the_next_time(void **state)
{
	(void)state;
	struct cron *before = make(&first);
	row = (struct store_cron){ .name = "tea",
		.schedule = "@every 1h UTC",
		.due_wall_ms = clock_wall_ms() - HOUR_MS + 100 };
	cron_load(before, on_loaded, NULL);
	cron_start(before);
	turn();
	struct cron *cron = reload(before);
	while (!written)
		event_base_loop(base, EVLOOP_ONCE);
	write_now(0);
	turn();
	assert_int_equal(run_count, 1);
	uint64_t seen = 0;
	for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
		seen += cron_lateness(cron)->count[i];
	assert_int_equal(seen, 1);
	cron_free(before);
	cron_free(cron);
}

/* Its run goes on, and is in the way of the new times; what waited was of the old ones. */
static void test_other_times(void **state)
{
	(void)state;
	struct cron *before = make_first(3);
	write_now(0);
	second.settings.cron.schedule = (char *)(uintptr_t) "@every 2h";
	struct cron *cron = reload(before);
	struct cron_view view;
	cron_look(cron_find(cron, "tea"), &view);
	assert_int_equal(view.going, 1);
	assert_in_range(view.next_wall_ms, clock_wall_ms() + 2 * HOUR_MS - 60000,
	    clock_wall_ms() + 2 * HOUR_MS);
	end(&runs[0], RUN_SUCCEEDED);
	turn();
	assert_int_equal(run_count, 1);
	cron_free(before);
	cron_free(cron);
}

/* What goes on ends as it would have, with its answer; and nothing comes of its end. */
static void assert_left_to_itself(void)
{
	send_to(&first, "telegram");
	first.settings.cron.retries = 3;
	struct cron *before = make_first(2), *cron = reload(before);
	assert_string_equal(deleted, "tea");
	write_now(0);
	last_put[0] = '\0';
	assert_int_equal(runs[0].starts, 1);
	end(&runs[0], RUN_SUCCEEDED);
	assert_ptr_equal(delivered, &first.trigger);
	delivered_done(delivered_arg, 0);
	turn();
	assert_int_equal(run_count, 1);
	assert_string_equal(last_put, "");
	cron_free(before);
	cron_free(cron);
}

static void test_one_that_is_gone(void **state)
{
	(void)state;
	second.is_empty = true;
	assert_left_to_itself();
}

static void test_one_that_is_off(void **state)
{
	(void)state;
	second.settings.enabled = false;
	assert_left_to_itself();
}

/* Whoever frees it does not wait: its runs go on, and hear no more of it; nor does the store, which still writes. */
static void test_freed_while_all_goes_on(void **state)
{
	(void)state;
	struct cron *cron = make_first(1);
	write_now(0);
	holds_puts = true;
	end(&runs[0], RUN_FAILED);
	turn();
	assert_non_null(put_done);
	cron_free(cron);
	put_done(put_arg, -EIO);

	holds_puts = false;
	cron = make_first(1);
	write_now(0);
	cron_free(cron);
	assert_null(runs[1].subscriber);
	assert_int_equal(runs[1].refs, 0);

	cron = make_first(1);
	cron_free(cron);
	write_now(0);
	assert_int_equal(runs[2].starts, 0);

	send_to(&first, "telegram");
	cron = make_first(1);
	write_now(0);
	end(&runs[3], RUN_SUCCEEDED);
	cron_free(cron);
	delivered_done(delivered_arg, 0);
	assert_int_equal(deliveries, 1);
}

static void on_paused(void *arg, int error)
{
	assert_int_equal(error, 0);
	(*(unsigned *)arg)++;
}

/* A pause is kept; and a request that began before the reload does what it says to what is there now. */
static void test_a_pause(void **state)
{
	(void)state;
	unsigned times = 0;
	struct cron *before = make_first(0);
	struct cron_entry *entry = cron_find(before, "tea");
	cron_pause(entry, true, on_paused, &times);
	struct cron *cron = reload(before);
	struct cron_view view;
	cron_look(cron_find(cron, "tea"), &view);
	assert_true(view.paused);
	cron_pause(entry, false, on_paused, &times);
	assert_string_equal(last_put, "tea none");
	cron_look(cron_find(cron, "tea"), &view);
	assert_false(view.paused);
	second.is_empty = true;
	struct cron *last = reload(cron);
	last_put[0] = '\0';
	cron_pause(entry, true, on_paused, &times); /* of what is gone nothing is written */
	assert_string_equal(last_put, "");
	assert_int_equal(times, 3);
	cron_free(before);
	cron_free(cron);
	cron_free(last);
}

/* A reload is no start. */
static void test_at_reboot(void **state)
{
	(void)state;
	make_triggers(&first, "@reboot");
	make_triggers(&second, "@reboot");
	struct cron *before = make(&first);
	cron_start(before);
	turn();
	write_now(0);
	end(&runs[0], RUN_SUCCEEDED);
	struct cron *cron = reload(before);
	assert_int_equal(run_count, 1);
	cron_free(before);
	cron_free(cron);
	first.is_empty = true;
	before = make(&first);
	cron_start(before);
	cron = reload(before);
	assert_int_equal(run_count, 1);
	cron_free(before);
	cron_free(cron);
}

int main(void)
{
#define CRON(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CRON(test_a_run_that_goes_on),
		CRON(test_a_run_that_is_being_written),
		CRON(test_an_answer_on_its_way),
		CRON(test_a_retry),
		CRON(test_what_waits),
		CRON(test_the_next_time),
		CRON(test_other_times),
		CRON(test_one_that_is_gone),
		CRON(test_one_that_is_off),
		CRON(test_freed_while_all_goes_on),
		CRON(test_a_pause),
		CRON(test_at_reboot),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
