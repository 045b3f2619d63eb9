/* event: field by field, where nothing has to be there, or to be of the type that it should be. */
#include "event.h"

#include <errno.h>
#include <string.h>

/* Types of messages that people write; the others say that somebody has joined, pinned, boosted … */
#define TYPE_DEFAULT 0
#define TYPE_REPLY   19

static struct agentd_text text_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	return json_is_string(value)
		   ? agentd_text(json_string_value(value), json_string_length(value))
		   : agentd_text(NULL, 0);
}

static struct agentd_text id_of(const json_t *object, const char *key)
{
	struct agentd_text id = text_of(object, key);
	return discord_is_id(id) ? id : agentd_text(NULL, 0);
}

/* As much of it as a name may have, in whole characters. */
static struct agentd_text clipped(struct agentd_text text)
{
	if (text.n <= DISCORD_NAME_MAX)
		return text;
	text.n = DISCORD_NAME_MAX;
	while (text.n && ((unsigned char)text.p[text.n] & 0xc0) == 0x80)
		text.n--;
	return text;
}

static bool starts_with(struct agentd_text text, const char *start)
{
	size_t n = strlen(start);
	return text.n >= n && memcmp(text.p, start, n) == 0;
}

bool discord_is_id(struct agentd_text text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
	return text.n > 0 && text.n <= DISCORD_ID_MAX;
}

int discord_event_read(struct agentd_text text, struct discord_event *ret_event)
{
	json_t *root = json_loadb(text.p ? text.p : "", text.n, JSON_ALLOW_NUL, NULL);
	const json_t *op = json_object_get(root, "op");
	if (!json_is_integer(op)) {
		json_decref(root);
		return -EINVAL;
	}
	const char *name = json_string_value(json_object_get(root, "t"));
	*ret_event = (struct discord_event){
		.root = root,
		.op = json_integer_value(op),
		.sequence = json_integer_value(json_object_get(root, "s")),
		.name = name ? name : "",
		.data = json_object_get(root, "d"),
	};
	return 0;
}

/* Is it one of the list, or is there none? An empty id is in no list. */
static bool ids_allow(const struct discord_ids *ids, struct agentd_text id)
{
	for (size_t i = 0; i < ids->count; i++)
		if (strlen(ids->ids[i]) == id.n && memcmp(ids->ids[i], id.p, id.n) == 0)
			return true;
	return ids->count == 0;
}

static bool author_is_welcome(const json_t *data, const struct discord_rules *rules)
{
	const json_t *author = json_object_get(data, "author");
	struct agentd_text id = id_of(author, "id");
	if (id.n == 0 ||
	    (id.n == strlen(rules->self_id) && memcmp(id.p, rules->self_id, id.n) == 0))
		return false;
	bool is_bot = json_is_true(json_object_get(author, "bot")) || text_of(data, "webhook_id").n;
	return !is_bot || rules->respond_to_bots;
}

static bool is_written_by_people(const json_t *data)
{
	json_int_t type = json_integer_value(json_object_get(data, "type"));
	return type == TYPE_DEFAULT || type == TYPE_REPLY;
}

/* As Discord's own client shows them: the server's nick, else the account's name for people, else its name. */
static struct agentd_text name_of(const json_t *data)
{
	const json_t *author = json_object_get(data, "author");
	struct agentd_text name = text_of(json_object_get(data, "member"), "nick");
	if (name.n == 0)
		name = text_of(author, "global_name");
	if (name.n == 0)
		name = text_of(author, "username");
	return clipped(name);
}

static struct agentd_text without_space(struct agentd_text text)
{
	while (text.n && memchr(" \t\r\n", text.p[0], 4))
		text.p++, text.n--;
	return text;
}

static const struct kind {
	const char *mime_type; /* begins so */
	uint32_t type;
} kinds[] = {
	{ "image/", AGENTD_IMAGE },
	{ "audio/", AGENTD_AUDIO },
	{ "video/", AGENTD_VIDEO },
};

/*
 * The URL of Discord's CDN may go to a provider of models: it holds no token of the bot, but a signature
 * for this one file, which ends after about a day.
 */
static bool attachment_read(const json_t *json, struct agentd_attachment *ret)
{
	struct agentd_text url = text_of(json, "url"), mime = text_of(json, "content_type");
	json_int_t bytes = json_integer_value(json_object_get(json, "size"));
	if (!starts_with(url, "https://") && !starts_with(url, "http://"))
		return false;
	*ret = (struct agentd_attachment){
		.type = AGENTD_FILE,
		.bytes = bytes > 0 ? (uint64_t)bytes : 0,
		.name = clipped(text_of(json, "filename")),
		.mime_type = mime.n <= DISCORD_NAME_MAX ? mime : agentd_text(NULL, 0),
		.url = url,
	};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (starts_with(ret->mime_type, kinds[i].mime_type))
			ret->type = kinds[i].type;
	return true;
}

static size_t attachments_read(const json_t *data, struct agentd_attachment *ret)
{
	const json_t *list = json_object_get(data, "attachments");
	size_t count = 0;
	for (size_t i = 0; i < json_array_size(list) && count < DISCORD_ATTACHMENTS; i++)
		count += attachment_read(json_array_get(list, i), &ret[count]);
	return count;
}

bool discord_message_read(
    const json_t *data, const struct discord_rules *rules, struct discord_message *ret)
{
	struct agentd_text id = id_of(data, "id"), channel = id_of(data, "channel_id");
	struct agentd_text text = text_of(data, "content");
	if (id.n == 0 || channel.n == 0 || !is_written_by_people(data) ||
	    !author_is_welcome(data, rules))
		return false;
	/* A direct message has no guild, so that a list of guilds leaves it out. */
	if (!ids_allow(&rules->guilds, id_of(data, "guild_id")) ||
	    !ids_allow(&rules->channels, channel))
		return false;
	if (rules->command_prefix) {
		if (!starts_with(text, rules->command_prefix))
			return false;
		size_t n = strlen(rules->command_prefix);
		text = without_space(agentd_text(text.p + n, text.n - n));
	}
	size_t attachments = attachments_read(data, ret->attachments);
	if (text.n == 0 && attachments == 0)
		return false;
	ret->incoming = (struct agentd_incoming){
		.size = sizeof(ret->incoming),
		.key = id,
		.user_id = id_of(json_object_get(data, "author"), "id"),
		.user_name = name_of(data),
		.chat_id = channel,
		.message_id = id,
		.reply_to = id_of(json_object_get(data, "message_reference"), "message_id"),
		.text = text,
		.attachments = ret->attachments,
		.attachment_count = attachments,
		.attachment_size = sizeof(ret->attachments[0]),
	};
	return true;
}
