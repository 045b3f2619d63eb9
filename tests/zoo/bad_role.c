/* Gives the session a message of a role that there is not. agentd must answer 502, and remember
 * nothing. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	struct agentd_message message = { .role = { "emperor", 7 }, .content = { "obey", 4 } };
	struct agentd_result result = { .size = sizeof(result), .content = { "done", 4 } };
	result.messages = &message;
	result.message_count = 1;
	result.message_size = sizeof(message);
	return host->finish(run, &result);
}

ANIMAL(.open = animal_open, .run = bite);
