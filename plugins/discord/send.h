/*
 * send: replies as messages on Discord, part by part, within the rate limits. What Discord does not take
 * now is agentd's to try again, from the part at which it stopped; what it never will, is refused.
 *
 * The loop thread only.
 */
#ifndef DISCORD_SEND_H
#define DISCORD_SEND_H

#include "rest.h"

struct discord_sender;

/* NULL: memory is out. All borrowed. `most`: characters of a message. */
struct discord_sender *discord_sender_new(
    const struct agentd_host *host, struct discord_rest *rest, size_t most);
/* What is under way is given up; nobody is told. */
void discord_sender_free(struct discord_sender *sender);

/* As `send` of struct agentd_interface_ops. */
int discord_sender_send(struct discord_sender *sender, const struct agentd_reply *reply);
/* Shows that somebody writes, if the rate limits have room for that. */
void discord_sender_typing(struct discord_sender *sender, struct agentd_text chat_id);

#endif
