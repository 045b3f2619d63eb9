/* Tries to send signals to another agent's host, whose pid is its input; with signal 0, so that nothing
 * would happen. agentd must refuse that where the kernel can. */
#include "animal.h"

#include <sys/syscall.h>

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self;
	struct report report = { 0 };
	char room[16];
	pid_t pid = (pid_t)strtol(input_of(request, room, sizeof(room)), NULL, 10);
	if (pid <= 0)
		return -EINVAL;
	tried(&report, "kill", kill(pid, 0));
	tried(&report, "kill_session", kill(-pid, 0));
	tried(&report, "tgkill", syscall(SYS_tgkill, pid, pid, 0));
	return say(run, report.text);
}

ANIMAL(.open = animal_open, .run = bite);
