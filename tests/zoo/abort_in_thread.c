/* A thread that it has made aborts. agentd must answer 502 to its runs, and start it again. */
#include "animal.h"

static void *thread_main(void *arg)
{
	(void)arg;
	abort();
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	in_thread(thread_main, NULL);
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
