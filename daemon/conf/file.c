/*
 * file: reads one file whole, up to a bound.
 *
 * The size that stat tells is not relied on: a config may come from a pipe (`-c <(make-conf)`) and
 * a secret from /proc or a socket's file, where it is 0.
 */
#include "daemon/conf/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 16384u

/* Reads to the end. `room` is what the text may have, its NUL included. */
static int read_all(int fd, size_t room, char **ret_text, size_t *ret_length)
{
	char *text = NULL;
	size_t length = 0, size = 0;
	int r = -ENOMEM;

	for (;;) {
		if (length + 1 >= size) {
			size = size ? size * 2 : CHUNK;
			char *bigger = realloc(text, size);
			if (!bigger)
				goto fail;
			text = bigger;
		}
		ssize_t n = read(fd, text + length, size - length - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = -errno;
			goto fail;
		}
		if (n == 0)
			break;
		length += (size_t)n;
		if (length >= room) {
			r = -EFBIG;
			goto fail;
		}
	}
	text[length] = '\0';
	*ret_text = text;
	*ret_length = length;
	return 0;
fail:
	free(text);
	return r;
}

int conf_file_read(const char *path, size_t limit, struct conf_file *ret_file)
{
	struct conf_file file = { 0 };
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;

	int r = fstat(fd, &st) < 0 ? -errno : 0;
	if (r == 0)
		r = read_all(fd, limit + 1, &file.text, &file.length);
	close(fd);
	if (r < 0)
		return r;

	file.device = st.st_dev;
	file.inode = st.st_ino;
	*ret_file = file;
	return 0;
}

bool conf_file_is_open(const struct stat *is)
{
	bool group_writes = (is->st_mode & S_IWGRP) && is->st_gid != 0 && is->st_gid != getegid();
	return group_writes || (is->st_mode & S_IWOTH);
}

char *conf_file_beside(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	char *joined;

	if (*path == '/' || !slash)
		return strdup(path);
	if (asprintf(&joined, "%.*s/%s", (int)(slash - file), file, path) < 0)
		return NULL;
	return joined;
}
