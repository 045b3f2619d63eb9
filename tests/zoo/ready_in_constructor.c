/* Says READY before it is loaded, and never gets there. agentd must not believe it. */
#include "raw.h"

__attribute__((constructor)) static void begin(void)
{
	raw_frame(MESSAGE_READY, 0, NULL, 0);
	hang();
}

ANIMAL(.open = animal_open, .run = animal_run);
