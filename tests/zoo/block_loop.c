/* Never comes back from `run`. agentd must kill it after three pings: 502, and it starts again. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	hang();
}

ANIMAL(.open = animal_open, .run = bite);
