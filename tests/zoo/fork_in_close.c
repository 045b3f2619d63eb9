/* Leaves a process in a session of its own as the last thing that it does. agentd must end that too
 * before it stops. */
#include "animal.h"

static void bite(void *self)
{
	(void)self;
	if (fork() == 0) {
		setsid();
		linger();
	}
}

ANIMAL(.open = animal_open, .run = animal_run, .close = bite);
