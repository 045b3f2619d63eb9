/* Takes its time to be loaded. What agentd says to an interface meanwhile must not end it. */
#include "animal.h"

__attribute__((constructor)) static void bite(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 700000000 }, NULL);
}

INTERFACE_ANIMAL(.start = animal_start, .stop = animal_stop, .send = animal_send);
