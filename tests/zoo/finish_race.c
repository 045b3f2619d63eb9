/* Finishes one run from sixteen threads at once. agentd must answer with one of them. */
#include "animal.h"

enum { RACERS = 16 };
static pthread_barrier_t start;

static void *thread_main(void *arg)
{
	struct agentd_run *run = arg;
	pthread_barrier_wait(&start);
	host->delta(run, agentd_text("noise", 5));
	say(run, "one of many");
	host->unref(run);
	return NULL;
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	pthread_barrier_init(&start, NULL, RACERS);
	for (int i = 0; i < RACERS; i++)
		in_thread(thread_main, host->ref(run));
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
