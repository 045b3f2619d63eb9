/* Makes a daemon of itself: a grandchild in its own session goes on, the host exits with 0. agentd must
 * end the grandchild: 502, and it starts again. */
#include "animal.h"

#include <sys/wait.h>

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	pid_t first = fork();
	if (first == 0) {
		setsid();
		if (fork() == 0) {
			close_range(0, ~0U, 0);
			linger();
		}
		_exit(0);
	}
	waitpid(first, NULL, 0);
	_exit(0);
}

ANIMAL(.open = animal_open, .run = bite);
