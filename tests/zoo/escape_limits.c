/* Raises the limits that it was started with. agentd must have taken the right to do so, also when it
 * runs as root. */
#include "animal.h"

#include <sys/resource.h>

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	struct report report = { 0 };
	struct rlimit files, core = { 4096, 4096 };
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_max += 1;
	tried(&report, "files", setrlimit(RLIMIT_NOFILE, &files));
	tried(&report, "core", setrlimit(RLIMIT_CORE, &core));
	tried(&report, "nice", nice(-1));
	return say(run, report.text);
}

ANIMAL(.open = animal_open, .run = bite);
