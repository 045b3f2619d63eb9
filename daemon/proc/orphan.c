/* orphan: children that nobody asked for. The kernel lists children in /proc (CONFIG_PROC_CHILDREN);
 * without that list there is nothing to be done, and nothing is. */
#include "daemon/proc/orphan.h"

#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/id.h"

static TAILQ_HEAD(, own_process) own_processes = TAILQ_HEAD_INITIALIZER(own_processes);

void own_process_add(struct own_process *process, pid_t pid)
{
	process->pid = pid;
	TAILQ_INSERT_TAIL(&own_processes, process, link);
}

void own_process_drop(struct own_process *process)
{
	if (!process->pid)
		return;
	TAILQ_REMOVE(&own_processes, process, link);
	process->pid = 0;
}

/* One whose parent has ended becomes ours: then its group tells where it belongs. */
static bool is_own(pid_t pid)
{
	const struct own_process *process;
	pid_t group = getpgid(pid);
	TAILQ_FOREACH (process, &own_processes, link)
		if (process->pid == pid || process->pid == group)
			return true;
	return false;
}

/* Reaps one that was killed. */
static bool await(pid_t pid, uint64_t until_ms)
{
	siginfo_t info = { 0 };
	int fd = pidfd_open(pid, 0);
	uint64_t now = clock_monotonic_ms();
	if (fd >= 0) {
		struct pollfd ended = { .fd = fd, .events = POLLIN };
		poll(&ended, 1, now < until_ms ? (int)(until_ms - now) : 0);
		close(fd);
	}
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG) == 0 && info.si_pid;
}

/* False: there was none. */
static bool end_round(uint64_t until_ms, unsigned *count)
{
	char path[64];
	bool found = false;
	int pid;
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	FILE *children = fopen(path, "re");
	if (!children)
		return false;
	while (fscanf(children, "%d", &pid) == 1) {
		if (is_own(pid))
			continue;
		kill(pid, SIGKILL); /* it is our child and not reaped: the number is its own */
		*count += await(pid, until_ms);
		found = true;
	}
	fclose(children);
	return found;
}

/* Each may leave children of its own to us. First all are killed, then they are waited for: those that the kernel holds
 * up are so beside each other. */
bool orphans_end(unsigned patience_ms, unsigned *count)
{
	uint64_t until_ms = clock_monotonic_ms() + patience_ms;
	for (bool waits = false; end_round(waits ? until_ms : 0, count); waits = true)
		if (clock_monotonic_ms() >= until_ms)
			return false;
	return true;
}
