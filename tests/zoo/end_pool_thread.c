/* Ends the thread on which its `run` was called, and never finishes. agentd must answer 504 at the
 * deadline, and replace the process that lacks a thread. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	pthread_exit(NULL);
}

BLOCKING_ANIMAL(.open = animal_open, .run = bite);
