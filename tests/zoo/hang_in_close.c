/* Serves, and never comes back from `close`. agentd must kill it when it stops. */
#include "animal.h"

static void bite(void *self)
{
	(void)self;
	hang();
}

ANIMAL(.open = animal_open, .run = animal_run, .close = bite);
