/* Says that it has stopped before it is told to, and submits all the same. Its messages must be answered. */
#include "raw.h"

static void on_timer(void *arg)
{
	(void)arg;
	raw_frame(MESSAGE_STOPPED, 0, NULL, 0);
	raw_frame(MESSAGE_STOPPED, 0, NULL, 0);
	animal_submit("say answered", NULL);
}

static int bite(void *self)
{
	(void)self;
	return host->timer_set(host->timer_new(host, on_timer, NULL), 20);
}

INTERFACE_ANIMAL(.start = bite, .stop = animal_stop, .send = animal_send);
