/* Exits, as if all were well, while it is loaded. agentd must not take that for success. */
#include "animal.h"

__attribute__((constructor)) static void begin(void)
{
	_exit(0);
}

ANIMAL(.open = animal_open, .run = animal_run);
