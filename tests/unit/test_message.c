/* message, attachment: what is believed of an interface's frame, what the store keeps of it, and what hosts get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/message.h"
#include "daemon/chat/message.h"
#include "daemon/run/attachment.h"

#define FOLDER "/spool/in-tel"

struct file {
	uint32_t type;
	struct frame_text name, mime_type, path, url;
};

/* A SUBMIT, as given; the fields that are not are "k", "u", "", "c", "", "", "hi", "". */
struct given {
	struct frame_text fields[8];
	const struct file *files;
	size_t file_count;
};

#define TEXT(literal) ((struct frame_text){ (literal), sizeof(literal) - 1 })

static void put(struct frame_writer *writer, struct frame_text text)
{
	frame_put_text(writer, text.p ? text.p : "", text.n);
}

static struct frame make(struct buf *bytes, const struct given *given)
{
	static const char *const usual[] = { "k", "u", "", "c", "", "", "hi", "" };
	struct frame_writer writer = frame_begin(bytes, MESSAGE_SUBMIT, 1);
	struct frame frame;
	size_t used;
	for (size_t i = 0; i < 8; i++)
		put(&writer, given->fields[i].p
				 ? given->fields[i]
				 : (struct frame_text){ usual[i], strlen(usual[i]) });
	frame_put_u32(&writer, (uint32_t)given->file_count);
	for (size_t i = 0; i < given->file_count; i++) {
		frame_put_u32(&writer, given->files[i].type);
		frame_put_u64(&writer, 7);
		put(&writer, given->files[i].name);
		put(&writer, given->files[i].mime_type);
		put(&writer, given->files[i].path);
		put(&writer, given->files[i].url);
	}
	assert_int_equal(frame_end(&writer), 0);
	assert_int_equal(frame_read(bytes->data, bytes->length, &frame, &used), 1);
	return frame;
}

static void assert_refused(struct given given)
{
	struct buf bytes = { 0 };
	struct frame frame = make(&bytes, &given);
	struct message message;
	size_t left_out;
	assert_int_equal(message_read(&frame, FOLDER, &message, &left_out), -EPROTO);
	buf_done(&bytes);
}

/* As the store has it, after it was read back. */
static void assert_kept(struct given given, size_t expected_left_out, const char *expected)
{
	struct buf bytes = { 0 }, body = { 0 }, again = { 0 };
	struct frame frame = make(&bytes, &given);
	struct message message, read;
	size_t left_out = 0;
	assert_int_equal(message_read(&frame, FOLDER, &message, &left_out), 0);
	assert_int_equal(left_out, expected_left_out);
	assert_int_equal(message_encode(&message, &body), 0);
	assert_int_equal(message_decode((struct frame_text){ body.data, body.length }, &read), 0);
	assert_int_equal(message_encode(&read, &again), 0);
	buf_add(&again, "", 1);
	assert_string_equal(again.data, expected);
	message_done(&message);
	message_done(&read);
	buf_done(&bytes);
	buf_done(&body);
	buf_done(&again);
}

/* All that was said comes back, also a NUL in it; what is no UTF-8 is made some. */
static void test_what_is_kept(void **state)
{
	(void)state;
	assert_kept(
	    (struct given){ 0 }, 0, "{\"user_id\":\"u\",\"chat_id\":\"c\",\"text\":\"hi\"}");
	assert_kept((struct given){ .fields = { TEXT("k\0"), TEXT("ann"), TEXT("@ann"), TEXT("c1"),
					TEXT("m1"), TEXT("m0"), TEXT("a\0\xff"), TEXT("{}") } },
	    0,
	    "{\"user_id\":\"ann\",\"user_name\":\"@ann\",\"chat_id\":\"c1\",\"message_id\":\"m1\","
	    "\"reply_to\":\"m0\",\"text\":\"a\\u0000\xef\xbf\xbd\",\"raw\":\"{}\"}");
}

/* What no interface of this build would send. */
static void test_what_is_refused(void **state)
{
	(void)state;
	char text[MESSAGE_ID_MAX + 1];
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < 6; i++) {
		struct given given = { 0 };
		given.fields[i] = (struct frame_text){ text, sizeof(text) };
		assert_refused(given);
		given.fields[i] = TEXT("a\0b");
		if (i > 0) /* a key is bytes */
			assert_refused(given);
		given.fields[i] = TEXT("");
		if (i == 0 || i == 1 || i == 3)
			assert_refused(given);
	}
	char *large = calloc(1, MESSAGE_SUBMIT_MAX + 1);
	struct given given = { 0 };
	given.fields[6] = (struct frame_text){ large, MESSAGE_SUBMIT_MAX };
	given.fields[7] = TEXT("x");
	assert_refused(given);
	free(large);
	static const struct file files[MESSAGE_ATTACHMENTS_MAX + 1];
	assert_refused((struct given){ .files = files, .file_count = MESSAGE_ATTACHMENTS_MAX + 1 });
}

/* Files of its own folder, and URLs of the web; each is one or the other. */
static void test_which_attachments(void **state)
{
	(void)state;
	static const struct file files[] = {
		{ .type = 1, .name = TEXT("a.png"), .path = TEXT(FOLDER "/0192") },
		{ .mime_type = TEXT("text/plain"), .url = TEXT("https://example.com/") },
		{ .path = TEXT("/etc/passwd") },
		{ .path = TEXT(FOLDER) },
		{ .path = TEXT(FOLDER "/") },
		{ .path = TEXT(FOLDER "/..") },
		{ .path = TEXT(FOLDER "/.hidden") },
		{ .path = TEXT(FOLDER "/a/b") },
		{ .path = TEXT(FOLDER "/../in-dc/x") },
		{ .path = TEXT(FOLDER "x/y") },
		{ .path = TEXT(FOLDER "/a\0b") },
		{ .path = TEXT(FOLDER "/a\xff") },
		{ .path = TEXT(FOLDER "/a"), .url = TEXT("https://example.com/") },
		{ .name = TEXT("neither") },
		{ .url = TEXT("file:///etc/passwd") },
		{ .url = TEXT("https://") },
		{ .url = TEXT("https://a\0b/") },
		{ .type = 4, .url = TEXT("https://example.com/") },
	};
	size_t count = sizeof(files) / sizeof(files[0]);
	assert_kept((struct given){ .files = files, .file_count = count }, count - 2,
	    "{\"user_id\":\"u\",\"chat_id\":\"c\",\"text\":\"hi\",\"attachments\":["
	    "{\"type\":\"image\",\"name\":\"a.png\",\"bytes\":7,\"path\":\"" FOLDER "/0192\"},"
	    "{\"type\":\"file\",\"mime_type\":\"text/plain\",\"bytes\":7,"
	    "\"url\":\"https://example.com/\"}]}");
}

/* What a platform calls a file is nobody's fault. */
static void test_names_of_attachments(void **state)
{
	(void)state;
	static const struct file file = {
		.name = TEXT("a\0b\xff\".txt"), .mime_type = TEXT("t\0"), .url = TEXT("http://h")
	};
	assert_kept((struct given){ .files = &file, .file_count = 1 }, 0,
	    "{\"user_id\":\"u\",\"chat_id\":\"c\",\"text\":\"hi\",\"attachments\":["
	    "{\"type\":\"file\",\"name\":\"a_b\xef\xbf\xbd\\\".txt\",\"mime_type\":\"t_\","
	    "\"bytes\":7,\"url\":\"http://h\"}]}");
}

/* Attachments are the same when they have gone through a frame. */
static void test_through_a_frame(void **state)
{
	(void)state;
	static const char json[] = "[{\"type\":\"video\",\"name\":\"v\",\"bytes\":9,"
				   "\"path\":\"" FOLDER "/v\"},"
				   "{\"type\":\"file\",\"url\":\"http://h\"}]";
	struct buf bytes = { 0 }, again = { 0 };
	struct frame_writer writer = frame_begin(&bytes, MESSAGE_SEND, 1);
	struct frame frame;
	size_t used, left_out;
	attachments_put(&writer, TEXT(json));
	attachments_put(&writer, TEXT("{\"no\":\"array\"}"));
	assert_int_equal(frame_end(&writer), 0);
	assert_int_equal(frame_read(bytes.data, bytes.length, &frame, &used), 1);
	struct frame_cursor cursor = frame_fields(&frame);
	assert_int_equal(attachments_read(&cursor, FOLDER, &again, &left_out), 0);
	assert_int_equal(left_out, 0);
	buf_add(&again, "", 1);
	assert_string_equal(again.data, json);
	again.length = 0;
	assert_int_equal(attachments_read(&cursor, FOLDER, &again, &left_out), 0);
	assert_int_equal(again.length, 0);
	assert_int_equal(frame_end_fields(&cursor), 0);
	buf_done(&bytes);
	buf_done(&again);
}

/* A body that is none is told from memory that is out: the first is left out, the second tried again. */
static void test_what_is_no_message(void **state)
{
	(void)state;
	struct message message;
	assert_int_equal(message_decode(TEXT("[]"), &message), -EINVAL);
	assert_int_equal(message_decode(TEXT("{"), &message), -EINVAL);
	assert_int_equal(message_decode((struct frame_text){ 0 }, &message), -EINVAL);
}

static bool memory_is_out;

static void *allocate(size_t size)
{
	return memory_is_out ? NULL : malloc(size);
}

static void test_no_memory(void **state)
{
	(void)state;
	struct message message;
	json_set_alloc_funcs(allocate, free);
	memory_is_out = true;
	assert_int_equal(
	    message_decode(TEXT("{\"user_id\":\"u\",\"chat_id\":\"c\"}"), &message), -ENOMEM);
	memory_is_out = false;
	json_set_alloc_funcs(malloc, free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_kept),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_which_attachments),
		cmocka_unit_test(test_names_of_attachments),
		cmocka_unit_test(test_through_a_frame),
		cmocka_unit_test(test_what_is_no_message),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
