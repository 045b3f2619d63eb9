/* An interface that finishes runs, as only agents do. agentd must kill its host. */
#include "raw.h"

static int bite(void *self)
{
	(void)self;
	raw_frame(MESSAGE_READY, 0, NULL, 0);
	struct raw_body body = { .n = 0 };
	raw_put_u32(&body, AGENTD_DONE);
	for (int i = 0; i < 3; i++)
		raw_put_str(&body, "mine");
	raw_put_u32(&body, 0);
	raw_put_u32(&body, 0);
	raw_frame(MESSAGE_FINISH, 1, body.bytes, body.n);
	return AGENTD_PENDING; /* it has been said */
}

INTERFACE_ANIMAL(.start = bite, .stop = animal_stop, .send = animal_send);
