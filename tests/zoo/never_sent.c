/* Never says what has become of a reply, and never that it has stopped. It must not hold up agentd's end. */
#include "animal.h"

static int bite(void *self)
{
	(void)self;
	return animal_submit("say answered", NULL);
}

static int keep_still(void *self)
{
	(void)self;
	return AGENTD_PENDING;
}

static int swallow(void *self, const struct agentd_reply *reply)
{
	(void)self, (void)reply;
	return 0;
}

INTERFACE_ANIMAL(.start = bite, .stop = keep_still, .send = swallow);
