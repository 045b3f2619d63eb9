/* Says what has become of replies, and of requests, that it was not given. That must change nothing. */
#include "raw.h"

static int bite(void *self)
{
	(void)self;
	raw_frame(MESSAGE_READY, 0, NULL, 0);
	for (unsigned i = 0; i < 100; i++) {
		raw_sent(i, i % 3);
		raw_respond(i, 200);
	}
	animal_submit("say answered", NULL);
	return AGENTD_PENDING; /* it has been said */
}

INTERFACE_ANIMAL(.start = bite, .stop = animal_stop, .send = animal_send);
