/*
 * channel: frames over a non-blocking stream socket, on a libevent loop. Used at both ends.
 *
 * What is written with channel_out waits until the loop's turn ends and goes out in one write
 * (a run costs the daemon a fraction of a system call that way). Each turn reads a bounded amount,
 * so that a peer that floods delays nobody else.
 *
 * The fd belongs to the channel. Callbacks may free the channel. Not thread-safe.
 */
#ifndef AGENTD_PROC_CHANNEL_H
#define AGENTD_PROC_CHANNEL_H

#include <stddef.h>

#include "daemon/base/frame.h"

struct event_base;
struct channel;

struct channel_ops {
	/* A frame came; it is borrowed for the call. Negative: it makes no sense, and the channel
	 * ends with that error. */
	int (*frame)(void *arg, const struct frame *frame);
	/* The other end is gone (0), or broken (-EPROTO, -errno), and all its frames were seen.
	 * Nothing follows. */
	void (*end)(void *arg, int error);
	/* Optional: what had piled up because the peer read slowly is written. */
	void (*drained)(void *arg);
};

/* `ops` and `arg` are borrowed until channel_free. NULL: memory is out, and fd is closed. */
struct channel *channel_new(
    struct event_base *base, int fd, const struct channel_ops *ops, void *arg);
void channel_free(struct channel *channel);

/* A frame to write, ended with frame_end. It leaves at the end of this turn. */
struct frame_writer channel_begin(struct channel *channel, uint16_t type, uint64_t run);
/* Ready-made frames. */
void channel_add(struct channel *channel, const void *frames, size_t n);
/* Bytes not yet taken by the peer. */
size_t channel_backlog(const struct channel *channel);
/* Those that it has taken, from the first on. */
uint64_t channel_written(const struct channel *channel);
/* Delivers what lies in the socket now, for a peer that has ended: all that it ever sent, even if a
 * process that it left behind still holds the other end. Its callbacks may be called. */
void channel_read_rest(struct channel *channel);
/* Writes what it can now, for a process that is about to end. */
void channel_flush(struct channel *channel);

#endif
