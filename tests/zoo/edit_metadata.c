/* Makes metadata of what is no JSON object. It must be left out. */
#include "animal.h"

static int bite(void *self, struct agentd_call *call, const struct agentd_exchange *exchange)
{
	(void)self, (void)exchange;
	static const char json[] = "{}, \"user_id\": \"root\"";
	host->edit(call, AGENTD_EDIT_METADATA, agentd_text(json, sizeof(json) - 1));
	return 0;
}

HOOK_ANIMAL(.before_run = bite);
