/* Promises to be ready later, and never is. agentd must kill it after supervision.ready and start it
 * again later; its runs, which may wait for it, get 503. */
#include "animal.h"

static int bite(
    const struct agentd_host *given, const struct agentd_options *options, void **ret_self)
{
	animal_open(given, options, ret_self);
	return AGENTD_PENDING;
}

ANIMAL(.open = bite, .run = animal_run);
