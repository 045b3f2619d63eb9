/*
 * attachment: the files that go along with a run's input, or its answer: as fields of frames
 * (message.h), and as the store and the API have them, a JSON array of
 *
 *	{"type":"image","name":…,"mime_type":…,"bytes":…,"path":… or "url":…}
 *
 * where what is not known is left out. None at all is an empty text. Pure.
 */
#ifndef AGENTD_RUN_ATTACHMENT_H
#define AGENTD_RUN_ATTACHMENT_H

#include <stdbool.h>

#include "daemon/base/buf.h"
#include "daemon/base/frame.h"

#define ATTACHMENT_URL_MAX 8192 /* bytes */

/* Whether it is one of the types: file, image, audio, video. */
bool attachment_is_type(const char *text);
/* Reads a frame's attachments and adds the array. Those that cannot be are left out, and counted: a path
 * that is not a file in `folder` (NULL: no path can be), a URL that is not http or https. 0; -EPROTO: the
 * frame is broken; -ENOMEM. */
int attachments_read(
    struct frame_cursor *cursor, const char *folder, struct buf *out, size_t *ret_left_out);
/* The same as fields of a frame. What is no array is none. */
void attachments_put(struct frame_writer *writer, struct frame_text json);
/* Calls `each` with the path of every one that is a file, and its size; 0: that is not known. */
void attachments_paths(
    struct frame_text json, void (*each)(void *arg, const char *path, uint64_t bytes), void *arg);
/* Adds the array as people outside see it, without paths, which are nobody's business there; `files`: also
 * those that have nothing else. None: nothing is added. */
void attachments_show(struct buf *out, struct frame_text json, bool files);

#endif
