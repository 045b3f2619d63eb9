/* Calls itself until its stack ends. agentd must answer 502 to its runs, and start it again. */
#include "animal.h"

static size_t deeper(volatile const char *above)
{
	volatile char room[4096];
	room[0] = above[0];
	return above[0] ? 0 : deeper(room) + (size_t)room[0] + 1;
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	volatile const char bottom[1] = { 0 };
	return say(run, deeper(bottom) ? "a deep stack" : "");
}

ANIMAL(.open = animal_open, .run = bite);
