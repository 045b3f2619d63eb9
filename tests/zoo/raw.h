/*
 * raw: words to agentd that no plugin should say, behind the host's back. The form is that of
 * daemon/base/frame.h; a plugin that is bad on purpose knows it.
 */
#ifndef AGENTD_TESTS_ZOO_RAW_H
#define AGENTD_TESTS_ZOO_RAW_H

#include "../../daemon/base/message.h"
#include "animal.h"

#include <poll.h>
#include <sys/socket.h>

struct raw_head {
	uint32_t length;
	uint16_t type, zero;
	uint64_t run;
};

/* All of it, as the socket takes it: it is the host's, and does not block. */
static inline void raw_send(const void *bytes, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t sent =
		    send(HOST_FD_CHANNEL, (const char *)bytes + done, n - done, MSG_NOSIGNAL);
		if (sent > 0)
			done += (size_t)sent;
		else if (errno == EAGAIN)
			poll(&(struct pollfd){ .fd = HOST_FD_CHANNEL, .events = POLLOUT }, 1, 1000);
		else
			return;
	}
}

static inline void raw_frame(uint16_t type, uint64_t run, const void *body, uint32_t n)
{
	struct raw_head head = { .length = n, .type = type, .run = run };
	char frame[sizeof(head) + 8192];
	if (n > sizeof(frame) - sizeof(head))
		abort();
	memcpy(frame, &head, sizeof(head));
	if (n)
		memcpy(frame + sizeof(head), body, n);
	raw_send(frame, sizeof(head) + n); /* at once: the host writes to the same socket */
}

#endif
