/* Finishes whatever run there may be, by guessing numbers. agentd must believe it for its own alone. */
#include "raw.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	static const struct {
		uint32_t status, content_length;
		char content[4];
		uint32_t error_length, usage_length, message_count, attachment_count;
	} finish = { AGENTD_DONE, 4, { 'm', 'i', 'n', 'e' }, 0, 0, 0, 0 };
	for (uint64_t number = 0; number < 1000; number++)
		raw_frame(MESSAGE_FINISH, number, &finish, sizeof(finish));
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
