/*
 * reply: an answer on its way: its text in parts that Signal takes, then each of its files. A file that is
 * only a URL is sent as that, since the API fetches nothing.
 *
 * host->sent is called once for each, within two minutes, whatever the API does; with how many parts it has
 * taken, so that the next try begins behind them.
 */
#ifndef SIGNAL_REPLY_H
#define SIGNAL_REPLY_H

#include "api.h"
#include "typing.h"

struct signal_replies;

/* All borrowed. */
struct signal_replies_setup {
	const struct agentd_host *host;
	struct signal_api *api;
	struct signal_typing *typing;
	const char *number;
	size_t max_bytes; /* of a part of a text */
};

/* NULL: memory is out. */
struct signal_replies *signal_replies_new(const struct signal_replies_setup *setup);
void signal_replies_free(struct signal_replies *replies);

/* 0: host->sent will follow. */
int signal_replies_send(struct signal_replies *replies, const struct agentd_reply *reply);

#endif
