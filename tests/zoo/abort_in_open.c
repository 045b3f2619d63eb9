/* Aborts in `open`. agentd must start it again, later and later, and answer its runs with 503. */
#include "animal.h"

static int bite(
    const struct agentd_host *given, const struct agentd_options *options, void **ret_self)
{
	(void)given, (void)options, (void)ret_self;
	abort();
}

ANIMAL(.open = bite, .run = animal_run);
