/*
 * envelope: what signal-cli says has arrived, as a message, if it is one that the bot answers: something said
 * by somebody else, in a chat that is allowed. Receipts, typing, reactions, calls, edits, changes of groups
 * and what the account itself has sent from another device are none. Pure.
 */
#ifndef SIGNAL_ENVELOPE_H
#define SIGNAL_ENVELOPE_H

#include <jansson.h>

#include "agentd/plugin.h"

#define SIGNAL_ID_MAX          256 /* bytes of any id or name, as plugin.h has it */
#define SIGNAL_ATTACHMENTS_MAX 32  /* of a message, as in Signal */

struct signal_list {
	char **items; /* owned, and each of them */
	size_t count;
};

/* Whose messages are read, and of whom. An empty list allows all. */
struct signal_account {
	char *number; /* owned */
	struct signal_list people;
	struct signal_list groups;
};

struct signal_attachment {
	char *id; /* at the API */
	char *name, *mime_type;
	uint32_t type;
	uint64_t bytes; /* 0: not known */
	char *path;     /* of its file, once it is there; NULL: it is not */
};

/* All owned; ids and names end with a NUL, the text need not. */
struct signal_message {
	char *key;     /* "SENDER:TIMESTAMP", also the message's id: that is what quotes name */
	char *user_id; /* the number, or the UUID of somebody who hides theirs */
	char *user_name;
	char *chat_id;  /* the recipient of an answer: "group.…", or the user's id */
	char *reply_to; /* the key of the message that it quotes; or "" */
	char *text;
	size_t text_n;
	char *raw; /* JSON; or "" */
	struct signal_attachment *attachments;
	size_t attachment_count;
	struct signal_message *next; /* for whoever keeps it */
};

/* 1: a message, which is the caller's; 0: nothing to answer; -EINVAL: no envelope at all, or one that
 * contradicts itself; -ENOMEM. */
int signal_envelope_read(const json_t *received, const struct signal_account *account,
    struct signal_message **ret_message);
void signal_message_free(struct signal_message *message);

/* The recipient that stands for a group in the API: "group." and the base64 of the internal id, which is
 * base64 itself. NULL: memory is out. */
char *signal_group_recipient(const char *internal_id);

#endif
