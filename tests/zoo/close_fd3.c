/* Closes the socket to agentd. agentd must answer 502, and kill and start it again. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	return close(3);
}

ANIMAL(.open = animal_open, .run = bite);
