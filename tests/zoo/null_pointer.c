/* Writes through a null pointer. agentd must answer 502 to its runs, and start it again. */
#include "animal.h"

__attribute__((no_sanitize("undefined", "address"))) static int bite(
    void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)run, (void)request;
	volatile int *volatile nothing = NULL;
	*nothing = 1;
	return 0;
}

ANIMAL(.open = animal_open, .run = bite);
