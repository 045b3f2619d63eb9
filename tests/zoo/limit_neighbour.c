/* Sets a limit of another agent's host, whose pid is its input; to what it is. agentd must refuse that: a limit
 * of 0 would be its end. */
#include "animal.h"

#include <sys/resource.h>

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self;
	struct report report = { 0 };
	char room[16];
	pid_t pid = (pid_t)strtol(input_of(request, room, sizeof(room)), NULL, 10);
	struct rlimit size;
	if (pid <= 0 || getrlimit(RLIMIT_FSIZE, &size) < 0)
		return -EINVAL;
	tried(&report, "limit", prlimit(pid, RLIMIT_FSIZE, &size, NULL));
	return say(run, report.text);
}

ANIMAL(.open = animal_open, .run = bite);
