/* Never comes back from being loaded. agentd must give up after supervision.ready, and refuse it. */
#include "animal.h"

__attribute__((constructor)) static void begin(void)
{
	hang();
}

ANIMAL(.open = animal_open, .run = animal_run);
