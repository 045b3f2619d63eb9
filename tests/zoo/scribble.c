/* Writes over the memory of its host. agentd must answer its run, whatever comes of that, and have it
 * started again. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	for (volatile char *p = (volatile char *)run;; p++)
		*p = 0x55;
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
