/* Never comes back from a `run` that may block. agentd must answer 504 at the deadline, and replace the
 * process whose thread it holds. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	hang();
}

BLOCKING_ANIMAL(.open = animal_open, .run = bite);
