/* envelope: signal-cli's JSON is read as far as it is needed; whatever has another type than it should is
 * taken as missing. */
#include "envelope.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base64.h"

#define GROUP_PREFIX  "group."
#define GROUP_ID_MAX  180            /* bytes: as a recipient it must be an id itself */
#define RAW_MAX       (64u << 10)    /* bytes; a longer envelope is left out, the message is not */
#define ID_MAX_BYTES  128            /* of a sender: with a timestamp it must be an id */
#define TIMESTAMP_MAX 99999999999999 /* in milliseconds: of the year 5138 */

char *signal_group_recipient(const char *internal_id)
{
	size_t n = strlen(internal_id), prefix = strlen(GROUP_PREFIX);
	char *recipient = calloc(1, prefix + signal_base64_length(n) + 1);
	if (!recipient)
		return NULL;
	memcpy(recipient, GROUP_PREFIX, prefix);
	signal_base64_write(recipient + prefix, internal_id, n);
	return recipient;
}

/* A member that is a text without NULs, and not too long for an id; NULL: it is not. Borrowed. */
static const char *id_of(const json_t *object, const char *key, size_t most)
{
	const json_t *value = json_object_get(object, key);
	size_t n = json_string_length(value);
	if (n == 0 || n > most || strlen(json_string_value(value)) != n)
		return NULL;
	return json_string_value(value);
}

/* The first of them that there is. */
static const char *sender_of(const json_t *object, const char *const *keys)
{
	const char *sender = NULL;
	while (*keys && !sender)
		sender = id_of(object, *keys++, ID_MAX_BYTES);
	return sender;
}

/* A name for people: cut to what fits, before a sequence that does not; without what is behind a NUL. */
static char *name_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	size_t n = strnlen(text ? text : "", SIGNAL_ID_MAX + 1);
	if (n > SIGNAL_ID_MAX)
		for (n = SIGNAL_ID_MAX; n && ((unsigned char)text[n] & 0xc0) == 0x80;)
			n--;
	return strndup(text ? text : "", n);
}

static bool list_has(const struct signal_list *list, const char *id)
{
	for (size_t i = 0; id && i < list->count; i++)
		if (strcmp(list->items[i], id) == 0)
			return true;
	return false;
}

/* All that is given must match. A direct message is in no group, so a list of groups shuts it out. */
static bool allowed(const struct signal_account *account, const json_t *envelope, const char *group,
    const char *chat_id)
{
	static const char *const names[] = { "sourceNumber", "sourceUuid", "source" };
	bool known = account->people.count == 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		known =
		    known || list_has(&account->people, id_of(envelope, names[i], ID_MAX_BYTES));
	if (account->groups.count == 0)
		return known;
	return known && group &&
	       (list_has(&account->groups, group) || list_has(&account->groups, chat_id));
}

static uint32_t attachment_type(const char *mime_type)
{
	static const struct {
		const char *prefix;
		uint32_t type;
	} types[] = {
		{ "image/", AGENTD_IMAGE },
		{ "audio/", AGENTD_AUDIO },
		{ "video/", AGENTD_VIDEO },
	};
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strncasecmp(mime_type, types[i].prefix, strlen(types[i].prefix)) == 0)
			return types[i].type;
	return AGENTD_FILE;
}

static int read_attachments(const json_t *data, struct signal_message *message)
{
	const json_t *list = json_object_get(data, "attachments");
	size_t count = json_array_size(list);
	if (count > SIGNAL_ATTACHMENTS_MAX)
		count = SIGNAL_ATTACHMENTS_MAX;
	message->attachments = calloc(count + 1, sizeof(*message->attachments));
	if (!message->attachments)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const json_t *item = json_array_get(list, i);
		const char *id = id_of(item, "id", SIGNAL_ID_MAX);
		if (!id)
			continue;
		struct signal_attachment *attachment =
		    &message->attachments[message->attachment_count++];
		json_int_t bytes = json_integer_value(json_object_get(item, "size"));
		attachment->id = strdup(id);
		attachment->name = name_of(item, "filename");
		attachment->mime_type = name_of(item, "contentType");
		attachment->bytes = bytes > 0 ? (uint64_t)bytes : 0;
		if (!attachment->id || !attachment->name || !attachment->mime_type)
			return -ENOMEM;
		attachment->type = attachment_type(attachment->mime_type);
	}
	return 0;
}

/* "SENDER:TIMESTAMP"; "" without a time, NULL: memory is out. */
static char *key_new(const char *sender, const json_t *timestamp)
{
	char *key;
	json_int_t ms = json_integer_value(timestamp);
	if (!sender || ms <= 0 || ms > TIMESTAMP_MAX)
		return strdup("");
	return asprintf(&key, "%s:%lld", sender, (long long)ms) < 0 ? NULL : key;
}

static char *raw_new(const json_t *received)
{
	char *raw = json_dumps(received, JSON_COMPACT);
	if (raw && strlen(raw) > RAW_MAX)
		*raw = '\0';
	return raw;
}

/* Fills in what is said. `user` and `chat` are there already. */
static int read_data(const json_t *received, const json_t *envelope, const json_t *data,
    struct signal_message *message)
{
	static const char *const authors[] = { "authorNumber", "authorUuid", "author", NULL };
	const json_t *text = json_object_get(data, "message");
	const json_t *quote = json_object_get(data, "quote");
	const json_t *timestamp = json_object_get(data, "timestamp");
	if (!json_is_integer(timestamp))
		timestamp = json_object_get(envelope, "timestamp");
	message->key = key_new(message->user_id, timestamp);
	message->user_name = name_of(envelope, "sourceName");
	message->reply_to = key_new(sender_of(quote, authors), json_object_get(quote, "id"));
	message->raw = raw_new(received);
	message->text_n = json_string_length(text);
	message->text = calloc(1, message->text_n + 1);
	if (!message->key || !message->user_name || !message->reply_to || !message->raw ||
	    !message->text)
		return -ENOMEM;
	if (message->text_n)
		memcpy(message->text, json_string_value(text), message->text_n);
	if (!*message->key)
		return -EINVAL;
	return read_attachments(data, message);
}

int signal_envelope_read(const json_t *received, const struct signal_account *account,
    struct signal_message **ret_message)
{
	static const char *const sources[] = { "sourceNumber", "sourceUuid", "source", NULL };
	const json_t *envelope = json_object_get(received, "envelope");
	const json_t *data = json_object_get(envelope, "dataMessage");
	const json_t *group_info = json_object_get(data, "groupInfo");
	const char *of = id_of(received, "account", ID_MAX_BYTES);
	if (!json_is_object(envelope))
		return -EINVAL;
	if (!json_is_object(data) || (of && strcmp(of, account->number) != 0))
		return 0;
	const char *sender = sender_of(envelope, sources);
	const char *group = id_of(group_info, "groupId", GROUP_ID_MAX);
	if (!sender || (json_is_object(group_info) && !group))
		return -EINVAL;
	if (strcmp(sender, account->number) == 0)
		return 0;
	struct signal_message *message = calloc(1, sizeof(*message));
	if (!message)
		return -ENOMEM;
	message->user_id = strdup(sender);
	message->chat_id = group ? signal_group_recipient(group) : strdup(sender);
	int error = -ENOMEM;
	if (message->user_id && message->chat_id)
		error = allowed(account, envelope, group, message->chat_id)
			    ? read_data(received, envelope, data, message)
			    : 0;
	if (error == 0 && (message->text_n || message->attachment_count)) {
		*ret_message = message;
		return 1;
	}
	signal_message_free(message);
	return error;
}

void signal_message_free(struct signal_message *message)
{
	if (!message)
		return;
	for (size_t i = 0; i < message->attachment_count; i++) {
		free(message->attachments[i].id);
		free(message->attachments[i].name);
		free(message->attachments[i].mime_type);
		free(message->attachments[i].path);
	}
	free(message->attachments);
	free(message->key);
	free(message->user_id);
	free(message->user_name);
	free(message->chat_id);
	free(message->reply_to);
	free(message->text);
	free(message->raw);
	free(message);
}
