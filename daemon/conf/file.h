/*
 * file: a small file as text, and paths that are relative to another file.
 */
#ifndef AGENTD_CONF_FILE_H
#define AGENTD_CONF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct conf_file {
	char *text; /* owned; with a NUL after the last byte, which does not count */
	size_t length;
	dev_t device; /* device and inode: which file it is, by whatever name */
	ino_t inode;
};

/* Returns 0, -EFBIG if the file has more than `limit` bytes, or what open and read say. */
int conf_file_read(const char *path, size_t limit, struct conf_file *ret_file);

/* Whether others than its owner and root may write a file. A group may if it is root's or our own (user private groups:
 * with a umask of 002 what one makes oneself is so). */
bool conf_file_is_open(const struct stat *is);

/* `path` as seen from the folder of `file`, to be freed. NULL when memory is out. */
char *conf_file_beside(const char *file, const char *path);

#endif
