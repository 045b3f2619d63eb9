/*
 * sync: fsync fails for files whose path has AGENTD_TEST_SYNC in it, as on a disk that is full or broken. Loaded
 * before the C library (LD_PRELOAD).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int fd)
{
	const char *part = getenv("AGENTD_TEST_SYNC");
	char link[64], path[4096];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	if (part && strstr(path, part)) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}
