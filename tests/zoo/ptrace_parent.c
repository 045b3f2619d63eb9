/* Tries to trace agentd, to read and write its memory, and to take a descriptor from it. agentd must
 * refuse all of it. */
#include "animal.h"

#include <sys/pidfd.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	struct report report = { 0 };
	pid_t parent = getppid();
	char byte = 0;
	/* An address that is the same in both, if they are of one image; EFAULT if they are not. */
	struct iovec here = { &byte, 1 }, there = { &report, 1 };
	long seized = ptrace(PTRACE_SEIZE, parent, NULL, NULL);
	tried(&report, "seize", seized);
	if (seized == 0 && ptrace(PTRACE_INTERRUPT, parent, NULL, NULL) == 0)
		waitpid(parent, NULL, __WALL); /* only who is stopped can be let go */
	if (seized == 0)
		ptrace(PTRACE_DETACH, parent, NULL, NULL);
	tried(&report, "read", process_vm_readv(parent, &here, 1, &there, 1, 0));
	tried(&report, "write", process_vm_writev(parent, &here, 0, &there, 0, 0));
	tried(&report, "getfd", pidfd_getfd(pidfd_open(parent, 0), 0, 0));
	return say(run, report.text);
}

ANIMAL(.open = animal_open, .run = bite);
