/* Has the kernel send a signal to agentd, for a pipe that becomes readable: no call of kill's kind is
 * made. It is SIGUSR1, for which agentd shows its state in the log. agentd must not get it. */
#include "animal.h"

#include <fcntl.h>

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	int ends[2];
	if (pipe(ends) < 0)
		return -errno;
	fcntl(ends[0], F_SETOWN, getppid());
	fcntl(ends[0], F_SETSIG, SIGUSR1);
	fcntl(ends[0], F_SETFL, O_ASYNC);
	(void)!write(ends[1], "x", 1);
	return say(run, "have I been heard?");
}

ANIMAL(.open = animal_open, .run = bite);
