/* sync: the file, then upwards. */
#include "daemon/base/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int sync_at(int folder, const char *name, int flags)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags);
	int error = fd < 0 || fsync(fd) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return error;
}

int sync_file(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = slash ? strndup(path, (size_t)(slash - path)) : NULL;
	if (!name)
		return slash ? -ENOMEM : -EINVAL;
	int folder = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int error = folder < 0 ? -errno : sync_at(folder, slash + 1, 0);
	if (error == 0)
		error = fsync(folder) < 0 ? -errno : sync_at(folder, "..", O_DIRECTORY);
	if (folder >= 0)
		close(folder);
	free(name);
	return error;
}
