/* Says of a reply what there is not to say of one. agentd must kill its host. */
#include "raw.h"

static int bite(void *self)
{
	(void)self;
	raw_frame(MESSAGE_READY, 0, NULL, 0);
	raw_sent(1, 77);
	return AGENTD_PENDING; /* it has been said */
}

INTERFACE_ANIMAL(.start = bite, .stop = animal_stop, .send = animal_send);
