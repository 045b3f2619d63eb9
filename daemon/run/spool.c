/* spool: files by name only; nothing is followed that is a link. */
#include "daemon/run/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/id.h"

#define OF_INTERFACE "in-"

struct spool {
	char *path;
};

int spool_new(const char *path, struct spool **ret)
{
	struct spool *spool = calloc(1, sizeof(*spool));
	if (spool)
		spool->path = strdup(path);
	if (!spool || !spool->path) {
		spool_free(spool);
		return -ENOMEM;
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		int error = -errno;
		spool_free(spool);
		return error;
	}
	*ret = spool;
	return 0;
}

void spool_free(struct spool *spool)
{
	if (!spool)
		return;
	free(spool->path);
	free(spool);
}

static char *join(const struct spool *spool, const char *prefix, const char *name)
{
	char *path;
	return asprintf(&path, "%s/%s%s", spool->path, prefix, name) < 0 ? NULL : path;
}

char *spool_of_run(const struct spool *spool, const char *run_id)
{
	return join(spool, "", run_id);
}

/* A plugin may have put something else in its place, which is in the way. */
static int make_folder(const char *path)
{
	struct stat there;
	if (lstat(path, &there) == 0 && !S_ISDIR(there.st_mode) && unlink(path) < 0)
		return -errno;
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

char *spool_of_interface(const struct spool *spool, const char *name)
{
	char *path = join(spool, OF_INTERFACE, name);
	if (path && make_folder(path) < 0) {
		free(path);
		path = NULL;
	}
	return path;
}

static int write_all(int fd, const char *bytes, size_t n)
{
	while (n) {
		ssize_t written = write(fd, bytes, n);
		if (written < 0 && errno != EINTR)
			return -errno;
		bytes += written > 0 ? written : 0;
		n -= written > 0 ? (size_t)written : 0;
	}
	return 0;
}

/* A descriptor of the folder, or -errno. Whoever else is this user may have put something in its place. */
static int open_folder(const char *path)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int make_file(const char *path, const char *name, const void *bytes, size_t n)
{
	int folder = open_folder(path);
	if (folder < 0)
		return folder;
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int error = fd < 0 ? -errno : write_all(fd, bytes, n);
	if (fd >= 0 && close(fd) < 0 && error == 0)
		error = -errno;
	close(folder);
	return error;
}

int spool_add(const struct spool *spool, const char *run_id, const char *name, const void *bytes,
    size_t n, char **ret_path)
{
	char *folder = join(spool, "", run_id), *path = NULL;
	if (!folder || asprintf(&path, "%s/%s", folder, name) < 0) {
		free(folder);
		return -ENOMEM;
	}
	int error = make_file(folder, name, bytes, n);
	free(folder);
	if (error < 0)
		free(path);
	else
		*ret_path = path;
	return error;
}

/* Plugins can write in these folders, and put a link in the place of one: it would lead agentd to files that
 * their sandbox keeps from them. */
void spool_remove_file(const struct spool *spool, const char *path)
{
	size_t n = strlen(spool->path);
	const char *below =
	    strncmp(path, spool->path, n) == 0 && path[n] == '/' ? path + n + 1 : "";
	const char *name = strchr(below, '/');
	if (!name || below[0] == '.' || strchr(name + 1, '/'))
		return;
	char *folder = strndup(path, (size_t)(name - path));
	int fd = folder ? open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	if (fd >= 0) {
		unlinkat(fd, name + 1, 0);
		close(fd);
	}
	free(folder);
}

static bool is_of_interface(const char *path)
{
	const char *slash = strrchr(path, '/');
	return strncmp(slash ? slash + 1 : path, OF_INTERFACE, sizeof(OF_INTERFACE) - 1) == 0;
}

/* What is in a folder and was last changed before then, but for folders, and what is a plugin's own. True: it is empty
 * now. */
static bool clear(int parent, const char *name, int64_t before_s)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	bool empty = true;
	if (!folder) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while ((entry = readdir(folder))) {
		struct stat file;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		bool ours = !is_of_interface(name) || id_is_good(entry->d_name);
		bool old = fstatat(fd, entry->d_name, &file, AT_SYMLINK_NOFOLLOW) == 0 &&
			   file.st_mtime < before_s;
		if (!ours || !old || unlinkat(fd, entry->d_name, 0) < 0)
			empty = false;
	}
	closedir(folder);
	return empty;
}

static void clear_and_remove(int parent, const char *name, int64_t before_s)
{
	struct stat folder;
	bool old =
	    fstatat(parent, name, &folder, AT_SYMLINK_NOFOLLOW) == 0 && folder.st_mtime < before_s;
	if (clear(parent, name, before_s) && old && !is_of_interface(name))
		unlinkat(parent, name, AT_REMOVEDIR);
}

void spool_remove_run(const struct spool *spool, const char *run_id)
{
	char *path = join(spool, "", run_id);
	/* Most have none, and that is one call. */
	if (path && rmdir(path) < 0 && errno != ENOENT)
		clear_and_remove(AT_FDCWD, path, INT64_MAX);
	free(path);
}

void spool_sweep(const struct spool *spool, uint64_t before_wall_ms)
{
	DIR *folder = opendir(spool->path);
	const struct dirent *entry;
	while (folder && (entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			clear_and_remove(
			    dirfd(folder), entry->d_name, (int64_t)(before_wall_ms / 1000));
	if (folder)
		closedir(folder);
}
