/* Sets a timer of 0 ms again whenever it is called, and never finishes. agentd must answer 504 at the
 * deadline. */
#include "animal.h"

static struct agentd_timer *timer;

static void on_timer(void *arg)
{
	(void)arg;
	host->timer_set(timer, 0);
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	if (!timer)
		timer = host->timer_new(host, on_timer, NULL);
	return host->timer_set(timer, 0);
}

ANIMAL(.open = animal_open, .run = bite);
