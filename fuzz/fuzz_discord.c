/*
 * fuzz_discord: any bytes as what the gateway says, and as a reply that is cut into messages.
 *
 * What must hold: of whatever is taken as a message the ids are ids, the names are short, and something is
 * said; no part of a reply is empty or too long, and each is valid JSON; there are not more parts than
 * there are characters.
 */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/discord/event.h"
#include "plugins/discord/fence.h"
#include "plugins/discord/parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void check_message(const json_t *json, const struct discord_rules *rules)
{
	struct discord_message message;
	if (!discord_message_read(json, rules, &message))
		return;
	const struct agentd_incoming *incoming = &message.incoming;
	check(discord_is_id(incoming->key) && discord_is_id(incoming->user_id));
	check(discord_is_id(incoming->chat_id) && discord_is_id(incoming->message_id));
	check(incoming->reply_to.n == 0 || discord_is_id(incoming->reply_to));
	check(incoming->user_name.n <= DISCORD_NAME_MAX);
	check(incoming->text.n > 0 || incoming->attachment_count > 0);
	for (size_t i = 0; i < incoming->attachment_count; i++)
		check(message.attachments[i].url.n > 0 && message.attachments[i].path.n == 0 &&
		      message.attachments[i].name.n <= DISCORD_NAME_MAX);
}

static void check_event(const char *bytes, size_t size)
{
	static char prefix[] = "!";
	static char ids[][DISCORD_ID_MAX + 1] = { "200000000000000001" };
	struct discord_rules any = { .respond_to_bots = true };
	struct discord_rules some = {
		.self_id = "1", .command_prefix = prefix, .guilds = { ids, 1 }
	};
	struct discord_event event;
	if (discord_event_read(agentd_text(bytes, size), &event) < 0)
		return;
	check_message(event.data, &any);
	check_message(event.data, &some);
	json_decref(event.root);
}

static void check_reply(const char *bytes, size_t size)
{
	size_t most = DISCORD_MESSAGE_MIN + size % 40;
	json_t *valid = json_stringn(bytes, size); /* replies are UTF-8 */
	if (!valid)
		return;
	json_decref(valid);
	struct agentd_reply reply = { .size = sizeof(reply), .text = agentd_text(bytes, size) };
	struct discord_parts *parts = discord_parts_new(&reply, most);
	check(parts && discord_parts_count(parts) <= size);
	for (size_t i = 0; i < discord_parts_count(parts); i++) {
		char *text = discord_parts_json(parts, i);
		json_t *json = json_loads(text ? text : "", 0, NULL);
		const json_t *content = json_object_get(json, "content");
		struct agentd_text said =
		    agentd_text(json_string_value(content), json_string_length(content));
		check(said.n > 0 && split_count(said, SPLIT_UTF16) <= most);
		json_decref(json);
		free(text);
	}
	discord_parts_free(parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	check_event((const char *)data, size);
	check_reply((const char *)data, size);
	return 0;
}
