/* Says why it leaves in words that are long and no text, and aborts. agentd must show a part of them,
 * and break neither its JSON nor a terminal. */
#include "raw.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	static const char words[] = "\"\\ \n\x1b[2J \xff {\"state\":\"ready\"} ";
	char body[8000];
	uint32_t n = sizeof(body) - sizeof(n);
	memset(body, 'x', sizeof(body));
	memcpy(body, &n, sizeof(n));
	memcpy(body + sizeof(n), words, sizeof(words) - 1);
	raw_frame(MESSAGE_LEAVING, 0, body, sizeof(body));
	abort();
}

ANIMAL(.open = animal_open, .run = bite);
