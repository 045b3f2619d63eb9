/* Says PONG without end and without having been asked. agentd must go on serving the others; its run
 * gets 504. */
#include "raw.h"

static void *thread_main(void *arg)
{
	struct raw_head pongs[64];
	for (size_t i = 0; i < 64; i++)
		pongs[i] = (struct raw_head){ .type = MESSAGE_PONG };
	for (;;)
		raw_send(pongs, sizeof(pongs));
	return arg;
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	static int begun;
	if (!begun++) /* one flood is enough */
		in_thread(thread_main, NULL);
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
