/* Streams without end in `run`, and ignores -EAGAIN. agentd must kill it after three pings: 502, and it
 * starts again. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	for (;;)
		host->delta(run, agentd_text("xxxxxxxx", 8));
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
