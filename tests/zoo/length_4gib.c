/* Begins a frame of 4 GiB. agentd must kill it at its head: 502, and it starts again. */
#include "raw.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	struct raw_head head = { .length = UINT32_MAX, .type = MESSAGE_DELTA, .run = 1 };
	raw_send(&head, sizeof(head));
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
