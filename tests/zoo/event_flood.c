/* Reports events without end. agentd must stop at limits.events, and answer 504 at the deadline. */
#include "animal.h"

static void *thread_main(void *arg)
{
	for (;;)
		if (host->event(arg, "note", agentd_text("{\"n\":1}", 7)) < 0)
			nap();
	return NULL;
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	in_thread(thread_main, host->ref(run));
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
