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

/* The body of a frame, field by field. */
struct raw_body {
	char bytes[8192];
	uint32_t n;
};

static inline void raw_put(struct raw_body *body, const void *bytes, size_t n)
{
	if (n > sizeof(body->bytes) - body->n)
		abort();
	memcpy(body->bytes + body->n, bytes, n);
	body->n += (uint32_t)n;
}

static inline void raw_put_u32(struct raw_body *body, uint32_t value)
{
	raw_put(body, &value, sizeof(value));
}

static inline void raw_put_u64(struct raw_body *body, uint64_t value)
{
	raw_put(body, &value, sizeof(value));
}

static inline void raw_put_text(struct raw_body *body, const char *p, size_t n)
{
	raw_put_u32(body, (uint32_t)n);
	raw_put(body, p, n);
}

static inline void raw_put_str(struct raw_body *body, const char *text)
{
	raw_put_text(body, text, strlen(text));
}

/* A SUBMIT of a message, from the user of that id. */
static inline void raw_submit(uint64_t number, const char *user, size_t user_length)
{
	struct raw_body body = { .n = 0 };
	char key[64];
	snprintf(key, sizeof(key), "raw-%d-%llu", getpid(), (unsigned long long)number);
	raw_put_str(&body, key);
	raw_put_text(&body, user, user_length);
	raw_put_str(&body, "");
	raw_put_str(&body, "den");
	raw_put_str(&body, "");
	raw_put_str(&body, "");
	raw_put_str(&body, "say raw");
	raw_put_str(&body, "");
	raw_put_u32(&body, 0);
	raw_frame(MESSAGE_SUBMIT, number, body.bytes, body.n);
}

static inline void raw_sent(uint64_t number, uint32_t status)
{
	struct raw_body body = { .n = 0 };
	raw_put_u32(&body, status);
	raw_put_u32(&body, 0);
	raw_put_u64(&body, 0);
	raw_put_str(&body, "");
	raw_frame(MESSAGE_SENT, number, body.bytes, body.n);
}

static inline void raw_respond(uint64_t number, uint32_t status)
{
	struct raw_body body = { .n = 0 };
	raw_put_u32(&body, status);
	raw_put_str(&body, "text/plain\r\nX-Evil: 1");
	raw_put_str(&body, "body");
	raw_frame(MESSAGE_RESPOND, number, body.bytes, body.n);
}

static inline void raw_decide(uint64_t number, int64_t verdict)
{
	struct raw_body body = { .n = 0 };
	raw_put(&body, &verdict, sizeof(verdict));
	raw_put_u32(&body, UINT32_MAX); /* absent */
	raw_put_u32(&body, UINT32_MAX);
	raw_frame(MESSAGE_DECIDE, number, body.bytes, body.n);
}

#endif
