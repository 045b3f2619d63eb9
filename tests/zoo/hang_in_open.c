/* Never comes back from `open`. agentd must kill it after supervision.ready and start it again later;
 * its runs, which may wait for it, get 503. */
#include "animal.h"

static int bite(
    const struct agentd_host *given, const struct agentd_options *options, void **ret_self)
{
	(void)given, (void)options, (void)ret_self;
	hang();
}

ANIMAL(.open = bite, .run = animal_run);
