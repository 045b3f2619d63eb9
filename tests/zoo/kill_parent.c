/* Tries to send signals to agentd in every way there is, and to change its limits; with signal 0 and the
 * limits that it has, so that nothing would happen. agentd must refuse all of it. */
#include "animal.h"

#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	struct report report = { 0 };
	pid_t parent = getppid();
	siginfo_t info = { .si_code = SI_QUEUE };
	struct rlimit files;
	tried(&report, "kill", kill(parent, 0));
	tried(&report, "kill_group", kill(-getpgid(parent), 0));
	tried(&report, "kill_all", kill(-1, 0));
	tried(&report, "tkill", syscall(SYS_tkill, parent, 0));
	tried(&report, "tgkill", syscall(SYS_tgkill, parent, parent, 0));
	tried(&report, "sigqueue", syscall(SYS_rt_sigqueueinfo, parent, 0, &info));
	tried(&report, "tgsigqueue", syscall(SYS_rt_tgsigqueueinfo, parent, parent, 0, &info));
	tried(&report, "pidfd", pidfd_send_signal(pidfd_open(parent, 0), 0, NULL, 0));
	tried(&report, "prlimit_get", prlimit(parent, RLIMIT_NOFILE, NULL, &files));
	if (syscall(SYS_prlimit64, parent, RLIMIT_NOFILE, NULL, &files) == 0)
		tried(&report, "prlimit_set", prlimit(parent, RLIMIT_NOFILE, &files, NULL));
	return say(run, report.text);
}

ANIMAL(.open = animal_open, .run = bite);
