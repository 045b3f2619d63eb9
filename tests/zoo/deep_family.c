/* Leaves a family of a hundred generations, each in a session of its own, and aborts. agentd must end all
 * of them: 502, and it starts again. */
#include "animal.h"

static _Noreturn void found_family(int born)
{
	for (int i = 0; i < 100; i++) {
		setsid();
		if (fork() != 0)
			linger();
	}
	(void)!write(born, "x", 1);
	linger();
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	int born[2];
	char said;
	if (pipe(born) < 0)
		return -errno;
	if (fork() == 0)
		found_family(born[1]);
	(void)!read(born[0], &said, 1);
	abort();
}

ANIMAL(.open = animal_open, .run = bite);
