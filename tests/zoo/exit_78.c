/* Exits with 78, which says that another try cannot help. agentd must answer 502 and leave it down. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	_exit(78);
}

ANIMAL(.open = animal_open, .run = bite);
