/* Logs without end. agentd must log a hundred lines a second and count the rest. */
#include "animal.h"

static void *thread_main(void *arg)
{
	for (unsigned i = 0;; i++)
		host->log(host, AGENTD_LOG_ERROR, "the sky is falling (%u)", i);
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
