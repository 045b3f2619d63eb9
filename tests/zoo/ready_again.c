/* Says READY when it has long been. agentd must kill it: 502, and it starts again. */
#include "raw.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	raw_frame(MESSAGE_READY, 0, NULL, 0);
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
