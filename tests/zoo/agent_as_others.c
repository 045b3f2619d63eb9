/* Says what only interfaces and hooks say. agentd must kill its host. */
#include "raw.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	raw_submit(4711, "beast", 5);
	raw_sent(4711, AGENTD_SENT);
	raw_decide(4711, 0);
	return say(run, "let through");
}

ANIMAL(.open = animal_open, .run = bite);
