/*
 * message: what somebody has written in a chat: from the frame of an interface to the bytes that the store
 * keeps (JSON), back, and to the frames of hooks. Nothing of a frame is believed: ids are bounded, all text
 * is made UTF-8, files must lie in the interface's own folder.
 */
#ifndef AGENTD_CHAT_MESSAGE_H
#define AGENTD_CHAT_MESSAGE_H

#include <jansson.h>

#include "daemon/base/buf.h"
#include "daemon/base/frame.h"

struct spool;

/* All texts are borrowed from `all`; those that are absent are "". */
struct message {
	json_t *all;
	struct frame_text
	    key; /* what its platform gives to no other message; not once it is in the store */
	const char *user_id, *user_name, *chat_id, *message_id, *reply_to;
	struct frame_text text, raw;
};

/* Of a SUBMIT, from an interface with that folder. 0; -EPROTO: no interface of this build would send it;
 * -ENOMEM. *ret_left_out: attachments that cannot be. */
int message_read(
    const struct frame *frame, const char *folder, struct message *ret, size_t *ret_left_out);
/* As the store has it: adds it to `out`. 0 or -ENOMEM. */
int message_encode(const struct message *message, struct buf *out);
/* 0; -EINVAL: it is none; -ENOMEM. */
int message_decode(struct frame_text body, struct message *ret);
void message_done(struct message *message);

/* Its attachments, as runs have them (run/attachment.h): added to `out`. 0 or -ENOMEM. */
int message_attachments(const struct message *message, struct buf *out);
/* Its fields, as CALL has them; `text` in the place of its own. */
void message_put(
    struct frame_writer *writer, const struct message *message, struct frame_text text);
bool message_has_files(const struct message *message);
/* Removes the files that came with it, but for those of another; NULL: all of them. */
void message_remove_files(
    const struct message *message, const struct message *but, struct spool *spool);

#endif
