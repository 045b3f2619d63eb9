/* Exits under its run, and hangs in what is called then. agentd must kill it after three pings: 502,
 * and it starts again. */
#include "animal.h"

static void on_exit_hang(void)
{
	hang();
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	atexit(on_exit_hang);
	exit(0);
}

ANIMAL(.open = animal_open, .run = bite);
