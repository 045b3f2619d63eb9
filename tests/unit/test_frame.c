/* frame: what is written is read back, and what is broken is refused at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/frame.h"

static struct frame whole(const struct buf *out)
{
	struct frame frame;
	size_t used;
	assert_int_equal(frame_read(out->data, out->length, &frame, &used), 1);
	assert_int_equal(used, out->length);
	return frame;
}

/* Every kind of field comes back as it was, absent texts as absent. */
static void test_round_trip(void **state)
{
	(void)state;
	struct buf out = { 0 };
	struct frame_writer writer = frame_begin(&out, 7, 42);
	frame_put_u32(&writer, 0xdeadbeef);
	frame_put_u64(&writer, UINT64_MAX);
	frame_put_i64(&writer, INT64_MIN);
	frame_put_f64(&writer, 0.1);
	frame_put_text(&writer, "a\0b", 3);
	frame_put_str(&writer, "");
	frame_put_str(&writer, NULL);
	frame_put_rest(&writer, "rest", 4);
	assert_int_equal(frame_end(&writer), 0);

	struct frame frame = whole(&out);
	struct frame_cursor cursor = frame_fields(&frame);
	assert_int_equal(frame.type, 7);
	assert_int_equal(frame.run, 42);
	assert_int_equal(frame_get_u32(&cursor), 0xdeadbeef);
	assert_true(frame_get_u64(&cursor) == UINT64_MAX);
	assert_true(frame_get_i64(&cursor) == INT64_MIN);
	assert_true(frame_get_f64(&cursor) == 0.1);
	struct frame_text text = frame_get_text(&cursor);
	assert_int_equal(text.n, 3);
	assert_memory_equal(text.p, "a\0b", 3);
	text = frame_get_text(&cursor);
	assert_non_null(text.p);
	assert_int_equal(text.n, 0);
	assert_null(frame_get_text(&cursor).p);
	assert_int_equal(frame_end_fields(&cursor), -EPROTO); /* "rest" is left over */
	cursor.p += 4;
	assert_int_equal(frame_end_fields(&cursor), 0);
	buf_done(&out);
}

/* Two frames in a row are two frames, and any shorter piece asks for more bytes. */
static void test_pieces(void **state)
{
	(void)state;
	struct buf out = { 0 };
	for (uint64_t run = 1; run <= 2; run++) {
		struct frame_writer writer = frame_begin(&out, 1, run);
		frame_put_str(&writer, "hello");
		assert_int_equal(frame_end(&writer), 0);
	}
	struct frame frame;
	size_t used, first = out.length / 2;
	for (size_t n = 0; n < first; n++)
		assert_int_equal(frame_read(out.data, n, &frame, &used), 0);
	assert_int_equal(frame_read(out.data, out.length, &frame, &used), 1);
	assert_int_equal(used, first);
	assert_int_equal(frame_read(out.data + used, out.length - used, &frame, &used), 1);
	assert_int_equal(frame.run, 2);
	buf_done(&out);
}

/* A cursor cut anywhere turns bad, stays bad, and yields zeros. */
static void test_cut_fields(void **state)
{
	(void)state;
	struct buf out = { 0 };
	struct frame_writer writer = frame_begin(&out, 1, 0);
	frame_put_u32(&writer, 5);
	frame_put_str(&writer, "text");
	frame_put_u64(&writer, 9);
	assert_int_equal(frame_end(&writer), 0);
	struct frame frame = whole(&out);
	for (size_t n = 0; n < frame.length; n++) {
		struct frame cut = frame;
		cut.length = n;
		struct frame_cursor cursor = frame_fields(&cut);
		frame_get_u32(&cursor);
		frame_get_text(&cursor);
		assert_int_equal(frame_get_u64(&cursor), 0);
		assert_int_equal(frame_end_fields(&cursor), -EPROTO);
		assert_int_equal(frame_get_u32(&cursor), 0);
		assert_null(frame_get_text(&cursor).p);
	}
	buf_done(&out);
}

/* A length of 4 GiB, and a head with bits that must be zero, are errors at once: no waiting. */
static void test_bad_heads(void **state)
{
	(void)state;
	struct frame frame;
	size_t used;
	unsigned char head[FRAME_HEAD] = { 0xff, 0xff, 0xff, 0xff, 1, 0 };
	assert_int_equal(frame_read((char *)head, sizeof(head), &frame, &used), -EPROTO);
	unsigned char flags[FRAME_HEAD] = { 0, 0, 0, 0, 1, 0, 1, 0 };
	assert_int_equal(frame_read((char *)flags, sizeof(flags), &frame, &used), -EPROTO);
}

/* A count that the frame cannot hold is bad before anybody asks for memory. */
static void test_counts(void **state)
{
	(void)state;
	struct buf out = { 0 };
	struct frame_writer writer = frame_begin(&out, 1, 0);
	frame_put_u32(&writer, 3);
	frame_put_u32(&writer, 0);
	frame_put_u32(&writer, 0);
	assert_int_equal(frame_end(&writer), 0);
	struct frame frame = whole(&out);
	struct frame_cursor cursor = frame_fields(&frame);
	assert_int_equal(frame_get_count(&cursor, 4), 0);
	assert_true(cursor.bad);
	cursor = frame_fields(&frame);
	assert_int_equal(frame_get_count(&cursor, 2), 3);
	buf_done(&out);
}

/* A C string with a NUL inside is refused: what was checked must be what is used. */
static void test_strings(void **state)
{
	(void)state;
	struct buf out = { 0 };
	struct frame_writer writer = frame_begin(&out, 1, 0);
	frame_put_str(&writer, "good");
	frame_put_text(&writer, "b\0d", 3);
	assert_int_equal(frame_end(&writer), 0);
	struct frame frame = whole(&out);
	struct frame_cursor cursor = frame_fields(&frame);
	char *text = frame_get_str(&cursor);
	assert_string_equal(text, "good");
	free(text);
	assert_null(frame_get_str(&cursor));
	assert_true(cursor.bad);
	buf_done(&out);
}

/* A frame that grows too long is taken out again; those before it stay whole. */
static void test_too_long(void **state)
{
	(void)state;
	struct buf out = { 0 };
	struct frame_writer writer = frame_begin(&out, 1, 1);
	assert_int_equal(frame_end(&writer), 0);
	size_t before = out.length;
	char *text = calloc(1, FRAME_MAX);
	writer = frame_begin(&out, 2, 2);
	frame_put_text(&writer, text, FRAME_MAX);
	assert_int_equal(frame_end(&writer), -EMSGSIZE);
	assert_int_equal(out.length, before);
	assert_int_equal(whole(&out).run, 1);
	free(text);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_cut_fields),
		cmocka_unit_test(test_bad_heads),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
