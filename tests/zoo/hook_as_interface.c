/* A hook that submits a message, as only interfaces do. agentd must kill its host. */
#include "raw.h"

static int bite(void *self, struct agentd_call *call, const struct agentd_exchange *exchange)
{
	(void)self, (void)call, (void)exchange;
	raw_submit(1, "beast", 5);
	return 0;
}

HOOK_ANIMAL(.on_message = bite);
