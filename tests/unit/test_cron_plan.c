/* cron_plan: what is due, what was missed, and clocks that are set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/trigger/cron_plan.h"

#define S 1000ll
#define M (60 * S)
#define H (60 * M)
#define D (24 * H)

/* 2026-03-02T00:00:00Z, a Monday. */
#define MIDNIGHT 1772409600000ll

static struct cron_plan plan;

static struct cron_rule rule_of(const char *text, enum misfire misfire)
{
	struct cron_rule rule = { .misfire = misfire };
	char error[CRON_ERROR_MAX];
	assert_int_equal(cron_expr_parse(text, &rule.expr, error), 0);
	return rule;
}

/* The plan, as "due due; dealt; next", each relative to midnight, in seconds; "!" for times that were missed. */
static void assert_plan(
    const struct cron_rule *rule, int64_t dealt, int64_t now, const char *expected)
{
	char text[512];
	size_t n = 0;
	text[0] = '\0';
	cron_plan_make(rule, MIDNIGHT + dealt, MIDNIGHT + now, &plan);
	for (size_t i = 0; i < plan.count; i++)
		n += (size_t)snprintf(
		    text + n, sizeof(text) - n, "%lld ", (long long)(plan.due[i] - MIDNIGHT) / S);
	snprintf(text + n, sizeof(text) - n, "; %lld; %lld%s",
	    (long long)(plan.dealt - MIDNIGHT) / S, (long long)(plan.next - MIDNIGHT) / S,
	    plan.missed ? " !" : "");
	assert_string_equal(text, expected);
}

static void test_nothing_and_one(void **state)
{
	(void)state;
	struct cron_rule rule = rule_of("0 * * * *", MISFIRE_ONCE);
	assert_plan(&rule, 0, H - 1, "; 0; 3600");
	assert_plan(&rule, 0, H, "3600 ; 3600; 7200");
	assert_plan(&rule, 0, H + 9 * S, "3600 ; 3600; 7200");
	assert_plan(&rule, H, H, "; 3600; 7200");
	assert_plan(&rule, H, H + 9 * S, "; 3600; 7200");
}

/* Five hours down, or asleep, or skipped by the clock: they cannot be told apart, and need not be. */
static void test_missed(void **state)
{
	(void)state;
	struct cron_rule rule = rule_of("0 * * * *", MISFIRE_ONCE);
	assert_plan(&rule, 0, 5 * H + 30 * M, "18000 ; 18000; 21600 !");
	rule.misfire = MISFIRE_SKIP;
	assert_plan(&rule, 0, 5 * H + 30 * M, "; 18000; 21600 !");
	rule.misfire = MISFIRE_ALL;
	assert_plan(&rule, 0, 5 * H + 30 * M, "3600 7200 10800 14400 18000 ; 18000; 21600 !");
}

/* The last of them is on time: it is run whatever `misfire` says. */
static void test_missed_but_the_last(void **state)
{
	(void)state;
	struct cron_rule rule = rule_of("0 * * * *", MISFIRE_SKIP);
	assert_plan(&rule, 0, 3 * H + 10 * S, "10800 ; 10800; 14400 !");
	assert_plan(&rule, 0, 3 * H + 10 * S + 1, "; 10800; 14400 !");
	rule.misfire = MISFIRE_ONCE;
	assert_plan(&rule, 0, 3 * H, "10800 ; 10800; 14400 !");
}

static void test_max_lateness(void **state)
{
	(void)state;
	struct cron_rule rule = rule_of("0 * * * *", MISFIRE_ALL);
	rule.max_lateness_ms = 2 * H;
	assert_plan(&rule, 0, 5 * H + 30 * M, "14400 18000 ; 18000; 21600 !");
	assert_plan(&rule, 0, 5 * H, "10800 14400 18000 ; 18000; 21600 !");
	rule.misfire = MISFIRE_ONCE;
	rule.max_lateness_ms = 20 * M;
	assert_plan(&rule, 0, 5 * H + 30 * M, "; 18000; 21600 !");
	assert_plan(&rule, 0, 5 * H + 20 * M, "18000 ; 18000; 21600 !");
}

/* Back by an hour: what was dealt with does not come again. Back by more than a day: the clock was wrong. */
static void test_the_clock_goes_back(void **state)
{
	(void)state;
	struct cron_rule rule = rule_of("*/10 * * * *", MISFIRE_ALL);
	assert_plan(&rule, 2 * H, H, "; 7200; 7800");
	assert_plan(&rule, 2 * H, 2 * H + 10 * M, "7800 ; 7800; 8400");
	assert_plan(&rule, D, 0, "; 86400; 87000");
	assert_plan(&rule, D + 1 * S, 0, "; 0; 600");
	assert_plan(&rule, 3650 * D, H, "; 3600; 4200");
}

static void test_the_clock_goes_forward(void **state)
{
	(void)state;
	struct cron_rule rule = rule_of("*/10 * * * *", MISFIRE_ONCE);
	assert_plan(&rule, 0, H + 1 * S, "3600 ; 3600; 4200 !");
}

static void test_every(void **state)
{
	(void)state;
	struct cron_rule rule = rule_of("@every 90s", MISFIRE_ONCE);
	assert_plan(&rule, 7 * S, 96 * S, "; 7; 97");
	assert_plan(&rule, 7 * S, 97 * S, "97 ; 97; 187");
	assert_plan(&rule, 7 * S, 1000 * S, "997 ; 997; 1087 !");
	rule.misfire = MISFIRE_ALL;
	assert_plan(&rule, 7 * S, 300 * S, "97 187 277 ; 277; 367 !");
}

/* A year of seconds has 31 million times: neither all of them, nor all the time that they would take. */
static void test_long_ago(void **state)
{
	(void)state;
	struct cron_rule rule = rule_of("* * * * * *", MISFIRE_ALL);
	cron_plan_make(&rule, MIDNIGHT - 365 * D, MIDNIGHT, &plan);
	assert_int_equal(plan.count, CRON_PLAN_MAX);
	assert_int_equal(plan.due[CRON_PLAN_MAX - 1], MIDNIGHT);
	assert_int_equal(plan.due[0], MIDNIGHT - (CRON_PLAN_MAX - 1) * S);
	rule = rule_of("@every 1s", MISFIRE_ALL);
	cron_plan_make(&rule, MIDNIGHT - 365 * D, MIDNIGHT + 500, &plan);
	assert_int_equal(plan.count, CRON_PLAN_MAX);
	assert_int_equal(plan.due[CRON_PLAN_MAX - 1], MIDNIGHT);
	rule = rule_of("0 0 29 2 *", MISFIRE_ONCE);
	cron_plan_make(&rule, MIDNIGHT - 3650 * D, MIDNIGHT, &plan);
	assert_int_equal(plan.count, 1);
	assert_int_equal(plan.due[0], 1709164800000ll); /* 2024-02-29 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_and_one),
		cmocka_unit_test(test_missed),
		cmocka_unit_test(test_missed_but_the_last),
		cmocka_unit_test(test_max_lateness),
		cmocka_unit_test(test_the_clock_goes_back),
		cmocka_unit_test(test_the_clock_goes_forward),
		cmocka_unit_test(test_every),
		cmocka_unit_test(test_long_ago),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
