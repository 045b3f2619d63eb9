/* Leaves a process behind, and dies. agentd must end what is left. */
#include "animal.h"

static void on_timer(void *arg)
{
	(void)arg;
	if (fork() == 0)
		linger();
	abort();
}

static int bite(void *self)
{
	(void)self;
	return host->timer_set(host->timer_new(host, on_timer, NULL), 20);
}

INTERFACE_ANIMAL(.start = bite, .stop = animal_stop, .send = animal_send);
