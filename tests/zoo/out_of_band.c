/* Sends an urgent byte, which a unix socket has since Linux 5.15, and nothing after it. agentd must not
 * spin on it. */
#include "raw.h"

static void on_timer(void *arg)
{
	(void)arg;
	send(HOST_FD_CHANNEL, "!", 1, MSG_OOB | MSG_NOSIGNAL);
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	host->timer_set(host->timer_new(host, on_timer, NULL), 10);
	return say(run, "urgent");
}

ANIMAL(.open = animal_open, .run = bite);
