/* Leaves a process in a session of its own, and aborts, while it is loaded. agentd must refuse the file
 * and end what it has left, which holds the socket and the pipe. */
#include "animal.h"

__attribute__((constructor)) static void begin(void)
{
	if (fork() == 0) {
		setsid();
		linger();
	}
	abort();
}

ANIMAL(.open = animal_open, .run = animal_run);
