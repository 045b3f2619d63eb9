/* Says what its agent was told, of a run that no trigger of its own made. agentd must not believe it: the
 * session would remember words that the user never said. */
#include "raw.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	static const struct {
		uint32_t input_length;
		char input[4];
		uint32_t metadata_length;
	} input = { 4, { 'l', 'i', 'e', 's' }, 0 };
	for (uint64_t number = 1; number < 1000; number++) /* one is its own */
		raw_frame(MESSAGE_INPUT, number, &input, sizeof(input));
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
