/* Submits, past the host, a message whose user has a longer id than may be. agentd must kill the host. */
#include "raw.h"

static int bite(void *self)
{
	(void)self;
	char id[300];
	memset(id, 'x', sizeof(id));
	raw_submit(1, id, sizeof(id));
	return 0;
}

INTERFACE_ANIMAL(.start = bite, .stop = animal_stop, .send = animal_send);
