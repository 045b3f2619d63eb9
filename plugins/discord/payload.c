/* payload: one JSON each, and a table. */
#include "payload.h"

#include <jansson.h>

#include "event.h"

#define INTENT_GUILDS          (1 << 0)
#define INTENT_GUILD_MESSAGES  (1 << 9)
#define INTENT_DIRECT_MESSAGES (1 << 12)
#define INTENT_MESSAGE_CONTENT (1 << 15)

/* The value is taken over; NULL is the failure of who made it. */
static char *text_of(json_t *value)
{
	char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
	json_decref(value);
	return text;
}

char *discord_payload_heartbeat(int64_t sequence)
{
	json_t *data = sequence ? json_integer(sequence) : json_null();
	return text_of(json_pack("{s:i, s:o}", "op", DISCORD_HEARTBEAT, "d", data));
}

char *discord_payload_identify(const char *token, bool message_content)
{
	int intents = INTENT_GUILDS | INTENT_GUILD_MESSAGES | INTENT_DIRECT_MESSAGES |
		      (message_content ? INTENT_MESSAGE_CONTENT : 0);
	return text_of(json_pack("{s:i, s:{s:s, s:i, s:{s:s, s:s, s:s}}}", "op", DISCORD_IDENTIFY,
	    "d", "token", token, "intents", intents, "properties", "os", "linux", "browser",
	    "agentd", "device", "agentd"));
}

char *discord_payload_resume(const char *token, const char *session_id, int64_t sequence)
{
	return text_of(json_pack("{s:i, s:{s:s, s:s, s:I}}", "op", DISCORD_RESUME, "d", "token",
	    token, "session_id", session_id, "seq", (json_int_t)sequence));
}

static const struct row {
	unsigned code;
	enum discord_close meaning;
	const char *reason;
} rows[] = {
	{ 4003, DISCORD_CLOSE_BEGIN, NULL },
	{ 4004, DISCORD_CLOSE_FATAL, "Discord refuses the bot token (4004)" },
	{ 4007, DISCORD_CLOSE_BEGIN, NULL },
	{ 4009, DISCORD_CLOSE_BEGIN, NULL },
	{ 4010, DISCORD_CLOSE_FATAL, "Discord does not know the shard (4010)" },
	{ 4011, DISCORD_CLOSE_FATAL,
	    "the bot is in so many guilds that it must be sharded, which agentd does not do (4011)" },
	{ 4012, DISCORD_CLOSE_FATAL, "Discord no longer speaks version 10 of its gateway (4012)" },
	{ 4013, DISCORD_CLOSE_FATAL, "Discord does not know the intents (4013)" },
	{ 4014, DISCORD_CLOSE_FATAL,
	    "Discord does not grant the intents (4014): turn on the bot's Message Content Intent in "
	    "Discord's developer portal, or set intents_message_content: false" },
};

enum discord_close discord_close_meaning(unsigned code, const char **ret_reason)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].code != code)
			continue;
		*ret_reason = rows[i].reason;
		return rows[i].meaning;
	}
	return DISCORD_CLOSE_RESUME; /* those that are not known, too */
}
