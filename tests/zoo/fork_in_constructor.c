/* Leaves a process in a session of its own whenever it is loaded, and works. agentd must serve it, and
 * end each of them with the host that has made it. */
#include "animal.h"

__attribute__((constructor)) static void begin(void)
{
	if (fork() == 0) {
		setsid();
		linger();
	}
}

ANIMAL(.open = animal_open, .run = animal_run);
