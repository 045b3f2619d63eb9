/* Gives the session a hundred thousand messages. agentd must refuse or bound them, and not stand still over
 * them. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	enum { COUNT = 100000 };
	struct agentd_message *messages = calloc(COUNT, sizeof(*messages));
	if (!messages)
		return -ENOMEM;
	for (size_t i = 0; i < COUNT; i++)
		messages[i].role = agentd_text("tool", 4);
	struct agentd_result result = { .size = sizeof(result), .content = { "done", 4 } };
	result.messages = messages;
	result.message_count = COUNT;
	result.message_size = sizeof(*messages);
	host->finish(run, &result);
	free(messages);
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
