/* Begins a frame and never ends it: what the host says is swallowed by it. agentd must miss the pongs
 * and kill it: 502, and it starts again. */
#include "raw.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	struct raw_head head = { .length = 1 << 20, .type = MESSAGE_DELTA, .run = 1 };
	raw_send(&head, sizeof(head));
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
