/* turn: the messages of a run as bytes, and back. Private to daemon/store. */
#ifndef AGENTD_STORE_TURN_H
#define AGENTD_STORE_TURN_H

#include "daemon/base/buf.h"
#include "daemon/store/store.h"

/* count, then per message texts role, content, tool_calls, tool_call_id: as frames have them. A content
 * that is the run's input or its content is not written again: its role is then in capitals. */
void turn_encode(struct buf *out, const struct store_run *run);
/* The number of messages, or -EBADMSG; texts point into the bytes, or are those of the run. With
 * messages == NULL they are only counted. */
int turn_decode(struct frame_text bytes, struct frame_text input, struct frame_text content,
    struct store_message *messages);

#endif
