/* Changes a message into more than one may have. agentd must kill its host. */
#include "raw.h"

static int bite(void *self, struct agentd_call *call, const struct agentd_exchange *exchange)
{
	(void)self, (void)call, (void)exchange;
	static char frame[sizeof(struct raw_head) + 16 + (300u << 10)];
	struct raw_head head = {
		.length = sizeof(frame) - sizeof(head), .type = MESSAGE_DECIDE, .run = 1
	};
	uint32_t text = 300u << 10, absent = UINT32_MAX;
	char *at = frame;
	memcpy(at, &head, sizeof(head));
	memcpy(at + sizeof(head) + 8, &text, sizeof(text));
	memset(at + sizeof(head) + 12, 'x', text);
	memcpy(at + sizeof(head) + 12 + text, &absent, sizeof(absent));
	raw_send(frame, sizeof(frame));
	return 0;
}

HOOK_ANIMAL(.on_message = bite);
