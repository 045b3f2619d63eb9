/* update: the one message of an update, and the one file of a message. */
#include "plugins/telegram/update.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "plugins/common/split.h"

#define NAME_BYTES 255 /* agentd takes 256 of an id or a name */

/* Files by the field of a message. Telegram sends an animation as a document, too. */
static const struct {
	const char *field;
	uint32_t type;
	const char *mime_type; /* if it does not say */
} kinds[] = {
	{ "voice", AGENTD_AUDIO, "audio/ogg" },
	{ "audio", AGENTD_AUDIO, "audio/mpeg" },
	{ "video", AGENTD_VIDEO, "video/mp4" },
	{ "video_note", AGENTD_VIDEO, "video/mp4" },
	{ "document", AGENTD_FILE, "application/octet-stream" },
};

static bool get_id(const json_t *object, const char *key, int64_t *ret)
{
	const json_t *value = json_object_get(object, key);
	if (!json_is_integer(value))
		return false;
	*ret = json_integer_value(value);
	return true;
}

/* A string without a NUL in it, of a length that agentd takes; else NULL. */
static const char *get_name(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	size_t n = json_string_length(value);
	const char *text = json_string_value(value);
	return text && n && n <= NAME_BYTES && strlen(text) == n ? text : NULL;
}

static struct agentd_text get_text(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	return agentd_text(json_string_value(value), json_string_length(value));
}

static uint64_t get_size(const json_t *object)
{
	int64_t size;
	return get_id(object, "file_size", &size) && size > 0 ? (uint64_t)size : 0;
}

static bool allows(const int64_t *ids, size_t count, int64_t id)
{
	for (size_t i = 0; i < count; i++)
		if (ids[i] == id)
			return true;
	return count == 0;
}

int telegram_update_id(const json_t *update, int64_t *ret_id)
{
	int64_t id;
	/* One more must be a number, too. */
	if (!get_id(update, "update_id", &id) || id < 0 || id == INT64_MAX)
		return -EINVAL;
	*ret_id = id;
	return 0;
}

/* The largest of a photo's sizes. */
static const json_t *largest(const json_t *sizes)
{
	const json_t *best = NULL;
	for (size_t i = 0; i < json_array_size(sizes); i++) {
		const json_t *one = json_array_get(sizes, i);
		if (get_name(one, "file_id") && (!best || get_size(one) >= get_size(best)))
			best = one;
	}
	return best;
}

static void read_file(const json_t *message, struct telegram_file *file)
{
	const json_t *photo = largest(json_object_get(message, "photo"));
	if (photo) {
		*file = (struct telegram_file){ AGENTD_IMAGE, get_name(photo, "file_id"), NULL,
			"image/jpeg", get_size(photo) };
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const json_t *one = json_object_get(message, kinds[i].field);
		const char *id = get_name(one, "file_id"), *mime_type = get_name(one, "mime_type");
		if (!id)
			continue;
		*file = (struct telegram_file){ kinds[i].type, id, get_name(one, "file_name"),
			mime_type ? mime_type : kinds[i].mime_type, get_size(one) };
		return;
	}
}

/* "@ann", or "Ann" of who has no such name. */
static void read_user_name(const json_t *from, struct telegram_message *message)
{
	const char *name = get_name(from, "username");
	const char *first = name ? name : get_name(from, "first_name");
	struct agentd_text text = agentd_text(first ? first : "", first ? strlen(first) : 0);
	int n = (int)(text.n ? split_fit(text, NAME_BYTES, SPLIT_BYTES) : 0);
	snprintf(
	    message->user_name, sizeof(message->user_name), "%s%.*s", name ? "@" : "", n, text.p);
}

/* Who wrote it: a person, or a channel or group that writes as itself. */
static bool read_user(const json_t *json, struct telegram_message *message)
{
	const json_t *from = json_object_get(json, "from");
	read_user_name(from, message);
	return get_id(from, "id", &message->user_id) ||
	       get_id(json_object_get(json, "sender_chat"), "id", &message->user_id);
}

static void read_text(const json_t *json, struct telegram_message *message)
{
	message->text = get_text(json, "text");
	if (!message->text.n)
		message->text = get_text(json, "caption");
	if (!message->text.n)
		message->text = get_text(json_object_get(json, "sticker"), "emoji");
}

int telegram_update_read(
    const json_t *update, const struct telegram_rules *rules, struct telegram_message *ret_message)
{
	struct telegram_message message = { 0 };
	const json_t *json = json_object_get(update, "message");
	if (telegram_update_id(update, &message.update_id) < 0)
		return -EINVAL;
	if (!json && rules->answer_edits)
		json = json_object_get(update, "edited_message");
	if (!get_id(json, "message_id", &message.message_id) ||
	    !get_id(json_object_get(json, "chat"), "id", &message.chat_id))
		return 0;
	bool known = read_user(json, &message);
	if ((rules->user_count && !known) ||
	    !allows(rules->user_ids, rules->user_count, message.user_id) ||
	    !allows(rules->chat_ids, rules->chat_count, message.chat_id))
		return -EPERM;
	if (!known)
		message.user_id = message.chat_id;
	read_text(json, &message);
	read_file(json, &message.file);
	get_id(json_object_get(json, "reply_to_message"), "message_id", &message.reply_to);
	if (json_is_true(json_object_get(json, "is_topic_message"))) /* else it is of comments */
		get_id(json, "message_thread_id", &message.thread);
	if (!message.text.n && !message.file.id)
		return 0;
	*ret_message = message;
	return 1;
}
