/* Reports a usage of a million empty arrays. agentd must bound it, and not stand still over it. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	enum { COUNT = 1000000 };
	static const char head[] = "{\"a\":[[]", tail[] = "]}";
	char *json = malloc(sizeof(head) + 3 * COUNT + sizeof(tail)), *end = json;
	if (!json)
		return -ENOMEM;
	end = stpcpy(end, head);
	for (int i = 0; i < COUNT; i++)
		end = mempcpy(end, ",[]", 3);
	end = stpcpy(end, tail);
	struct agentd_result result = { .size = sizeof(result), .content = { "done", 4 } };
	result.usage = agentd_text(json, (size_t)(end - json));
	host->finish(run, &result);
	free(json);
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
