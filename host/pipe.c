/* pipe: plain reads and writes. Where they fail agentd is gone, and this process has no more use. */
#include "host/pipe.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/message.h"

void pipe_send(int fd, const struct buf *out)
{
	for (size_t done = 0; done < out->length;) {
		ssize_t n = send(fd, out->data + done, out->length - done, MSG_NOSIGNAL);
		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, 1000);
		else if (n < 0 && errno != EINTR)
			_exit(HOST_EXIT_FAILED); /* agentd is gone */
	}
}

struct frame pipe_receive(int fd, struct buf *in)
{
	struct frame frame;
	size_t used;
	in->length = 0;
	for (;;) {
		int got = frame_read(in->data, in->length, &frame, &used);
		if (got > 0)
			return frame;
		uint32_t body = 0;
		if (in->length >= FRAME_HEAD)
			memcpy(&body, in->data, sizeof(body));
		size_t want = FRAME_HEAD + body - in->length;
		char *room = got < 0 ? NULL : buf_room(in, want);
		ssize_t n = room ? recv(fd, room, want, 0) : -1;
		if (n < 0 && room && errno == EINTR)
			continue;
		if (n == 0)
			_exit(0); /* agentd is gone */
		if (n < 0)
			_exit(HOST_EXIT_FAILED);
		buf_grew(in, (size_t)n);
	}
}
