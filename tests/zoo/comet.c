/* Leaves a process that never stays: each lives for a millisecond and leaves the next, in a session of
 * its own. Then it aborts. agentd must catch it: 502, and it starts again. */
#include "animal.h"

static _Noreturn void fly(void)
{
	time_t until = time(NULL) + 10;
	while (time(NULL) < until) {
		setsid();
		nap();
		if (fork() != 0)
			_exit(0);
	}
	_exit(0);
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	signal(SIGCHLD, SIG_IGN); /* no zombies */
	if (fork() == 0)
		fly();
	abort();
}

ANIMAL(.open = animal_open, .run = bite);
