/* session: the order of turns, and the cut of a history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/run/session.h"

/* One has the turn at a time, in the order of arrival; lanes do not know each other. */
static void test_order(void **state)
{
	(void)state;
	struct sessions *sessions = sessions_new();
	struct session_turn a = { .owner = "a" }, b = { .owner = "b" }, c = { .owner = "c" },
			    other = { .owner = "other" };
	bool now;
	assert_int_equal(session_enter(sessions, &a, "one", &now), 0);
	assert_true(now);
	assert_int_equal(session_enter(sessions, &b, "one", &now), 0);
	assert_false(now);
	assert_int_equal(session_enter(sessions, &c, "one", &now), 0);
	assert_int_equal(session_enter(sessions, &other, "two", &now), 0);
	assert_true(now);
	assert_ptr_equal(session_holder(sessions, "one"), &a);
	assert_ptr_equal(session_leave(sessions, &a), &b);
	assert_ptr_equal(session_leave(sessions, &b), &c);
	assert_null(session_leave(sessions, &c));
	assert_null(session_holder(sessions, "one"));
	assert_ptr_equal(session_holder(sessions, "two"), &other);
	assert_null(session_leave(sessions, &other));
	sessions_free(sessions);
}

/* Who leaves while waiting gives the turn to nobody; leaving twice is nothing. */
static void test_leave_while_waiting(void **state)
{
	(void)state;
	struct sessions *sessions = sessions_new();
	struct session_turn a = { 0 }, b = { 0 }, c = { 0 };
	bool now;
	session_enter(sessions, &a, "s", &now);
	session_enter(sessions, &b, "s", &now);
	session_enter(sessions, &c, "s", &now);
	assert_null(session_leave(sessions, &b));
	assert_null(session_leave(sessions, &b));
	assert_ptr_equal(session_leave(sessions, &a), &c);
	assert_null(session_leave(sessions, &c));
	sessions_free(sessions);
}

#define COUNT_MAX 16

/* "ut.a" is user, tool, tool's answer… : u user, a assistant, t tool. */
static size_t cut(const char *roles, size_t most, size_t bytes)
{
	struct store_message messages[COUNT_MAX] = { 0 };
	size_t n = strlen(roles);
	for (size_t i = 0; i < n; i++) {
		const char *role = roles[i] == 'u' ? "user" : roles[i] == 't' ? "tool" : "asst";
		messages[i].role = (struct frame_text){ role, 4 };
		messages[i].content = (struct frame_text){ "123456", 6 };
	}
	return session_cut(messages, n, most, bytes);
}

/* The newest messages stay; a tool's answer keeps the call before it. */
static void test_cut_by_count(void **state)
{
	(void)state;
	static const struct {
		const char *roles;
		size_t most, cut;
	} rows[] = {
		{ "", 5, 0 },
		{ "uaua", 5, 0 },
		{ "uaua", 4, 0 },
		{ "uaua", 2, 2 },
		{ "uaua", 0, 4 },
		{ "uatau", 3, 1 },  /* the cut would fall on the answer: it moves to the call */
		{ "uattta", 2, 1 }, /* over several answers */
		{ "tttt", 2, 0 },   /* nothing but answers: all stay */
		{ "uata", 1, 3 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(cut(rows[i].roles, rows[i].most, 1000), rows[i].cut);
}

/* The bytes are a bound that holds: there the cut moves on past answers without their call. */
static void test_cut_by_bytes(void **state)
{
	(void)state;
	assert_int_equal(cut("uaua", 10, 40), 0);
	assert_int_equal(cut("uaua", 10, 39), 1);
	assert_int_equal(cut("uatta", 10, 35), 4); /* the answers go with their call */
	assert_int_equal(cut("uaua", 10, 9), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_leave_while_waiting),
		cmocka_unit_test(test_cut_by_count),
		cmocka_unit_test(test_cut_by_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
