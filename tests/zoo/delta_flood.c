/* Streams without end, as fast as it is let, and ignores that nobody wants it. agentd must answer 502
 * at limits.content, and go on serving the others beside the flood. */
#include "animal.h"

static void *thread_main(void *arg)
{
	char text[1024];
	memset(text, 'x', sizeof(text));
	for (;;)
		if (host->delta(arg, agentd_text(text, sizeof(text))) < 0)
			nap();
	return NULL;
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	in_thread(thread_main, host->ref(run));
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
