/* Reports events and a usage that are no JSON objects. agentd must leave them out, and say so in the
 * log. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	host->event(run, "note", agentd_text("{,}", 3));
	host->event(run, "note", agentd_text("[1]", 3));
	host->event(run, "note", agentd_text(NULL, 0));
	struct agentd_result result = { .size = sizeof(result) };
	result.content = agentd_text("words", 5);
	result.usage = agentd_text("{\"tokens\":1,\"tokens\":2}", 23);
	return host->finish(run, &result);
}

ANIMAL(.open = animal_open, .run = bite);
