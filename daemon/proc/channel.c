/*
 * channel: frames in, frames out, one write for each turn of the loop.
 *
 * The write at the end of a turn is an event that is made active by hand: libevent puts it behind
 * everything that is active already, which is just when it should run.
 */
#include "daemon/proc/channel.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_ROOM (64u << 10)
#define READ_TURN (512u << 10) /* bytes a peer may have handled in one turn */
#define READ_REST (8u << 20)   /* more than a socket holds: somebody else is writing */

struct channel {
	int fd;
	const struct channel_ops *ops; /* borrowed */
	void *arg;                     /* borrowed */
	struct event *readable, *writable, *flush;
	struct buf in, out;
	uint64_t written;
	bool
	    *freed; /* set where a callback is running: tells its caller that the channel is gone */
	bool blocked;
};

static void channel_on_readable(evutil_socket_t fd, short what, void *arg);
static void channel_on_writable(evutil_socket_t fd, short what, void *arg);

struct channel *channel_new(
    struct event_base *base, int fd, const struct channel_ops *ops, void *arg)
{
	struct channel *channel = calloc(1, sizeof(*channel));
	if (!channel) {
		close(fd);
		return NULL;
	}
	channel->fd = fd;
	channel->ops = ops;
	channel->arg = arg;
	channel->readable = event_new(base, fd, EV_READ | EV_PERSIST, channel_on_readable, channel);
	channel->writable = event_new(base, fd, EV_WRITE, channel_on_writable, channel);
	channel->flush = event_new(base, -1, 0, channel_on_writable, channel);
	if (!channel->readable || !channel->writable || !channel->flush ||
	    event_add(channel->readable, NULL) < 0) {
		channel_free(channel);
		return NULL;
	}
	return channel;
}

void channel_free(struct channel *channel)
{
	if (!channel)
		return;
	if (channel->freed)
		*channel->freed = true;
	if (channel->readable)
		event_free(channel->readable);
	if (channel->writable)
		event_free(channel->writable);
	if (channel->flush)
		event_free(channel->flush);
	close(channel->fd);
	buf_done(&channel->in);
	buf_done(&channel->out);
	free(channel);
}

static void channel_end(struct channel *channel, int error)
{
	event_del(channel->readable);
	channel->ops->end(channel->arg, error);
}

/* Hands out the whole frames of the buffer. Returns false if the channel ended or is freed. */
static bool channel_deliver(struct channel *channel)
{
	bool freed = false;
	size_t done = 0;
	channel->freed = &freed;
	for (;;) {
		struct frame frame;
		size_t used;
		int got =
		    frame_read(channel->in.data + done, channel->in.length - done, &frame, &used);
		if (got > 0)
			got = channel->ops->frame(channel->arg, &frame) < 0 ? -EPROTO : 1;
		if (freed)
			return false;
		if (got < 0) {
			channel->freed = NULL;
			channel_end(channel, got);
			return false;
		}
		if (got == 0)
			break;
		done += used;
	}
	channel->freed = NULL;
	if (done)
		buf_drop(&channel->in, done);
	if (channel->in.length == 0 && channel->in.capacity > READ_ROOM)
		buf_done(&channel->in); /* a large frame is over: give its memory back */
	return true;
}

/* Reads and delivers at most so many bytes. Returns false once the channel has ended or is freed. */
static bool channel_read(struct channel *channel, size_t most, bool to_the_end)
{
	for (size_t had = 0; had < most;) {
		char *room = buf_room(&channel->in, READ_ROOM);
		if (!room) {
			channel_end(channel, -ENOMEM);
			return false;
		}
		ssize_t got = recv(channel->fd, room, READ_ROOM, 0);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (got <= 0) {
			channel_end(channel, got == 0 || errno == ECONNRESET ? 0 : -errno);
			return false;
		}
		buf_grew(&channel->in, (size_t)got);
		had += (size_t)got;
		if (!channel_deliver(channel))
			return false;
		if (got < (ssize_t)READ_ROOM && !to_the_end)
			return true; /* there is no more for now: spare the call that says so */
	}
	return true;
}

static void channel_on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	channel_read(arg, READ_TURN, false);
}

void channel_read_rest(struct channel *channel)
{
	channel_read(channel, READ_REST, true);
}

struct frame_writer channel_begin(struct channel *channel, uint16_t type, uint64_t run)
{
	if (!channel->blocked)
		event_active(channel->flush, EV_WRITE, 0);
	return frame_begin(&channel->out, type, run);
}

void channel_add(struct channel *channel, const void *frames, size_t n)
{
	buf_add(&channel->out, frames, n);
	if (!channel->blocked)
		event_active(channel->flush, EV_WRITE, 0);
}

size_t channel_backlog(const struct channel *channel)
{
	return channel->out.length;
}

uint64_t channel_written(const struct channel *channel)
{
	return channel->written;
}

void channel_flush(struct channel *channel)
{
	size_t done = 0;
	while (done < channel->out.length) {
		ssize_t wrote = send(channel->fd, channel->out.data + done,
		    channel->out.length - done, MSG_NOSIGNAL);
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0 && errno != EAGAIN) {
			/* The peer is gone. Reading tells so too, after its last frames; until
			 * then nothing more goes out. */
			done = channel->out.length;
			break;
		}
		if (wrote < 0)
			break;
		done += (size_t)wrote;
	}
	buf_drop(&channel->out, done);
	channel->written += done;
	if (channel->out.length == 0 && channel->out.capacity > READ_ROOM)
		buf_done(&channel->out);
	channel->blocked = channel->out.length > 0;
	if (channel->blocked)
		event_add(channel->writable, NULL);
}

static void channel_on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct channel *channel = arg;
	bool was_blocked = channel->blocked;
	channel_flush(channel);
	if (was_blocked && !channel->blocked && channel->ops->drained)
		channel->ops->drained(channel->arg);
}
