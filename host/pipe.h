/*
 * pipe: frames from and to agentd, one after the other, for a process that has no loop, or none yet. If
 * agentd is gone, these do not return.
 */
#ifndef AGENTD_HOST_PIPE_H
#define AGENTD_HOST_PIPE_H

#include "daemon/base/frame.h"

/* Sends all of it. The socket may be non-blocking by now. */
void pipe_send(int fd, const struct buf *out);
/* Reads one frame and no byte more, so that nothing is lost for a loop. It lives in `in`. */
struct frame pipe_receive(int fd, struct buf *in);

#endif
