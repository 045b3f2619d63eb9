/* Leaves a process with all its descriptors in a session of its own, and aborts. agentd must notice the
 * end of the one behind the socket that the other holds, and end the other: 502, and it starts again. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	if (fork() == 0) {
		setsid();
		linger();
	}
	abort();
}

ANIMAL(.open = animal_open, .run = bite);
