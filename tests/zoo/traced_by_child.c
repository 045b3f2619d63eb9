/* Lets a child trace it, and aborts: who is traced is not gone before the tracer agrees. agentd must not
 * wait for that, nor spin: 502, and it starts again. Its sandbox refuses ptrace. */
#include "animal.h"

#include <sys/ptrace.h>
#include <sys/wait.h>

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	int traced[2];
	char said;
	if (pipe(traced) < 0)
		return -errno;
	if (fork() == 0) {
		setsid();
		ptrace(PTRACE_SEIZE, getppid(), NULL, NULL);
		(void)!write(traced[1], "x", 1);
		linger();
	}
	(void)!read(traced[0], &said, 1);
	raise(SIGKILL);
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
