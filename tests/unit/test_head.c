/* head: what is refused before any other parser sees it, row by row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http/head.h"

static const struct head_limits limits = { 1024, 5 };

#define HOST "Host: a\r\n"

/* `text` may hold NULs: its length goes along. */
#define ROW(text)                      \
	{                              \
		text, sizeof(text) - 1 \
	}

struct row {
	const char *text;
	size_t n;
};

static enum head_verdict scan(const struct row *row, struct head *head)
{
	const char *reason = NULL;
	enum head_verdict verdict = head_scan(row->text, row->n, &limits, head, &reason);
	if (verdict == HEAD_BAD)
		assert_non_null(reason);
	return verdict;
}

/* Ordinary requests pass, and end where they end. */
static void test_good(void **state)
{
	(void)state;
	static const struct row rows[] = {
		ROW("GET / HTTP/1.1\r\n" HOST "\r\n"),
		ROW("GET / HTTP/1.0\r\n\r\n"),
		ROW("POST /a/b?c=d&e=%20 HTTP/1.1\r\nhost: a.b:80\r\ncontent-length: 12\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\nHost:[::1]:8000\r\nX-A:\t b\xe9 \r\nX-B:\r\n\r\n"),
		ROW("HEAD / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"),
		ROW("M-SEARCH / HTTP/1.1\r\n" HOST "\r\n"),
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct head head;
		assert_int_equal(scan(&rows[i], &head), HEAD_GOOD);
		assert_int_equal(head.length, rows[i].n);
		for (size_t n = 0; n < rows[i].n; n++) { /* any shorter piece: not yet, never bad */
			struct row piece = { rows[i].text, n };
			assert_int_equal(scan(&piece, &head), HEAD_MORE);
		}
	}
}

/* What two parsers may read in two ways. */
static void test_bad(void **state)
{
	(void)state;
	static const struct row rows[] = {
		/* the request line */
		ROW("\r\nGET / HTTP/1.1\r\n" HOST "\r\n"),
		ROW(" GET / HTTP/1.1\r\n" HOST "\r\n"),
		ROW("GET  / HTTP/1.1\r\n" HOST "\r\n"),
		ROW("GET / HTTP/1.1 \r\n" HOST "\r\n"),
		ROW("GET /\r\n\r\n"),
		ROW("GET / HTTP/2.0\r\n" HOST "\r\n"),
		ROW("GET / HTTP/1.2\r\n" HOST "\r\n"),
		ROW("GET / http/1.1\r\n" HOST "\r\n"),
		ROW("GET http://a/ HTTP/1.1\r\n" HOST "\r\n"),
		ROW("GET //a HTTP/1.1\r\n" HOST "\r\n"),
		ROW("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"),
		ROW("CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n"),
		ROW("GET /a b HTTP/1.1\r\n" HOST "\r\n"),
		ROW("GET /a#b HTTP/1.1\r\n" HOST "\r\n"),
		ROW("GET /\xc3\x9f HTTP/1.1\r\n" HOST "\r\n"),
		ROW("GET /\x01 HTTP/1.1\r\n" HOST "\r\n"),
		ROW("G@T / HTTP/1.1\r\n" HOST "\r\n"),
		ROW("PRI * HTTP/2.0\r\n\r\n"),
		/* line ends and NULs */
		ROW("GET / HTTP/1.1\n" HOST "\r\n"),
		ROW("GET / HTTP/1.1\r\nHost: a\n\r\n"),
		ROW("GET / HTTP/1.1\r\n" HOST "\n"),
		ROW("GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\r\n" HOST "\r\n"),
		ROW("GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\n" HOST "\0\r\n\r\n"),
		ROW("GET /\0 HTTP/1.1\r\n" HOST "\r\n"),
		/* fields */
		ROW("GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\n X: a\r\n" HOST "\r\n"),
		ROW("GET / HTTP/1.1\r\n" HOST "X : a\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\n" HOST "X\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\n" HOST "X A: b\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\n" HOST "X\xe9: b\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\n" HOST "X: \x0b\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\n" HOST "X: \x7f\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\n" HOST "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n\r\n"),
		/* Host */
		ROW("GET / HTTP/1.1\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\nHost:\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\n" HOST HOST "\r\n"),
		ROW("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\nHost: a:80x\r\n\r\n"),
		ROW("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
		/* the body's length */
		ROW("POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\nContent-Length: 5\r\n\r\n"),
		ROW("POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\nContent-Length: 2\r\n\r\n"),
		ROW("POST / HTTP/1.1\r\n" HOST "Content-Length: 2, 2\r\n\r\n"),
		ROW("POST / HTTP/1.1\r\n" HOST "Content-Length: +2\r\n\r\n"),
		ROW("POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n"),
		ROW("POST / HTTP/1.1\r\n" HOST "Content-Length: 0x2\r\n\r\n"),
		ROW("POST / HTTP/1.1\r\n" HOST "Content-Length: 2 2\r\n\r\n"),
		ROW("POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n"),
		ROW("POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551618\r\n\r\n"),
		ROW("POST / HTTP/1.1\r\n" HOST "Content-Length : 2\r\n\r\n"),
		ROW("POST / HTTP/1.1\r\n" HOST
		    "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"),
		ROW("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n"),
		ROW("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"),
		ROW("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n"),
		ROW("POST / HTTP/1.1\r\n" HOST
		    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
		ROW("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n"),
		ROW("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"),
		ROW("HEAD / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n"),
		ROW("HEAD / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"),
		ROW("POST / HTTP/1.1\r\n" HOST "Expect: nothing\r\n\r\n"),
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct head head;
		if (scan(&rows[i], &head) != HEAD_BAD)
			fail_msg("row %zu is not refused: %s", i, rows[i].text);
	}
}

/* What a good head says of the body is told, and where the lines are that the gate takes out. */
static void test_body(void **state)
{
	(void)state;
	static const struct row length =
	    ROW("POST / HTTP/1.1\r\n" HOST "Content-Length: \t0012 \r\n\r\nrest");
	static const struct row chunked =
	    ROW("POST / HTTP/1.1\r\nTransfer-Encoding:\tChunked\r\nExpect: 100-Continue\r\n" HOST
		"\r\n");
	struct head head;
	assert_int_equal(scan(&length, &head), HEAD_GOOD);
	assert_int_equal(head.content_length, 12);
	assert_int_equal(head.length, length.n - 4);
	assert_int_equal(scan(&chunked, &head), HEAD_GOOD);
	assert_true(head.chunked && head.expects_continue && !head.has_length);
	assert_memory_equal(
	    chunked.text + head.coding_at, "Transfer-Encoding:\tChunked\r\n", head.coding_length);
	assert_memory_equal(
	    chunked.text + head.expect_at, "Expect: 100-Continue\r\n", head.expect_length);
	assert_int_equal(head.coding_length, strlen("Transfer-Encoding:\tChunked\r\n"));
	assert_int_equal(head.expect_length, strlen("Expect: 100-Continue\r\n"));
}

/* The bound on the whole head holds, whole line or not. */
static void test_too_long(void **state)
{
	(void)state;
	char text[2048] = "GET / HTTP/1.1\r\nX: ";
	memset(text + strlen(text), 'x', sizeof(text) - 1 - strlen(text));
	struct head head;
	struct row row = { text, 1023 };
	assert_int_equal(scan(&row, &head), HEAD_MORE);
	row.n = 1024;
	assert_int_equal(scan(&row, &head), HEAD_BAD);
}

/* Size lines: hexadecimal, bounded, extensions ignored. Trailers: fields. */
static void test_chunks(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		int length;
		uint64_t size;
	} sizes[] = {
		{ "5\r\n", 3, 5 },
		{ "aBc\r\n", 5, 0xabc },
		{ "0\r\n", 3, 0 },
		{ "000005\r\n", 8, 5 },
		{ "ffffffff\r\n", 10, 0xffffffff },
		{ "5;a=b;c\r\n", 9, 5 },
		{ "", 0, 0 },
		{ "5", 0, 0 },
		{ "5\r", 0, 0 },
		{ "5;a", 0, 0 },
		{ "\r\n", -1, 0 },
		{ "x\r\n", -1, 0 },
		{ "0x5\r\n", -1, 0 },
		{ "+5\r\n", -1, 0 },
		{ "-5\r\n", -1, 0 },
		{ "5 \r\n", -1, 0 },
		{ " 5\r\n", -1, 0 },
		{ "5\n", -1, 0 },
		{ "5;a\n", -1, 0 },
		{ "5;\x01\r\n", -1, 0 },
		{ "100000000\r\n", -1, 0 },
		{ "5 junk\r\n", -1, 0 },
	};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t size = 0;
		assert_int_equal(
		    head_scan_chunk(sizes[i].line, strlen(sizes[i].line), &size), sizes[i].length);
		assert_true(size == sizes[i].size);
	}
	static const struct {
		const char *line;
		int length;
	} trailers[] = {
		{ "\r\n", 2 },
		{ "A: b\r\n", 6 },
		{ "A", 0 },
		{ "\r", 0 },
		{ "A\r\n", -1 },
		{ " A: b\r\n", -1 },
		{ "A: b\n", -1 },
		{ "A : b\r\n", -1 },
	};
	for (size_t i = 0; i < sizeof(trailers) / sizeof(trailers[0]); i++) {
		bool last = false;
		assert_int_equal(
		    head_scan_trailer(trailers[i].line, strlen(trailers[i].line), &last),
		    trailers[i].length);
		assert_int_equal(last, i == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_chunks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
