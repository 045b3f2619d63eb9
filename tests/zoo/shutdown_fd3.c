/* Reads nothing more of what agentd says. agentd must answer 502, and start it again. */
#include "raw.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	return shutdown(HOST_FD_CHANNEL, SHUT_RD);
}

ANIMAL(.open = animal_open, .run = bite);
