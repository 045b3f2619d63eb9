/*
 * batch: what one receive has brought, as the objects in it.
 *
 * Receiving takes messages out of Signal's hands for good, so one that is whole is found even if what is
 * around it is not: an answer that was cut, a line of signal-cli's that is no JSON. Pure.
 */
#ifndef SIGNAL_BATCH_H
#define SIGNAL_BATCH_H

#include <jansson.h>

#include "agentd/plugin.h"

struct signal_batch {
	struct agentd_text rest; /* borrowed: what has not been looked at */
	size_t lost;             /* bytes so far that are no objects, nor between them */
	unsigned mistakes;       /* 0 */
};

/* The next object; the caller's. NULL: there are no more. */
json_t *signal_batch_next(struct signal_batch *batch);

#endif
