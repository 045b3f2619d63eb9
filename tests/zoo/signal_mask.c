/* Serves, but lets no signal through, and hangs when it is told to end. agentd must kill it when it
 * stops. */
#include "animal.h"

static int bite_in_open(
    const struct agentd_host *given, const struct agentd_options *options, void **ret_self)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	return animal_open(given, options, ret_self);
}

static void bite(void *self)
{
	(void)self;
	hang();
}

ANIMAL(.open = bite_in_open, .run = animal_run, .close = bite);
