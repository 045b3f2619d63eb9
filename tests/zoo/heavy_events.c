/* Reports events without end that are small and costly: each is of thousands of empty arrays. agentd must
 * go on serving the others; its run gets 504. */
#include "animal.h"

static void *thread_main(void *arg)
{
	enum { COUNT = 20000 };
	static char json[3 * COUNT + 32];
	char *end = stpcpy(json, "{\"a\":[[]");
	for (int i = 0; i < COUNT; i++)
		end = stpcpy(end, ",[]");
	end = stpcpy(end, "]}");
	for (;;)
		if (host->event(arg, "note", agentd_text(json, (size_t)(end - json))) < 0)
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
