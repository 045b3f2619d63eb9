/* Answers with bytes that are no text. agentd must make U+FFFD of them. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	host->log(host, AGENTD_LOG_INFO, "bad words: %s", "caf\xe9 \xff \x1b[2J");
	host->event(run, "n\xff\"\n", agentd_text("{\"\xfe\":1}", 7));
	return say(run, "caf\xe9 \xff\xc3");
}

ANIMAL(.open = animal_open, .run = bite);
