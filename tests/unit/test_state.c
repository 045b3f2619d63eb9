/* state: the table, walked whole. What must hold in every cell is said as a rule, not copied. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "daemon/proc/state.h"

static bool has_process(enum state state)
{
	return state == STATE_STARTING || state == STATE_READY || state == STATE_DRAINING ||
	       state == STATE_STOPPING;
}

static bool is_end(enum state_event event)
{
	return event == EVENT_GONE || event == EVENT_ENDED || event == EVENT_REFUSED;
}

#define EACH_CELL(state, event)                                  \
	for (enum state state = 0; state < STATE_COUNT; state++) \
		for (enum state_event event = 0; event < EVENT_COUNT; event++)

/* Every cell leads to a state that exists; a state's name is its own. */
static void test_cells_are_filled(void **unused)
{
	(void)unused;
	EACH_CELL(state, event)
	{
		struct state_step step = state_step(state, event);
		assert_in_range(step.next, 0, STATE_COUNT - 1);
		assert_in_range(step.action, ACTION_NONE, ACTION_KILL);
		assert_non_null(state_name(state));
	}
}

/* A process is started exactly where there is none, and every start leads to STARTING. */
static void test_spawn(void **unused)
{
	(void)unused;
	EACH_CELL(state, event)
	{
		struct state_step step = state_step(state, event);
		assert_int_equal(step.action == ACTION_SPAWN,
		    step.next == STATE_STARTING && state != STATE_STARTING);
		if (step.action == ACTION_SPAWN)
			assert_false(has_process(state));
	}
}

/* Once a process is gone the state says so, and only then: none is forgotten, none is imagined. */
static void test_process_and_state_agree(void **unused)
{
	(void)unused;
	EACH_CELL(state, event)
	{
		struct state_step step = state_step(state, event);
		if (is_end(event))
			assert_false(has_process(step.next));
		else if (has_process(state))
			assert_true(has_process(step.next));
	}
}

/* A process that cannot be trusted is killed from everywhere. */
static void test_fault(void **unused)
{
	(void)unused;
	for (enum state state = 0; state < STATE_COUNT; state++) {
		if (!has_process(state))
			continue;
		struct state_step step = state_step(state, EVENT_FAULT);
		assert_int_equal(step.action, ACTION_KILL);
		assert_int_equal(step.next, STATE_STOPPING);
	}
}

/* Exit 78 ends in FAILED wherever the process was wanted, and FAILED is left only by asking. */
static void test_refused(void **unused)
{
	(void)unused;
	assert_int_equal(state_step(STATE_STARTING, EVENT_REFUSED).next, STATE_FAILED);
	assert_int_equal(state_step(STATE_READY, EVENT_REFUSED).next, STATE_FAILED);
	assert_int_equal(state_step(STATE_STOPPING, EVENT_REFUSED).next, STATE_FAILED);
	for (enum state_event event = 0; event < EVENT_COUNT; event++)
		if (event != EVENT_UP && event != EVENT_DOWN)
			assert_int_equal(state_step(STATE_FAILED, event).next, STATE_FAILED);
	assert_int_equal(state_step(STATE_FAILED, EVENT_UP).action, ACTION_SPAWN);
}

/* Whatever happens after somebody wants it down, it gets there: each timer brings it nearer. */
static void test_down_arrives(void **unused)
{
	(void)unused;
	for (enum state state = 0; state < STATE_COUNT; state++) {
		enum state now = state_step(state, EVENT_DOWN).next;
		for (int i = 0; i < 3 && has_process(now); i++) {
			struct state_step step = state_step(now, EVENT_TIMER);
			now = step.action == ACTION_KILL ? state_step(step.next, EVENT_ENDED).next
							 : step.next;
		}
		assert_int_equal(now, STATE_DOWN);
	}
}

/* A drain ends with QUIT when nothing is in flight, with TERM when its time is over, then KILL. */
static void test_drain(void **unused)
{
	(void)unused;
	assert_int_equal(state_step(STATE_READY, EVENT_DOWN).next, STATE_DRAINING);
	assert_int_equal(state_step(STATE_DRAINING, EVENT_IDLE).action, ACTION_QUIT);
	assert_int_equal(state_step(STATE_DRAINING, EVENT_TIMER).action, ACTION_TERM);
	assert_int_equal(state_step(STATE_STOPPING, EVENT_TIMER).action, ACTION_KILL);
}

static const struct supervision times = {
	.ready_ms = 30000,
	.backoff_min_ms = 1000,
	.backoff_max_ms = 60000,
	.stable_ms = 60000,
	.drain_ms = 30000,
	.kill_ms = 5000,
	.ping_ms = 5000,
};

/* Delays are 1, 2, 4 … 60 s, each ± 20 %, however many failures there were. */
static void test_backoff(void **unused)
{
	(void)unused;
	static const int64_t delays[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
	for (unsigned i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		int64_t delay = delays[i];
		assert_int_equal(state_backoff_ms(&times, i + 1, 0), delay - delay / 5);
		assert_int_equal(state_backoff_ms(&times, i + 1, UINT32_MAX), delay + delay / 5);
		assert_in_range(
		    state_backoff_ms(&times, i + 1, UINT32_MAX / 2), delay - 1, delay + 1);
	}
	assert_int_equal(state_backoff_ms(&times, UINT32_MAX, 0), 48000);
}

/* States that wait for something outside have a time; the others last. */
static void test_times(void **unused)
{
	(void)unused;
	assert_int_equal(state_lasts_ms(STATE_STARTING, &times, 7), 30000);
	assert_int_equal(state_lasts_ms(STATE_DRAINING, &times, 7), 30000);
	assert_int_equal(state_lasts_ms(STATE_STOPPING, &times, 7), 5000);
	assert_int_equal(state_lasts_ms(STATE_BACKOFF, &times, 7), 7);
	assert_int_equal(state_lasts_ms(STATE_READY, &times, 7), 0);
	assert_int_equal(state_lasts_ms(STATE_FAILED, &times, 7), 0);
	assert_int_equal(state_lasts_ms(STATE_DOWN, &times, 7), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cells_are_filled),
		cmocka_unit_test(test_spawn),
		cmocka_unit_test(test_process_and_state_agree),
		cmocka_unit_test(test_fault),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_down_arrives),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
