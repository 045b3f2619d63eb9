/* Says several things of each reply, past the host. The first must count, and the others do no harm. */
#include "raw.h"

static int bite(void *self)
{
	(void)self;
	return animal_submit("say answered", NULL);
}

static int gnaw(void *self, const struct agentd_reply *reply)
{
	for (uint32_t status = AGENTD_SENT; status <= AGENTD_REJECTED; status++)
		raw_sent(reply->id, status);
	return animal_send(self, reply);
}

INTERFACE_ANIMAL(.start = bite, .stop = animal_stop, .send = gnaw);
