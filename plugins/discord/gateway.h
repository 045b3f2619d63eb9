/*
 * gateway: the connection on which Discord says what happens (Gateway v10, JSON): identified once, resumed
 * whenever it breaks, for as long as Discord keeps the session; also by the next process, if this one is killed.
 *
 * What another try cannot help (a refused token, intents that are not granted) ends the process. All else
 * is tried again, later and later; one line says that it is away, and one that it is back.
 *
 * The loop thread only.
 */
#ifndef DISCORD_GATEWAY_H
#define DISCORD_GATEWAY_H

#include <stdbool.h>

#include "event.h"
#include "inbox.h"
#include "rest.h"

struct discord_gateway;

/* All borrowed. */
struct discord_gateway_setup {
	const struct agentd_host *host;
	struct discord_rest *rest;
	struct discord_inbox *inbox;
	struct discord_rules *rules; /* of which it says who the bot itself is */
	const char *token;
	const char
	    *about; /* what a session holds for: with another, the one that is kept is none */
	bool message_content; /* the intent */
	bool may_be_plain;    /* ws://, else only wss:// */
	int64_t connect_ms;   /* from the connection to READY */
};

/* NULL: memory is out. */
struct discord_gateway *discord_gateway_new(const struct discord_gateway_setup *setup);
void discord_gateway_free(struct discord_gateway *gateway);

/* `host->ready` follows when Discord has said so for the first time. */
void discord_gateway_start(struct discord_gateway *gateway);
/* Leaves the session to the next process, which is told what was not stored. Twice is fine. */
void discord_gateway_stop(struct discord_gateway *gateway);

#endif
