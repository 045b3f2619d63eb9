/* Tries to read agentd by way of /proc. agentd must keep its memory, its environment and its files to
 * itself. */
#include "animal.h"

#include <fcntl.h>

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	static const char *const names[] = { "mem", "environ", "maps", "auxv", "fd/0", "fd/1",
		"fdinfo/0", "cwd/.", "root/.", "exe" };
	struct report report = { 0 };
	int parent = getppid();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64];
		snprintf(path, sizeof(path), "/proc/%d/%s", parent, names[i]);
		int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		tried(&report, names[i], fd);
		if (fd >= 0)
			close(fd);
	}
	return say(run, report.text);
}

ANIMAL(.open = animal_open, .run = bite);
