/* Emits, past the host, an event whose name is none. agentd must kill the host that lets it. */
#include "raw.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	static const struct {
		uint32_t name_length;
		char name[4];
		uint32_t json_length;
	} event = { 4, { 'a', ' ', '\n', 'b' }, 0 };
	raw_frame(MESSAGE_EMIT, 0, &event, sizeof(event));
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
