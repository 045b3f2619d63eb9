/* Closes all that it has. agentd must answer 502, and start it again. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	return close_range(0, ~0U, 0);
}

ANIMAL(.open = animal_open, .run = bite);
