/* Makes children that are not its own but the daemon's: one ends, one stays. Then it aborts. agentd must
 * reap the one and end the other, unless its sandbox refuses them: 502, and it starts again. */
#include "animal.h"

#include <sched.h>
#include <sys/syscall.h>

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL) == 0)
		_exit(0);
	if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL) == 0) {
		setsid();
		linger();
	}
	abort();
}

ANIMAL(.open = animal_open, .run = bite);
