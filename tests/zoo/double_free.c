/* Frees its memory twice. agentd must answer 502 with what libc says of it, and start it again. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	char *volatile memory = malloc(100);
	free(memory);
	free(memory);
	return say(run, "nobody has noticed");
}

ANIMAL(.open = animal_open, .run = bite);
