/* Prints without end while it is loaded. agentd must give up after supervision.ready, and refuse it. */
#include "animal.h"

__attribute__((constructor)) static void begin(void)
{
	for (;;)
		(void)!write(STDERR_FILENO, "loading, please wait\n", 21);
}

ANIMAL(.open = animal_open, .run = animal_run);
