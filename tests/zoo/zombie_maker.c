/* Makes a hundred children that end, waits for none, and aborts. agentd must reap them all: 502, and it
 * starts again. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	for (int i = 0; i < 100; i++)
		if (fork() == 0)
			_exit(0);
	abort();
}

ANIMAL(.open = animal_open, .run = bite);
