/* Prints without end, and without a newline. agentd must cut it into lines, log a hundred a second and
 * count the rest. */
#include "animal.h"

static void *thread_main(void *arg)
{
	char text[4096];
	memset(text, 'x', sizeof(text));
	while (write(STDOUT_FILENO, text, sizeof(text)) > 0)
		;
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
