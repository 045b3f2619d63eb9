/* Emits events that nobody waits for, as fast as it can. agentd must say so now and then, and drop them. */
#include "animal.h"

static void *thread_main(void *arg)
{
	for (;;)
		host->emit(host, "sky_falling", agentd_text("[1,2,3]", 7));
	return arg;
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	static int begun;
	if (!begun++) /* one flood is enough */
		in_thread(thread_main, NULL);
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
