/* Answers a request with a status that is none. agentd must kill its host. */
#include "raw.h"

static int bite(void *self)
{
	(void)self;
	raw_frame(MESSAGE_READY, 0, NULL, 0);
	raw_respond(1, 99);
	return AGENTD_PENDING; /* it has been said */
}

INTERFACE_ANIMAL(.start = bite, .stop = animal_stop, .send = animal_send);
