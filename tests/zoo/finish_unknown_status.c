/* Finishes with a status that there is not. agentd must answer 502 with that, and it stays up. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	struct agentd_result result = { .size = sizeof(result), .status = 77 };
	host->finish(run, &result);
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
