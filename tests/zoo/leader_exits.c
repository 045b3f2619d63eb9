/* Ends its first thread and leaves another, so that it looks like a zombie and is none. agentd must
 * kill it after three pings: 502, and it starts again. */
#include "animal.h"

static void *thread_main(void *arg)
{
	(void)arg;
	hang();
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	in_thread(thread_main, NULL);
	pthread_exit(NULL);
}

ANIMAL(.open = animal_open, .run = bite);
