/* Writes bytes to agentd that are no frame. agentd must kill it: 502, and it starts again. */
#include "raw.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	raw_send("these bytes are no frame at all, I am afraid", 44);
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
