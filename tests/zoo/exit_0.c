/* Exits with 0 under its run. agentd must not take that for a clean stop: 502, and it starts again. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	exit(0);
}

ANIMAL(.open = animal_open, .run = bite);
