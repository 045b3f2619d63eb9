/* Answers with more than limits.content allows. agentd must answer 502 with both sizes, or the like. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	static char text[17 << 20];
	memset(text, 'x', sizeof(text));
	struct agentd_result result = { .size = sizeof(result) };
	result.content = agentd_text(text, sizeof(text));
	host->finish(run, &result);
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
