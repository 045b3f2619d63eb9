/* Leaves a process in a session of its own that writes to agentd without end, frames and text, and
 * aborts. agentd must not read that for ever: it ends the writer, 502, and it starts again. */
#include "raw.h"

static _Noreturn void flood(void)
{
	struct raw_head pongs[64];
	setsid();
	alarm(30);
	for (size_t i = 0; i < 64; i++)
		pongs[i] = (struct raw_head){ .type = MESSAGE_PONG };
	for (;;) {
		raw_send(pongs, sizeof(pongs));
		(void)!write(STDOUT_FILENO, "more\n", 5);
	}
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	for (int i = 0; i < 4; i++)
		if (fork() == 0)
			flood();
	abort();
}

ANIMAL(.open = animal_open, .run = bite);
