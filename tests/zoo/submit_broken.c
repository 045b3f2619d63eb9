/* Submits, past the host, a message whose user has a NUL in it. agentd must kill the host that lets it. */
#include "raw.h"

static int bite(void *self)
{
	(void)self;
	raw_submit(1, "be\0st", 5);
	return 0;
}

INTERFACE_ANIMAL(.start = bite, .stop = animal_stop, .send = animal_send);
