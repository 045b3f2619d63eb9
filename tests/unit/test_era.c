/* The lives of eras: nothing goes while somebody refers to it, and nothing goes under the caller's feet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <string.h>

#include "daemon/base/era.h"

static char released[8];

static void note(void *arg)
{
	strcat(released, arg);
}

static int set_up(void **state)
{
	*state = event_base_new();
	released[0] = '\0';
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	event_base_free(*state);
	return 0;
}

/* What was given last goes first, in the turn of the loop after the last reference, not inside it. */
static void test_order(void **state)
{
	struct era *era = era_new(*state);
	assert_int_equal(era_give(era, note, "a"), 0);
	assert_int_equal(era_give(era, note, "b"), 0);
	era_ref(era);
	era_unref(era);
	event_base_loop(*state, EVLOOP_NONBLOCK);
	assert_string_equal(released, "");
	era_unref(era);
	assert_string_equal(released, "");
	event_base_loop(*state, EVLOOP_NONBLOCK);
	assert_string_equal(released, "ba");
}

static void unref(void *arg)
{
	note("x");
	era_unref(arg);
}

/* One that goes may let go of another; without a loop eras_release does both. */
static void test_without_a_loop(void **state)
{
	struct era *first = era_new(*state), *second = era_new(*state);
	assert_int_equal(era_give(second, note, "s"), 0);
	assert_int_equal(era_give(first, unref, second), 0);
	era_unref(first);
	eras_release();
	assert_string_equal(released, "xs");
	era_unref(NULL);
}

/* What an era is told to outlast is before it in time, not what comes after it, nor what is over. */
static void test_outlasting(void **state)
{
	struct era *over = era_new(*state), *first = era_new(*state), *second = era_new(*state);
	struct era *third = era_new(*state);
	assert_int_equal(era_give(first, note, "f"), 0);
	assert_int_equal(era_give(second, note, "s"), 0);
	assert_int_equal(era_give(third, note, "t"), 0);
	era_unref(over);
	assert_int_equal(era_outlast_older(second), 0);
	era_unref(second);
	era_unref(third);
	event_base_loop(*state, EVLOOP_NONBLOCK);
	assert_string_equal(released, "t");
	era_unref(first);
	eras_release();
	assert_string_equal(released, "tfs");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_outlasting, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_without_a_loop, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
