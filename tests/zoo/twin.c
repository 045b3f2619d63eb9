/* Forks in its run, and both go on: two that read and answer on one socket. agentd must take the first
 * answer, and end both when it stops. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	if (fork() == 0)
		alarm(30);
	return say(run, "one of two");
}

ANIMAL(.open = animal_open, .run = bite);
