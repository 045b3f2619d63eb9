/*
 * chat: what chats are made of, between frames (message.h) and the structs of plugin.h. What is read is
 * borrowed from the frame; what a plugin gives may have rows of another size than ours.
 */
#ifndef AGENTD_HOST_CHAT_H
#define AGENTD_HOST_CHAT_H

#include "agentd/plugin.h"
#include "daemon/base/frame.h"

struct agentd_text chat_get_text(struct frame_cursor *cursor);
void chat_put_text(struct frame_writer *writer, struct agentd_text text);

/* On the heap, the caller's. NULL: memory is out. */
struct agentd_attachment *chat_get_attachments(struct frame_cursor *cursor, size_t *ret_count);
void chat_put_attachments(struct frame_writer *writer, const struct agentd_attachment *rows,
    size_t count, size_t row_size);
/* The i-th, as our own struct. */
struct agentd_attachment chat_attachment_at(
    const struct agentd_attachment *rows, size_t i, size_t row_size);

/* Waits until their files are on the disk: agentd will say that it has them. 0 or -errno; -EINVAL: one is no
 * file. */
int chat_sync_files(const struct agentd_attachment *rows, size_t count, size_t row_size);

/* Its attachments are on the heap, the caller's: ret->attachments. 0 or -ENOMEM. */
int chat_get_incoming(struct frame_cursor *cursor, struct agentd_incoming *ret);
void chat_put_incoming(struct frame_writer *writer, const struct agentd_incoming *message);

#endif
