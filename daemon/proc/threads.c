/* threads: a folder of /proc. */
#include "daemon/proc/threads.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int threads_read(struct threads *ret)
{
	struct threads threads = { 0 };
	DIR *folder = opendir("/proc/self/task");
	if (!folder)
		return -errno;
	const struct dirent *entry;
	int error = 0;
	while (error == 0 && (entry = readdir(folder))) {
		pid_t id = (pid_t)strtol(entry->d_name, NULL, 10);
		if (id <= 0 || id == getpid())
			continue;
		if (threads.count == THREADS_MAX)
			error = -E2BIG;
		else
			threads.ids[threads.count++] = id;
	}
	closedir(folder);
	if (error == 0)
		*ret = threads;
	return error;
}
