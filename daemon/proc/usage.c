/* usage: one line of /proc. */
#include "daemon/proc/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int usage_read(pid_t pid, struct usage *ret)
{
	char path[32], line[1024];
	unsigned long long user, system;
	long long pages;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	if (fd >= 0)
		close(fd);
	line[n > 0 ? n : 0] = '\0';
	const char *rest = strrchr(line, ')'); /* behind the name, which may hold anything */
	if (!rest || sscanf(rest,
			 ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu "
			 "%*d %*d %*d %*d %*d %*d %*u %*u %lld",
			 &user, &system, &pages) != 3)
		return -ESRCH;
	ret->cpu_seconds = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
	ret->resident_bytes = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}
