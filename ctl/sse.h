/* sse: server-sent events out of bytes as they come (WHATWG HTML, section 9.2.6). Pure. */
#ifndef AGENTCTL_SSE_H
#define AGENTCTL_SSE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/buf.h"

struct sse_event {
	uint64_t id;
	const char *name, *data; /* borrowed, terminated */
	size_t length;           /* of data */
};

/* Zero-initialised. */
struct sse {
	struct buf line, name, data;
	uint64_t next, id; /* of the event that comes in, and of the last that was whole */
};

void sse_done(struct sse *sse);
/* Calls on_event for each event that is whole now. False: memory is out, or an event is too long. */
bool sse_feed(struct sse *sse, const char *bytes, size_t n,
    void (*on_event)(void *arg, const struct sse_event *event), void *arg);

#endif
