/* chat: fields in the order that message.h gives. */
#include "host/chat.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/message.h"
#include "daemon/base/sync.h"

struct agentd_text chat_get_text(struct frame_cursor *cursor)
{
	struct frame_text text = frame_get_text(cursor);
	return (struct agentd_text){ text.p, text.n };
}

void chat_put_text(struct frame_writer *writer, struct agentd_text text)
{
	frame_put_text(writer, text.p ? text.p : "", text.p ? text.n : 0);
}

struct agentd_attachment *chat_get_attachments(struct frame_cursor *cursor, size_t *ret_count)
{
	uint32_t count = frame_get_count(cursor, MESSAGE_ATTACHMENT_LEAST);
	struct agentd_attachment *rows = calloc((size_t)count + 1, sizeof(*rows));
	for (uint32_t i = 0; rows && i < count; i++) {
		rows[i].type = frame_get_u32(cursor);
		rows[i].bytes = frame_get_u64(cursor);
		rows[i].name = chat_get_text(cursor);
		rows[i].mime_type = chat_get_text(cursor);
		rows[i].path = chat_get_text(cursor);
		rows[i].url = chat_get_text(cursor);
	}
	*ret_count = count;
	return rows;
}

struct agentd_attachment chat_attachment_at(
    const struct agentd_attachment *rows, size_t i, size_t row_size)
{
	struct agentd_attachment one = { 0 };
	size_t step = row_size ? row_size : sizeof(one);
	memcpy(&one, (const char *)rows + i * step, step < sizeof(one) ? step : sizeof(one));
	return one;
}

void chat_put_attachments(struct frame_writer *writer, const struct agentd_attachment *rows,
    size_t count, size_t row_size)
{
	frame_put_u32(writer, rows ? (uint32_t)count : 0);
	for (size_t i = 0; rows && i < count; i++) {
		struct agentd_attachment one = chat_attachment_at(rows, i, row_size);
		frame_put_u32(writer, one.type);
		frame_put_u64(writer, one.bytes);
		chat_put_text(writer, one.name);
		chat_put_text(writer, one.mime_type);
		chat_put_text(writer, one.path);
		chat_put_text(writer, one.url);
	}
}

int chat_sync_files(const struct agentd_attachment *rows, size_t count, size_t row_size)
{
	int error = 0;
	for (size_t i = 0; rows && i < count && error == 0; i++) {
		struct agentd_text path = chat_attachment_at(rows, i, row_size).path;
		char *name = path.n ? strndup(path.p, path.n) : NULL;
		if (path.n)
			error = name ? sync_file(name) : -ENOMEM;
		free(name);
	}
	bool is_none = error == -ENOENT || error == -ENOTDIR || error == -ELOOP;
	return is_none ? -EINVAL : error;
}

int chat_get_incoming(struct frame_cursor *cursor, struct agentd_incoming *ret)
{
	struct agentd_incoming message = { .size = sizeof(message),
		.attachment_size = sizeof(struct agentd_attachment) };
	message.key = chat_get_text(cursor);
	message.user_id = chat_get_text(cursor);
	message.user_name = chat_get_text(cursor);
	message.chat_id = chat_get_text(cursor);
	message.message_id = chat_get_text(cursor);
	message.reply_to = chat_get_text(cursor);
	message.text = chat_get_text(cursor);
	message.raw = chat_get_text(cursor);
	message.attachments = chat_get_attachments(cursor, &message.attachment_count);
	if (!message.attachments)
		return -ENOMEM;
	*ret = message;
	return 0;
}

void chat_put_incoming(struct frame_writer *writer, const struct agentd_incoming *message)
{
	chat_put_text(writer, message->key);
	chat_put_text(writer, message->user_id);
	chat_put_text(writer, message->user_name);
	chat_put_text(writer, message->chat_id);
	chat_put_text(writer, message->message_id);
	chat_put_text(writer, message->reply_to);
	chat_put_text(writer, message->text);
	chat_put_text(writer, message->raw);
	chat_put_attachments(
	    writer, message->attachments, message->attachment_count, message->attachment_size);
}
