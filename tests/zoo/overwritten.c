/* Is as it should be; its file is overwritten while its run goes on. agentd must have loaded a copy that
 * nobody can reach. */
#include "animal.h"

static void on_timer(void *arg)
{
	say(arg, "still here");
	host->unref(arg);
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	return host->timer_set(host->timer_new(host, on_timer, host->ref(run)), 100);
}

ANIMAL(.open = animal_open, .run = bite);
