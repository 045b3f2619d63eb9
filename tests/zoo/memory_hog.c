/* Takes memory, and never asks whether there was any. agentd must bound it by limits.memory, at which it
 * crashes: 502, and it starts again. */
#include "animal.h"

#define PIECE (1 << 20)

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	for (int i = 0; i < 512; i++)
		memset(malloc(PIECE), 0x55, PIECE);
	return say(run, "nobody has stopped me");
}

ANIMAL(.open = animal_open, .run = bite);
