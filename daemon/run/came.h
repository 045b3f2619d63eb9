/*
 * came: what came to a trigger that a plugin brings, as its run has it for an input: a JSON object with
 * body, raw, headers, source and timestamp. So a run that is begun again after a crash is given the same.
 *
 * Pure.
 */
#ifndef AGENTD_RUN_CAME_H
#define AGENTD_RUN_CAME_H

#include <jansson.h>

#include "daemon/base/buf.h"
#include "daemon/base/frame.h"

/* What there is not is absent. */
struct came {
	struct frame_text body; /* JSON */
	struct frame_text
	    raw; /* of a webhook: its body as it came; what is not UTF-8 is repaired */
	struct frame_text headers; /* JSON object */
	struct frame_text source, timestamp;
};

/* Adds the object. */
void came_write(const struct came *came, struct buf *out);

/* Adds a value as JSON, in its own order. 0 or -ENOMEM. */
int came_add_json(struct buf *out, const json_t *value);

/* What was read of one: the texts live as long. */
struct came_read {
	struct came came;
	struct buf body, headers; /* private, as is the next */
	json_t *all;
};
/* 0; -EINVAL: it is none; -ENOMEM. Then there is nothing to be done with. */
int came_read(struct frame_text text, struct came_read *ret);
void came_done(struct came_read *read);

#endif
