/* Never finishes, but heeds cancel. agentd must answer 504 at the deadline, and have the place back. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	return 0;
}

static void cancel(void *self, struct agentd_run *run)
{
	(void)self;
	struct agentd_result result = { .size = sizeof(result), .status = AGENTD_CANCELLED };
	host->finish(run, &result);
}

ANIMAL(.open = animal_open, .run = bite, .cancel = cancel);
