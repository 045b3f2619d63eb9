/* Answers, and aborts a moment later. agentd must pass the answer on, and start it again. */
#include "animal.h"

static void on_timer(void *arg)
{
	(void)arg;
	abort();
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	host->timer_set(host->timer_new(host, on_timer, NULL), 10);
	return say(run, "my last words");
}

ANIMAL(.open = animal_open, .run = bite);
