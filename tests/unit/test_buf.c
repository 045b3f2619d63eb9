/* buf: growth, JSON escapes, and the repair of UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/buf.h"

static void assert_buf(struct buf *buf, const char *text)
{
	buf_add(buf, "", 1);
	assert_false(buf->failed);
	assert_string_equal(buf->data, text);
	buf_done(buf);
}

/* What is added is there, in order, whatever the sizes. */
static void test_grow(void **state)
{
	(void)state;
	struct buf buf = { 0 };
	for (int i = 0; i < 1000; i++)
		buf_addf(&buf, "%d,", i);
	assert_int_equal(buf.length, 10 * 2 + 90 * 3 + 900 * 4);
	buf_drop(&buf, buf.length - 4);
	assert_buf(&buf, "999,");
}

/* What is reserved is just that, once, and grows like any; what is cut off is gone. */
static void test_reserve(void **state)
{
	(void)state;
	struct buf buf = { 0 };
	buf_reserve(&buf, 0);
	assert_null(buf.data);
	buf_reserve(&buf, 5);
	buf_reserve(&buf, 50);
	assert_int_equal(buf.capacity, 5);
	buf_add_str(&buf, "hello");
	assert_int_equal(buf.capacity, 5);
	buf_add_str(&buf, ", you");
	assert_int_equal(buf.length, 10);
	buf_cut(&buf, 7);
	assert_buf(&buf, "hello, ");
}

/* A size that is no power of two may double up to the bound, and no further. */
static void test_bound_of_reserved(void **state)
{
	(void)state;
	struct buf buf = { 0 };
	buf_reserve(&buf, BUF_MAX - 1);
	assert_non_null(buf_room(&buf, BUF_MAX));
	assert_int_equal(buf.capacity, BUF_MAX);
	assert_null(buf_room(&buf, BUF_MAX + 1));
	buf_done(&buf);
}

/* Past its bound a buf fails, keeps what it had, and takes no more. */
static void test_bound(void **state)
{
	(void)state;
	struct buf buf = { 0 };
	buf_add_str(&buf, "kept");
	assert_null(buf_room(&buf, BUF_MAX));
	buf_add_str(&buf, "not");
	assert_true(buf.failed);
	assert_int_equal(buf.length, 4);
	assert_null(buf_take(&buf));
	assert_null(buf.data);
}

/* Strings are escaped as RFC 8259 wants, and otherwise left alone. */
static void test_json(void **state)
{
	(void)state;
	static const struct {
		const char *text, *json;
	} rows[] = {
		{ "", "\"\"" },
		{ "plain", "\"plain\"" },
		{ "a\"b\\c/d", "\"a\\\"b\\\\c/d\"" },
		{ "\n\r\t\b\f", "\"\\n\\r\\t\\b\\f\"" },
		{ "\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\"" },
		{ "ß漢😀", "\"ß漢😀\"" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf buf = { 0 };
		buf_add_json_str(&buf, rows[i].text);
		assert_buf(&buf, rows[i].json);
	}
}

#define WRONG "\xef\xbf\xbd"

static const struct {
	const char *bytes, *text;
} utf8_rows[] = {
	{ "plain text that is long enough for the fast path",
	    "plain text that is long enough for the fast path" },
	{ "ß漢😀", "ß漢😀" },
	{ "\x80", WRONG },
	{ "a\xff"
	  "b",
	    "a" WRONG "b" },
	{ "\xc0\xaf", WRONG WRONG },                     /* overlong "/" */
	{ "\xe0\x80\xaf", WRONG WRONG WRONG },           /* overlong */
	{ "\xed\xa0\x80", WRONG WRONG WRONG },           /* a surrogate */
	{ "\xf4\x90\x80\x80", WRONG WRONG WRONG WRONG }, /* past U+10FFFF */
	{ "\xe6\xbc", WRONG },                           /* cut: one part, one mark */
	{ "\xe6\xbcx", WRONG "x" },
	{ "\xf0\x9f\x98", WRONG },
	{ "\xf0\x9f\x98\xf0\x9f\x98\x80", WRONG "😀" },
};

/* What is not UTF-8 becomes U+FFFD, one for each maximal wrong part. */
static void test_utf8(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(utf8_rows) / sizeof(utf8_rows[0]); i++) {
		struct buf buf = { 0 };
		buf_add_utf8(&buf, NULL, utf8_rows[i].bytes, strlen(utf8_rows[i].bytes));
		assert_buf(&buf, utf8_rows[i].text);
	}
}

/* The same bytes cut at any one place, or at every place, give the same text. */
static void test_utf8_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(utf8_rows) / sizeof(utf8_rows[0]); i++) {
		const char *bytes = utf8_rows[i].bytes;
		size_t n = strlen(bytes);
		for (size_t cut = 0; cut <= n; cut++) {
			struct buf buf = { 0 };
			struct utf8_tail tail = { 0 };
			buf_add_utf8(&buf, &tail, bytes, cut);
			buf_add_utf8(&buf, &tail, bytes + cut, n - cut);
			buf_end_utf8(&buf, &tail);
			assert_buf(&buf, utf8_rows[i].text);
		}
		struct buf buf = { 0 };
		struct utf8_tail tail = { 0 };
		for (size_t j = 0; j < n; j++)
			buf_add_utf8(&buf, &tail, bytes + j, 1);
		buf_end_utf8(&buf, &tail);
		assert_buf(&buf, utf8_rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grow),
		cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_bound_of_reserved),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_utf8_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
