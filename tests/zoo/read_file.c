/* Reads, writes, truncates, links to, replaces and removes the file that its input names. agentd must
 * refuse that for agent.conf. */
#include "animal.h"

#include <fcntl.h>

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self;
	struct report report = { 0 };
	char path[512], other[520];
	input_of(request, path, sizeof(path));
	snprintf(other, sizeof(other), "%s.other", path);
	tried(&report, "read", open(path, O_RDONLY));
	tried(&report, "write", open(path, O_RDWR));
	tried(&report, "truncate", truncate(path, 0));
	tried(&report, "link", link(path, other));
	int made = open(other, O_WRONLY | O_CREAT, 0600);
	tried(&report, "replace", made < 0 ? made : rename(other, path));
	tried(&report, "move", rename(path, other));
	tried(&report, "remove", unlink(path));
	return say(run, report.text);
}

ANIMAL(.open = animal_open, .run = bite);
