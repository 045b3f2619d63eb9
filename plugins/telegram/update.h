/*
 * update: what an update of the Bot API says, as far as agentd cares. Pure: it reads JSON that anybody may
 * have written, and believes nothing of it.
 */
#ifndef TELEGRAM_UPDATE_H
#define TELEGRAM_UPDATE_H

#include <jansson.h>
#include <stdbool.h>

#include "agentd/plugin.h"

/* Who may write, and what counts. */
struct telegram_rules {
	const int64_t *user_ids, *chat_ids; /* borrowed; none: all */
	size_t user_count, chat_count;
	bool answer_edits;
};

/* A file that came with a message, to be fetched by its id. */
struct telegram_file {
	uint32_t type; /* AGENTD_IMAGE … */
	const char *id;
	const char *name; /* NULL: none is given */
	const char *mime_type;
	uint64_t bytes; /* 0: not known */
};

/* What is borrowed here is borrowed from the JSON. */
struct telegram_message {
	int64_t update_id, user_id, chat_id, message_id;
	int64_t reply_to; /* 0: none */
	int64_t thread;   /* the topic of a forum; 0: none, or the general one */
	struct agentd_text text;
	char user_name[260];
	struct telegram_file file; /* id NULL: none */
};

/* The id of an update. -EINVAL: it is none. */
int telegram_update_id(const json_t *update, int64_t *ret_id);
/* 1: a message. 0: nothing for us: of another kind, or it says nothing. -EPERM: of somebody, or in a chat,
 * that the rules do not have. -EINVAL: not an update. */
int telegram_update_read(
    const json_t *update, const struct telegram_rules *rules, struct telegram_message *ret_message);

#endif
