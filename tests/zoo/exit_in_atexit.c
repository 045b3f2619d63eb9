/* Exits under its run, and once more in what is called then. agentd must answer 502, and start it
 * again. */
#include "animal.h"

static void on_exit_again(void)
{
	_exit(5);
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	atexit(on_exit_again);
	exit(0);
}

ANIMAL(.open = animal_open, .run = bite);
