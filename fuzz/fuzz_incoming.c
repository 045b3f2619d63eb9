/*
 * fuzz_incoming: any bytes as what an interface submits.
 *
 * What must hold: it is a message, or a broken frame, and never a lack of memory; ids are bounded, and have no NUL in
 * them; all text is UTF-8; files lie in the interface's own folder; what the store keeps is the same message again;
 * and its attachments are the same when they have gone through a frame, and none is lost on the way.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/message.h"
#include "daemon/chat/message.h"
#include "daemon/run/attachment.h"

#define FOLDER "/spool/in-tel"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_text(struct frame_text text)
{
	check(text.n == 0 || utf8_is_good(text.p, text.n));
}

/* A byte that is none of UTF-8 becomes three. */
static void check_id(const char *id, bool required)
{
	size_t n = strlen(id);
	check(n <= 3 * MESSAGE_ID_MAX && (n || !required));
	check_text((struct frame_text){ id, n });
}

static void check_path(void *arg, const char *path, uint64_t bytes)
{
	(void)arg;
	(void)bytes;
	size_t n = strlen(FOLDER);
	check(strncmp(path, FOLDER "/", n + 1) == 0);
	check(path[n + 1] && path[n + 1] != '.' && !strchr(path + n + 1, '/'));
}

/* The same, but for how its texts are escaped. */
static bool is_same(const struct buf *a, const struct buf *b)
{
	json_t *one = json_loadb(a->data, a->length, 0, NULL);
	json_t *other = json_loadb(b->data, b->length, 0, NULL);
	bool same = a->length == 0 ? b->length == 0 : json_equal(one, other);
	json_decref(one);
	json_decref(other);
	return same;
}

/* Bad bytes of a name become three each: then it is one that no interface may give, but that hosts take. */
static bool has_long_name(const struct message *message)
{
	const json_t *array = json_object_get(message->all, "attachments"), *one;
	size_t i;
	json_array_foreach (array, i, one)
		if (json_string_length(json_object_get(one, "name")) > MESSAGE_ID_MAX ||
		    json_string_length(json_object_get(one, "mime_type")) > MESSAGE_ID_MAX)
			return true;
	return false;
}

static void check_attachments(const struct message *message)
{
	struct buf json = { 0 }, out = { 0 }, again = { 0 };
	size_t left_out;
	check(message_attachments(message, &json) == 0);
	struct frame_text text = { json.data, json.length };
	attachments_paths(text, check_path, NULL);
	struct frame_writer writer = frame_begin(&out, MESSAGE_SUBMIT, 1);
	attachments_put(&writer, text);
	check(frame_end(&writer) == 0);
	struct frame frame;
	size_t used;
	check(frame_read(out.data, out.length, &frame, &used) == 1);
	struct frame_cursor cursor = frame_fields(&frame);
	check(attachments_read(&cursor, FOLDER, &again, &left_out) == 0);
	check(frame_end_fields(&cursor) == 0);
	check(has_long_name(message) || (left_out == 0 && is_same(&json, &again)));
	buf_done(&json);
	buf_done(&out);
	buf_done(&again);
}

static void check_message(const struct message *message)
{
	struct buf body = { 0 };
	struct message again;
	check(message->key.n > 0 && message->key.n <= MESSAGE_ID_MAX);
	check_id(message->user_id, true);
	check_id(message->user_name, false);
	check_id(message->chat_id, true);
	check_id(message->message_id, false);
	check_id(message->reply_to, false);
	check_text(message->text);
	check_text(message->raw);
	check_attachments(message);
	check(message_encode(message, &body) == 0);
	check(message_decode((struct frame_text){ body.data, body.length }, &again) == 0);
	check(json_equal(message->all, again.all));
	message_done(&again);
	buf_done(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame frame = {
		.type = MESSAGE_SUBMIT, .run = 1, .body = (const char *)data, .length = size
	};
	struct message message;
	size_t left_out = 0;
	int error = message_read(&frame, FOLDER, &message, &left_out);
	check(error == 0 || error == -EPROTO);
	if (error < 0)
		return 0;
	check(left_out <= MESSAGE_ATTACHMENTS_MAX);
	check_message(&message);
	message_done(&message);
	return 0;
}
