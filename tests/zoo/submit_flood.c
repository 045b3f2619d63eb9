/* Submits more messages at once than may be on their way. agentd must kill its host. */
#include "raw.h"

static int bite(void *self)
{
	(void)self;
	for (unsigned i = 1; i <= 20000; i++)
		raw_submit(i, "beast", 5);
	return 0;
}

INTERFACE_ANIMAL(.start = bite, .stop = animal_stop, .send = animal_send);
