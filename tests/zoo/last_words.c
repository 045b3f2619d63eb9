/* Prints bytes that are no text as its last words, and aborts. agentd must show them as the reason, with
 * U+FFFD, wherever it does. */
#include "animal.h"

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	fputs("caf\xe9 \x1b[2J \xff\n", stderr);
	abort();
}

ANIMAL(.open = animal_open, .run = bite);
