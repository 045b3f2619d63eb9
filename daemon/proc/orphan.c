/* orphan: children that nobody asked for. The kernel lists children in /proc (CONFIG_PROC_CHILDREN);
 * without that list there is nothing to be done, and nothing is. */
#include "daemon/proc/orphan.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS_MAX 64 /* a killed leftover may leave children of its own to us */

static unsigned end_round(bool (*is_ours)(pid_t pid))
{
	char path[64];
	unsigned ended = 0;
	int pid;
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	FILE *children = fopen(path, "re");
	if (!children)
		return 0;
	while (fscanf(children, "%d", &pid) == 1) {
		if (is_ours(pid))
			continue;
		kill(pid, SIGKILL); /* it is our child and not reaped: the number is its own */
		waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED);
		ended++;
	}
	fclose(children);
	return ended;
}

unsigned orphans_end(bool (*is_ours)(pid_t pid))
{
	unsigned all = 0, ended;
	for (int i = 0; i < ROUNDS_MAX && (ended = end_round(is_ours)) > 0; i++)
		all += ended;
	return all;
}
