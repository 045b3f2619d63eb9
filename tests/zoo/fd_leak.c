/* Opens files until there are no more descriptors, and goes on. agentd must serve it on. */
#include "animal.h"

#include <fcntl.h>

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	while (open("/dev/null", O_RDONLY) >= 0)
		;
	return say(run, strerrorname_np(errno));
}

ANIMAL(.open = animal_open, .run = bite);
