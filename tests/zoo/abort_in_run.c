/* Aborts in `run`. agentd must answer 502 to its runs, and start it again. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	abort();
}

ANIMAL(.open = animal_open, .run = bite);
