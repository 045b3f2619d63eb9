/*
 * snapshot: which files there are of a set, and which state each is in; and the folders in which something
 * would have to happen for that to change.
 *
 * Nothing is opened but folders. Links are followed as the kernel does it, name by name, since each folder
 * on the way can change where a path leads: so a link that is swapped, or a folder that is replaced, is
 * seen. What is not there is left out of the list.
 *
 * Bounds: SNAPSHOT_FILES_MAX files, SNAPSHOT_FOLDERS_MAX folders and 32 levels of trees. What is beyond is
 * not looked at, and `cut` says so. One thread.
 */
#ifndef AGENTD_PROC_SNAPSHOT_H
#define AGENTD_PROC_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#define SNAPSHOT_FILES_MAX   4096u
#define SNAPSHOT_FOLDERS_MAX 1000u /* of trees */

enum watch_kind {
	WATCH_FILE,
	WATCH_FOLDER, /* the files right in a folder whose name matches */
	WATCH_TREE, /* sources: a file, or all in a folder and below, but for what no person writes */
};

struct watch_item {
	enum watch_kind kind;
	const char *path; /* relative to the working folder, or absolute */
	const char
	    *names; /* of a folder: a pattern, as fnmatch(3) has it; "*" matches no hidden one */
};

struct snapshot_file {
	char *path; /* as its item has it, with what follows in a folder */
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

/* Freed with snapshot_done; { 0 } is an empty one. */
struct snapshot {
	struct snapshot_file *files; /* by path; none twice */
	size_t count;
	bool cut;
};

/* Called before what is in the folder is looked at, so that no change falls between the two. `name`: only
 * what becomes of this in it matters, and if `is_end`, what is written to it; NULL: all that is in the folder.
 * Both borrowed for the call. */
typedef void snapshot_folder_fn(void *arg, const char *folder, const char *name, bool is_end);

/* 0, or -ENOMEM. */
int snapshot_take(const struct watch_item *items, size_t count, snapshot_folder_fn *folder,
    void *arg, struct snapshot *ret);
void snapshot_done(struct snapshot *snapshot);
/* Whether the two are of the same content, as far as can be told without reading it. */
bool snapshot_is_same(const struct snapshot_file *a, const struct snapshot_file *b);

#endif
