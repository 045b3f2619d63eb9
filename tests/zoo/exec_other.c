/* Becomes another program. agentd must miss the socket, and kill it: 502, and it starts again. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	return execl("/bin/sleep", "sleep", "30", (char *)NULL);
}

ANIMAL(.open = animal_open, .run = bite);
