/* message: one JSON object for each, with a member for each field that is not empty. */
#include "daemon/chat/message.h"

#include <errno.h>
#include <string.h>

#include "daemon/base/message.h"
#include "daemon/run/attachment.h"
#include "daemon/run/spool.h"

static const char *str(const json_t *all, const char *key)
{
	const char *text = json_string_value(json_object_get(all, key));
	return text ? text : "";
}

static struct frame_text text_of(const json_t *all, const char *key)
{
	const json_t *text = json_object_get(all, key);
	const char *p = json_string_value(text);
	return (struct frame_text){ p ? p : "", json_string_length(text) };
}

static void point(struct message *message)
{
	message->user_id = str(message->all, "user_id");
	message->user_name = str(message->all, "user_name");
	message->chat_id = str(message->all, "chat_id");
	message->message_id = str(message->all, "message_id");
	message->reply_to = str(message->all, "reply_to");
	message->text = text_of(message->all, "text");
	message->raw = text_of(message->all, "raw");
}

/* Reading. */

static int set_text(json_t *all, const char *key, struct frame_text text)
{
	struct buf clean = { 0 };
	if (!text.n)
		return 0;
	buf_add_utf8(&clean, NULL, text.p, text.n);
	json_t *value = clean.failed ? NULL : json_stringn_nocheck(clean.data, clean.length);
	buf_done(&clean);
	return json_object_set_new_nocheck(all, key, value) < 0 ? -ENOMEM : 0;
}

/* An id or a name: bounded, without a NUL. */
static int set_id(json_t *all, const char *key, struct frame_text text, bool required)
{
	if (text.n > MESSAGE_ID_MAX || (required && !text.n) ||
	    (text.n && memchr(text.p, '\0', text.n)))
		return -EPROTO;
	return set_text(all, key, text);
}

static int set_attachments(
    json_t *all, struct frame_cursor *cursor, const char *folder, size_t *ret_left_out)
{
	struct buf json = { 0 };
	int error = attachments_read(cursor, folder, &json, ret_left_out);
	json_t *array =
	    error == 0 && json.length ? json_loadb(json.data, json.length, 0, NULL) : NULL;
	if (error == 0 && json.length && json_object_set_new(all, "attachments", array) < 0)
		error = -ENOMEM;
	buf_done(&json);
	return error;
}

static const struct {
	const char *key;
	bool required;
} ids[] = {
	{ "user_id", true },
	{ "user_name", false },
	{ "chat_id", true },
	{ "message_id", false },
	{ "reply_to", false },
};

static int read_fields(
    struct frame_cursor *cursor, const char *folder, struct message *message, size_t *left_out)
{
	int error = 0;
	message->key = frame_get_text(cursor);
	if (!message->key.n || message->key.n > MESSAGE_ID_MAX)
		return -EPROTO;
	for (size_t i = 0; error == 0 && i < sizeof(ids) / sizeof(ids[0]); i++)
		error = set_id(message->all, ids[i].key, frame_get_text(cursor), ids[i].required);
	struct frame_text text = frame_get_text(cursor), raw = frame_get_text(cursor);
	if (text.n + raw.n > MESSAGE_SUBMIT_MAX)
		return -EPROTO;
	if (error == 0)
		error = set_text(message->all, "text", text);
	if (error == 0)
		error = set_text(message->all, "raw", raw);
	if (error == 0)
		error = set_attachments(message->all, cursor, folder, left_out);
	return error == 0 ? frame_end_fields(cursor) : error;
}

int message_read(
    const struct frame *frame, const char *folder, struct message *ret, size_t *ret_left_out)
{
	struct frame_cursor cursor = frame_fields(frame);
	struct message message = { .all = json_object() };
	int error = message.all ? read_fields(&cursor, folder, &message, ret_left_out) : -ENOMEM;
	if (error < 0) {
		json_decref(message.all);
		return error;
	}
	point(&message);
	*ret = message;
	return 0;
}

/* The store. */

int message_encode(const struct message *message, struct buf *out)
{
	char *text = json_dumps(message->all, JSON_COMPACT);
	buf_add_str(out, text ? text : "");
	free(text);
	return text && !out->failed ? 0 : -ENOMEM;
}

int message_decode(struct frame_text body, struct message *ret)
{
	json_error_t why = { 0 };
	struct message message = { .all = json_loadb(
				       body.p ? body.p : "", body.n, JSON_ALLOW_NUL, &why) };
	if (!json_is_object(message.all)) {
		/* jansson says what is wrong with a text, and nothing if memory was out. */
		int error = message.all || why.text[0] ? -EINVAL : -ENOMEM;
		json_decref(message.all);
		return error;
	}
	point(&message);
	*ret = message;
	return 0;
}

void message_done(struct message *message)
{
	json_decref(message->all);
	*message = (struct message){ 0 };
}

/* Its files, and its fields. */

int message_attachments(const struct message *message, struct buf *out)
{
	const json_t *array = json_object_get(message->all, "attachments");
	char *text = array ? json_dumps(array, JSON_COMPACT) : NULL;
	buf_add_str(out, text ? text : "");
	free(text);
	return (array && !text) || out->failed ? -ENOMEM : 0;
}

static void put(struct frame_writer *writer, struct frame_text text)
{
	frame_put_text(writer, text.p, text.n);
}

void message_put(struct frame_writer *writer, const struct message *message, struct frame_text text)
{
	struct buf attachments = { 0 };
	if (message_attachments(message, &attachments) < 0)
		writer->out->failed = true;
	frame_put_str(writer, ""); /* its key is nobody's business */
	frame_put_str(writer, message->user_id);
	frame_put_str(writer, message->user_name);
	frame_put_str(writer, message->chat_id);
	frame_put_str(writer, message->message_id);
	frame_put_str(writer, message->reply_to);
	put(writer, text);
	put(writer, message->raw);
	attachments_put(writer, (struct frame_text){ attachments.data, attachments.length });
	buf_done(&attachments);
}

bool message_has_files(const struct message *message)
{
	const json_t *array = json_object_get(message->all, "attachments"), *one;
	size_t i;
	json_array_foreach (array, i, one)
		if (json_object_get(one, "path"))
			return true;
	return false;
}

static bool has_path(const struct message *message, const char *path)
{
	const json_t *array = message ? json_object_get(message->all, "attachments") : NULL, *one;
	size_t i;
	json_array_foreach (array, i, one)
		if (strcmp(str(one, "path"), path) == 0)
			return true;
	return false;
}

void message_remove_files(
    const struct message *message, const struct message *but, struct spool *spool)
{
	const json_t *array = json_object_get(message->all, "attachments"), *one;
	size_t i;
	json_array_foreach (array, i, one) {
		const char *path = str(one, "path");
		if (path[0] && !has_path(but, path))
			spool_remove_file(spool, path);
	}
}
