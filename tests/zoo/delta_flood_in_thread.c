/* Streams without end in a `run` that may block. agentd must answer 502 at limits.content, and replace
 * the process that does not heed it. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	for (;;)
		if (host->delta(run, agentd_text("xxxxxxxx", 8)) == -ECANCELED)
			nap();
	return 0;
}

BLOCKING_ANIMAL(.open = animal_open, .run = bite);
