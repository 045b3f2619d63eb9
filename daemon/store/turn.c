/* turn: the body of a frame without its head. */
#include "daemon/store/turn.h"

#include <errno.h>
#include <string.h>

#define TEXTS 4

/* Stand for "user" with the input, and "assistant" with the content. */
static const struct frame_text input_role = { "USER", 4 }, content_role = { "ASSISTANT", 9 };

static bool same(struct frame_text a, struct frame_text b)
{
	return a.p && b.p && a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

static void encode_message(
    struct frame_writer *writer, const struct store_message *message, const struct store_run *run)
{
	struct frame_text texts[TEXTS] = { message->role, message->content, message->tool_calls,
		message->tool_call_id };
	const struct frame_text user = { "user", 4 }, assistant = { "assistant", 9 };
	if (same(message->role, user) && same(message->content, run->input)) {
		texts[0] = input_role;
		texts[1] = (struct frame_text){ 0 };
	} else if (same(message->role, assistant) && same(message->content, run->content)) {
		texts[0] = content_role;
		texts[1] = (struct frame_text){ 0 };
	}
	for (int i = 0; i < TEXTS; i++)
		frame_put_text(writer, texts[i].p, texts[i].n);
}

void turn_encode(struct buf *out, const struct store_run *run)
{
	struct frame_writer writer = { .out = out };
	frame_put_u32(&writer, (uint32_t)run->message_count);
	for (size_t i = 0; i < run->message_count; i++)
		encode_message(&writer, &run->messages[i], run);
}

int turn_decode(struct frame_text bytes, struct frame_text input, struct frame_text content,
    struct store_message *messages)
{
	struct frame frame = { .body = bytes.p, .length = bytes.n };
	struct frame_cursor cursor = frame_fields(&frame);
	uint32_t count = frame_get_count(&cursor, TEXTS * sizeof(uint32_t));
	for (uint32_t i = 0; i < count && !cursor.bad; i++) {
		struct frame_text texts[TEXTS];
		for (int j = 0; j < TEXTS; j++)
			texts[j] = frame_get_text(&cursor);
		if (!messages)
			continue;
		messages[i] = (struct store_message){ .role = texts[0],
			.content = texts[1],
			.tool_calls = texts[2],
			.tool_call_id = texts[3] };
		if (same(texts[0], input_role)) {
			messages[i].role = (struct frame_text){ "user", 4 };
			messages[i].content = input;
		} else if (same(texts[0], content_role)) {
			messages[i].role = (struct frame_text){ "assistant", 9 };
			messages[i].content = content;
		}
	}
	return frame_end_fields(&cursor) < 0 ? -EBADMSG : (int)count;
}
