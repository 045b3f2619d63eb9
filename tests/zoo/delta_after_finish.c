/* Streams on after it has finished. agentd must drop that, and say so once in the log. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	say(run, "whole");
	for (int i = 0; i < 100; i++)
		host->delta(run, agentd_text("more", 4));
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
