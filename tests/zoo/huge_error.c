/* Fails with an error of 30 MiB. agentd must show a part of it. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	static char text[30 << 20];
	memset(text, 'x', sizeof(text));
	struct agentd_result result = { .size = sizeof(result), .status = AGENTD_FAILED };
	result.error = agentd_text(text, sizeof(text));
	return host->finish(run, &result);
}

ANIMAL(.open = animal_open, .run = bite);
