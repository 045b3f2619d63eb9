/* Finishes twice. agentd must take the first, and say once in the log that there was a second. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	say(run, "first");
	say(run, "second");
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
