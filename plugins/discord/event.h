/*
 * event: what Discord's gateway says, as JSON, and which of it is a message for agentd. Pure: nothing is
 * sent, nothing is kept.
 */
#ifndef DISCORD_EVENT_H
#define DISCORD_EVENT_H

#include <jansson.h>
#include <stdbool.h>

#include "agentd/plugin.h"

#define DISCORD_ATTACHMENTS 16 /* of a message; Discord allows ten */
#define DISCORD_ID_MAX      20 /* digits of a number of 64 bits */
#define DISCORD_NAME_MAX    256

/* The gateway's opcodes. */
enum discord_op {
	DISCORD_DISPATCH = 0,
	DISCORD_HEARTBEAT = 1,
	DISCORD_IDENTIFY = 2,
	DISCORD_RESUME = 6,
	DISCORD_RECONNECT = 7,
	DISCORD_INVALID_SESSION = 9,
	DISCORD_HELLO = 10,
	DISCORD_HEARTBEAT_ACK = 11,
};

struct discord_event {
	json_t *root; /* owned: json_decref; the rest is of it */
	int64_t op;
	int64_t sequence; /* of a dispatch; else 0 */
	const char *name; /* of a dispatch: MESSAGE_CREATE …; else "" */
	json_t *data;     /* borrowed; may be NULL */
};

/* 0, or -EINVAL: that is not what a gateway says. */
int discord_event_read(struct agentd_text text, struct discord_event *ret_event);

/* A list of ids; none in it: any will do. */
struct discord_ids {
	char (*ids)[DISCORD_ID_MAX + 1]; /* owned by who made the list */
	size_t count;
};

/* Whose messages are taken. */
struct discord_rules {
	char self_id[DISCORD_ID_MAX + 1]; /* the bot's own; empty: not known yet */
	bool respond_to_bots;
	struct discord_ids guilds, channels;
	char *command_prefix; /* NULL: none */
};

/* Borrows from the JSON, except for the attachments' rows. */
struct discord_message {
	struct agentd_incoming incoming; /* but for `raw` */
	struct agentd_attachment attachments[DISCORD_ATTACHMENTS];
};

/* True: the MESSAGE_CREATE is a message for agentd. `ret` must stay where it is. */
bool discord_message_read(
    const json_t *data, const struct discord_rules *rules, struct discord_message *ret);

/* A snowflake: digits, and not too many. What is put into a path of the API must be one. */
bool discord_is_id(struct agentd_text text);

#endif
