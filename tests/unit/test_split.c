/* split, backoff, outage and news: where long texts are cut, that nothing but white space is lost, how long to wait,
 * when it has been long, and what is said of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/common/backoff.h"
#include "plugins/common/news.h"
#include "plugins/common/outage.h"
#include "plugins/common/split.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct agentd_text text_of(const char *text)
{
	return agentd_text(text, strlen(text));
}

static const struct {
	const char *text;
	size_t most;
	enum split_unit unit;
	const char *parts[6];
} cuts[] = {
	{ "short", 10, SPLIT_UTF16, { "short" } },
	{ "exactly 10", 10, SPLIT_UTF16, { "exactly 10" } },
	{ "", 10, SPLIT_UTF16, { NULL } },
	{ " \n \t\r\n", 4, SPLIT_UTF16, { NULL } },
	/* The last newline, although there is a space behind it. */
	{ "one\ntwo three", 9, SPLIT_UTF16, { "one", "two three" } },
	{ "one two three", 9, SPLIT_UTF16, { "one two", "three" } },
	{ "onetwothree", 4, SPLIT_UTF16, { "onet", "woth", "ree" } },
	/* What is just behind the limit may be where it is cut. */
	{ "abcd efgh", 4, SPLIT_UTF16, { "abcd", "efgh" } },
	{ "abcd\nefgh", 4, SPLIT_UTF16, { "abcd", "efgh" } },
	/* The original never came back from these (defect 28). */
	{ " unbrokenword", 5, SPLIT_UTF16, { " unbr", "okenw", "ord" } },
	{ "\nunbrokenword", 5, SPLIT_UTF16, { "unbro", "kenwo", "rd" } },
	{ "      unbroken", 5, SPLIT_UTF16, { "unbro", "ken" } },
	{ "      ab      \n\n\n      cd", 5, SPLIT_UTF16, { "ab", "cd" } },
	/* An indent stays, before the first line and behind a newline. */
	{ "  a\n  b\n  c", 4, SPLIT_UTF16, { "  a", "  b", "  c" } },
	{ "a\n\n\n  b", 5, SPLIT_UTF16, { "a", "  b" } },
	/* Units: é is two bytes and one unit, 😀 is four bytes, two units and one code point. */
	{ "ééééé", 4, SPLIT_UTF16, { "éééé", "é" } },
	{ "ééééé", 4, SPLIT_BYTES, { "éé", "éé", "é" } },
	{ "😀😀😀", 5, SPLIT_UTF16, { "😀😀", "😀" } },
	{ "😀😀😀", 4, SPLIT_BYTES, { "😀", "😀", "😀" } },
	{ "😀😀😀😀😀", 4, SPLIT_CODE_POINTS, { "😀😀😀😀", "😀" } },
	/* Less than a sequence: it still goes on. */
	{ "😀😀", 1, SPLIT_UTF16, { "😀", "😀" } },
	{ "\xff\xff\xff\xff\xff", 4, SPLIT_UTF16, { "\xff\xff\xff\xff", "\xff" } },
};

static void test_where_it_is_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cuts); i++) {
		struct agentd_text rest = text_of(cuts[i].text);
		for (size_t k = 0; cuts[i].parts[k]; k++) {
			struct agentd_text part = split_next(&rest, cuts[i].most, cuts[i].unit);
			if (part.n != strlen(cuts[i].parts[k]) ||
			    memcmp(part.p, cuts[i].parts[k], part.n) != 0)
				fail_msg("\"%s\", part %zu: \"%.*s\"", cuts[i].text, k, (int)part.n,
				    part.p);
			assert_int_equal(rest.n == 0, cuts[i].parts[k + 1] == NULL);
		}
		assert_int_equal(split_next(&rest, cuts[i].most, cuts[i].unit).n, 0);
	}
}

static void test_nothing_at_all(void **state)
{
	struct agentd_text rest = { NULL, 0 };
	(void)state;
	assert_int_equal(split_next(&rest, 4, SPLIT_UTF16).n, 0);
	assert_int_equal(split_count(rest, SPLIT_UTF16), 0);
	assert_int_equal(split_fit(rest, 4, SPLIT_UTF16), 0);
}

static void test_counts_as_telegram_does(void **state)
{
	(void)state;
	assert_int_equal(split_count(text_of("aé€😀"), SPLIT_UTF16), 5);
	assert_int_equal(split_count(text_of("aé€😀"), SPLIT_CODE_POINTS), 4);
	assert_int_equal(split_count(text_of("aé€😀"), SPLIT_BYTES), 10);
}

/* What a text is made of: much white space, sequences of all lengths, and bytes that are none. */
static const char *const pieces[] = { " ", " ", "\n", "\n", "\t", "\r\n", "a", "bc", "word", "é",
	"€", "😀", "👩‍👩‍👧", "\xff", "\xe2\x82", "<b>", "&amp;" };

static bool is_white(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void check_random_text(
    const char *text, size_t n, size_t most, enum split_unit unit, bool is_utf8)
{
	struct agentd_text rest = agentd_text(text, n);
	const char *at = text;
	for (;;) {
		size_t before = rest.n;
		struct agentd_text part = split_next(&rest, most, unit);
		if (!part.n)
			break;
		assert_true(rest.n < before);
		assert_true(split_count(part, unit) <= most);
		assert_false(is_white(part.p[part.n - 1]));
		/* Between the parts there was nothing but white space. */
		assert_true(part.p >= at && part.p + part.n <= text + n);
		for (; at < part.p; at++)
			assert_true(is_white(*at));
		at = part.p + part.n;
		if (is_utf8) {
			assert_int_not_equal(part.p[0] & 0xc0, 0x80);
			assert_true(at == text + n || (*at & 0xc0) != 0x80);
		}
	}
	assert_int_equal(rest.n, 0);
	for (; at < text + n; at++)
		assert_true(is_white(*at));
}

static void test_any_text(void **state)
{
	static const enum split_unit units[] = { SPLIT_BYTES, SPLIT_CODE_POINTS, SPLIT_UTF16 };
	static char text[4096];
	(void)state;
	srandom(28);
	for (unsigned round = 0; round < 30000; round++) {
		size_t n = 0, count = (size_t)random() % 60;
		bool is_utf8 = true;
		for (size_t i = 0; i < count; i++) {
			const char *piece = pieces[(size_t)random() % COUNT(pieces)];
			is_utf8 = is_utf8 && piece[0] != '\xff' && strcmp(piece, "\xe2\x82") != 0;
			memcpy(text + n, piece, strlen(piece));
			n += strlen(piece);
		}
		check_random_text(
		    text, n, 4 + (size_t)random() % 20, units[round % COUNT(units)], is_utf8);
	}
}

/* The time does not grow with the square of what is cut. */
static void test_white_space_without_end(void **state)
{
	size_t n = 4 << 20;
	char *text = malloc(n);
	(void)state;
	assert_non_null(text);
	memset(text, ' ', n);
	text[n - 1] = 'x';
	struct agentd_text rest = agentd_text(text, n);
	struct agentd_text part = split_next(&rest, 65536, SPLIT_UTF16);
	assert_int_equal(part.n, 1);
	assert_int_equal(rest.n, 0);
	free(text);
}

/* A plugin that waits in silence looks ready (defect 2 of the original). */
static void test_an_outage_is_a_number_of_failures_or_a_time(void **state)
{
	(void)state;
	struct outage outage = { .failures_max = 3, .lasts_max_ms = 1000 };
	assert_false(outage_is_long(&outage, 50, 100, 0));
	assert_false(outage_is_long(&outage, 150, 160, 0));
	assert_true(outage_is_long(&outage, 170, 180, 0));
	outage_end(&outage);
	assert_false(outage_is_long(&outage, 1000, 1100, 10));
	assert_false(outage_is_long(&outage, 1900, 1989, 10));
	outage_end(&outage);
	/* What began long ago, what has waited long, and what is to wait long. */
	assert_true(outage_is_long(&outage, 1000, 2000, 0));
	outage_end(&outage);
	assert_false(outage_is_long(&outage, 5000, 5000, 999));
	assert_true(outage_is_long(&outage, 6000, 6000, 0));
	outage_end(&outage);
	assert_true(outage_is_long(&outage, 5000, 5000, 1000));
	outage_end(&outage);
	assert_true(outage_is_long(&outage, 5000, 5000, UINT64_MAX));
	/* Without a number of failures only time counts; and clocks that go back do no harm. */
	outage = (struct outage){ .lasts_max_ms = 1000 };
	for (int i = 0; i < 100; i++)
		assert_false(outage_is_long(&outage, 5000, 4000, 0));
}

static void test_another_reason_is_news(void **state)
{
	static const struct {
		const char *reason;
		bool is_news;
	} said[] = {
		{ "409 another program asks", true },
		{ "409 another program asks", false },
		{ "500 Internal Server Error", true },
		{ "timed out after 30001 ms", true },
		{ "timed out after 9 ms", false },
		{ "", true },
		{ "17", false },
		{ "409 another program asks", true },
	};
	struct news news = { 0 };
	char longest[1000];
	(void)state;
	for (size_t i = 0; i < COUNT(said); i++)
		assert_int_equal(news_take(&news, said[i].reason), said[i].is_news);
	news_end(&news);
	assert_true(news_take(&news, "409 another program asks"));
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_true(news_take(&news, longest));
	assert_false(news_take(&news, longest));
}

static void test_backoff_doubles_up_to_its_bound(void **state)
{
	static const uint64_t steps[] = { 500, 1000, 2000, 4000, 8000, 10000, 10000 };
	struct backoff backoff = { .min_ms = 500, .max_ms = 10000 };
	(void)state;
	for (size_t i = 0; i < COUNT(steps); i++) {
		struct backoff low = backoff, high = backoff;
		assert_int_equal(backoff_next_ms(&low, 0, 0), steps[i] * 8 / 10);
		assert_int_equal(backoff_next_ms(&high, 0, UINT32_MAX), steps[i] * 12 / 10);
		assert_in_range(
		    backoff_next_ms(&backoff, 0, UINT32_MAX / 2), steps[i] - 1, steps[i]);
	}
	backoff_reset(&backoff);
	assert_int_equal(backoff_next_ms(&backoff, 0, 0), 400);
}

static void test_backoff_waits_as_long_as_it_is_asked_to(void **state)
{
	struct backoff backoff = { .min_ms = 500, .max_ms = 10000 };
	(void)state;
	assert_int_equal(backoff_next_ms(&backoff, 3000, 0), 3000);
	assert_in_range(backoff_next_ms(&backoff, 3000, UINT32_MAX), 3000, 3200);
	assert_int_equal(
	    backoff_next_ms(&backoff, 3600000, 0), 3600000); /* more than its own bound */
	assert_int_equal(backoff_next_ms(&backoff, UINT64_MAX, 7), UINT64_MAX);
}

static void test_backoff_of_many_failures(void **state)
{
	struct backoff backoff = { .min_ms = 1, .max_ms = UINT64_MAX / 4, .failures = UINT32_MAX };
	(void)state;
	assert_true(backoff_next_ms(&backoff, 0, 0) > UINT64_MAX / 8);
	assert_int_equal(backoff.failures, UINT32_MAX);
	backoff = (struct backoff){ .min_ms = 0, .max_ms = 0, .failures = UINT32_MAX };
	assert_int_equal(backoff_next_ms(&backoff, 0, 5), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_it_is_cut),
		cmocka_unit_test(test_nothing_at_all),
		cmocka_unit_test(test_counts_as_telegram_does),
		cmocka_unit_test(test_any_text),
		cmocka_unit_test(test_white_space_without_end),
		cmocka_unit_test(test_an_outage_is_a_number_of_failures_or_a_time),
		cmocka_unit_test(test_another_reason_is_news),
		cmocka_unit_test(test_backoff_doubles_up_to_its_bound),
		cmocka_unit_test(test_backoff_waits_as_long_as_it_is_asked_to),
		cmocka_unit_test(test_backoff_of_many_failures),
	};
	return cmocka_run_group_tests_name("split", tests, NULL, NULL);
}
