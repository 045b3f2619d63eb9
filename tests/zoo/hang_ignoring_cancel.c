/* Never finishes, and ignores cancel. agentd must answer 504 at the deadline, and drop it when it
 * stops. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
