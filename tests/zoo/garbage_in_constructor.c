/* Writes bytes that are no frame before the host has said HELLO. agentd must kill it and refuse it. */
#include "raw.h"

__attribute__((constructor)) static void begin(void)
{
	raw_send("these bytes are no frame at all, I am afraid", 44);
	hang();
}

ANIMAL(.open = animal_open, .run = animal_run);
