/* zone: which names are one; tzif: what rules behind a table mean, and that a broken file is refused. That
 * tables are read right, tests/e2e/test_cron_next.py compares with Python's zoneinfo, for all zones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "daemon/base/buf.h"
#include "daemon/base/tzif.h"
#include "daemon/base/zone.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOUR         3600

static void test_names(void **state)
{
	(void)state;
	static const char *const none[] = { "", "Europe/Nowhere", "europe/berlin", "Europe",
		"CET-1CEST", "+02:00", "/etc/localtime", "../zoneinfo/Europe/Berlin",
		"Europe/Berlin ", "tzdata.zi", "right/Europe/Berlin", "Utc" };
	static const char *const there[] = { "UTC", "Etc/UTC", "GMT", "Europe/Berlin",
		"America/Argentina/Buenos_Aires", "Etc/GMT+5" };
	struct zone *zone = NULL;
	char is_long[100] = "";
	memset(is_long, 'a', sizeof(is_long) - 1);
	for (size_t i = 0; i < COUNT(none); i++)
		assert_int_equal(zone_new(none[i], &zone), -ENOENT);
	assert_int_equal(zone_new(is_long, &zone), -ENOENT);
	assert_null(zone);
	for (size_t i = 0; i < COUNT(there); i++) {
		assert_int_equal(zone_new(there[i], &zone), 0);
		assert_string_equal(zone_name(zone), there[i]);
		zone_free(zone);
	}
	zone_free(NULL);
}

/* Spans join, from the beginning to the end of time. */
static void test_spans(void **state)
{
	(void)state;
	struct zone *zone = NULL;
	assert_int_equal(zone_new("Europe/Berlin", &zone), 0);
	struct zone_span span = zone_span_at(zone, INT64_MIN), next;
	assert_int_equal(span.start, INT64_MIN);
	assert_int_equal(span.offset, 3208); /* 53 min 28 s, the sun's time */
	assert_int_equal(span.before, 3208);
	for (; span.end != INT64_MAX; span = next) {
		next = zone_span_at(zone, span.end);
		assert_int_equal(next.start, span.end);
		assert_int_equal(next.before, span.offset);
		assert_int_not_equal(next.before, next.offset);
		assert_int_equal(zone_span_at(zone, span.end - 1).start, span.start);
	}
	assert_int_equal(zone_span_at(zone, INT64_MAX).start, span.start);
	zone_free(zone);
}

/* A file with one type of time, an hour ahead, no changes, and a rule. */
static struct buf file_of(const char *rule)
{
	static const char header[44] = { 'T', 'Z', 'i', 'f', '2', [39] = 1, [43] = 2 };
	static const char body[8] = { 0, 0, HOUR >> 8, HOUR & 0xff, 0, 0, 'A', 0 };
	struct buf file = { 0 };
	for (int i = 0; i < 2; i++) {
		buf_add(&file, header, sizeof(header));
		buf_add(&file, body, sizeof(body));
	}
	buf_addf(&file, "\n%s\n", rule);
	return file;
}

static int read_rule(const char *rule, struct tzif *tzif)
{
	struct buf file = file_of(rule);
	int error = tzif_read((const uint8_t *)file.data, file.length, tzif);
	buf_done(&file);
	return error;
}

/* The two changes of 2028, a leap year. */
static void test_rules(void **state)
{
	(void)state;
	static const struct {
		const char *rule;
		struct tzif_change changes[2];
	} rows[] = {
		{ "CET-1CEST,M3.5.0,M10.5.0/3",
		    { { 1837645200, 2 * HOUR }, { 1856394000, HOUR } } },
		{ "IST-1GMT0,M10.5.0,M3.5.0/1", /* winter is the exception */
		    { { 1837645200, HOUR }, { 1856394000, 0 } } },
		{ "<+01>-1<+0130>-1:30,J60,J365/24", /* 1 March; 31 December at 24:00 */
		    { { 1835485200, HOUR + HOUR / 2 }, { 1861914600, HOUR } } },
		{ "AAA-1BBB,59/0,60/-1:30:15", /* 29 February; 1 March less so much */
		    { { 1835391600, 2 * HOUR }, { 1835468985, HOUR } } },
	};
	static struct tzif tzif;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(read_rule(rows[i].rule, &tzif), 0);
		assert_int_equal(tzif.first, HOUR);
		size_t at = 0;
		while (at < tzif.count && tzif.changes[at].at < 1830297600) /* 2028 */
			at++;
		for (size_t j = 0; j < 2; j++, at++) {
			assert_int_equal(tzif.changes[at].at, rows[i].changes[j].at);
			assert_int_equal(tzif.changes[at].offset, rows[i].changes[j].offset);
		}
	}
	assert_int_equal(read_rule("", &tzif), 0);
	assert_int_equal(tzif.count, 0);
	assert_int_equal(read_rule("CET-1", &tzif), 0);
	assert_int_equal(tzif.count, 0);
	assert_int_equal(read_rule("XXX-1YYY,0/0,J365/25", &tzif), 0); /* all year */
	assert_int_equal(tzif.changes[0].offset, 2 * HOUR);
	assert_true(tzif.count <= 2 && tzif.changes[1].at > INT64_C(4070908800)); /* 2099 */
}

static void test_broken(void **state)
{
	(void)state;
	static const char *const rules[] = { "C-1", "CET", "CET-27", "CET-1CEST",
		"CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0",
		"CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,M3.5,M10.5.0", "CET-1CEST,J0,J5",
		"CET-1CEST,366,5", "CET-1CEST,M3.5.0/168,M10.5.0", "CET-1CEST,M3.5.0,M10.5.0,",
		"<CET-1", "CET-1:60" };
	static struct tzif tzif;
	for (size_t i = 0; i < COUNT(rules); i++)
		assert_int_equal(read_rule(rules[i], &tzif), -EBADMSG);
	struct buf file = file_of("CET-1CEST,M3.5.0,M10.5.0/3");
	for (size_t n = 0; n < file.length; n++)
		assert_int_equal(tzif_read((const uint8_t *)file.data, n, &tzif), -EBADMSG);
	buf_done(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_broken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
