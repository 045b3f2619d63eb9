/* Aborts while it is loaded. agentd must refuse the file with the signal and its last words. */
#include "animal.h"

__attribute__((constructor)) static void begin(void)
{
	fputs("no GPU here\n", stderr);
	abort();
}

ANIMAL(.open = animal_open, .run = animal_run);
