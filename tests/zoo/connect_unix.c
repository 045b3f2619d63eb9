/* Connects to the unix socket that its input names. agentd must refuse that, unless its section says
 * `allow: [ unix ]`. */
#include "animal.h"

#include <sys/socket.h>
#include <sys/un.h>

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self;
	struct report report = { 0 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	input_of(request, address.sun_path, sizeof(address.sun_path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	tried(&report, "socket", fd);
	if (fd >= 0)
		tried(
		    &report, "connect", connect(fd, (struct sockaddr *)&address, sizeof(address)));
	close(fd);
	return say(run, report.text);
}

ANIMAL(.open = animal_open, .run = bite);
