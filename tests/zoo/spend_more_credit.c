/* Streams without end past the host, which would have stopped it when its credit was spent. agentd must
 * end the run at limits.content, and kill a host that fills a run whose reader does not read. */
#include "raw.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	char text[4096];
	memset(text, 'x', sizeof(text));
	for (;;)
		for (uint64_t number = 1; number < 32; number++) /* one is its own */
			raw_frame(MESSAGE_DELTA, number, text, sizeof(text));
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
