/* Makes two hundred threads that never end. agentd must serve it, and end it when it stops. */
#include "animal.h"

static void *thread_main(void *arg)
{
	(void)arg;
	hang();
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	static int threads;
	for (; threads < 200; threads++)
		in_thread(thread_main, NULL);
	return say(run, "two hundred threads");
}

ANIMAL(.open = animal_open, .run = bite);
