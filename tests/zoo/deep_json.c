/* Reports an event that is nested thousands deep. agentd must not run out of stack, and leave it
 * out. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	char json[20000];
	memset(json, '[', sizeof(json));
	memcpy(json, "{\"a\":", 5);
	host->event(run, "note", agentd_text(json, sizeof(json)));
	for (size_t i = 0; i + 5 <= sizeof(json); i += 5)
		memcpy(json + i, "{\"a\":", 5);
	host->event(run, "note", agentd_text(json, sizeof(json)));
	return say(run, "deep");
}

ANIMAL(.open = animal_open, .run = bite);
