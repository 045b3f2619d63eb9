/*
 * replaced: says which files lie beside the way to a hidden one, and are replaced by others of their names.
 *
 * In a folder that leads to a hidden file a sandbox opens what is there, not what its name will be
 * (host/landlock.c). What an editor, a package manager or a DHCP client puts in its place is closed to the
 * processes that there are: whoever starts them hears of it here, and starts others. A name that was not
 * there when they were started is closed to them anyway, and does not count; nor does a link, since what it
 * leads to has a place of its own.
 *
 * By inotify, on names: other than of watch.h, the folders are those in which anybody makes files ($HOME,
 * /tmp), so an event costs a look into a list, and only one of a known name costs more. In a folder that all
 * may write to, files of others than root and agentd's own user do not count.
 *
 * It is told once a folder has been quiet for REPLACED_QUIET_MS, and at most REPLACED_MOST_MS after the first
 * event. A folder in which that happens again and again is told of less and less often, and gets out of that
 * as time goes by.
 *
 * Nothing here waits for a disk or a network. Bound: REPLACED_ENTRIES_MAX names. One thread.
 */
#ifndef AGENTD_PROC_REPLACED_H
#define AGENTD_PROC_REPLACED_H

#include <stddef.h>
#include <stdint.h>

#define REPLACED_QUIET_MS    300
#define REPLACED_MOST_MS     2000
#define REPLACED_ENTRIES_MAX 16384u

struct event_base;
struct replaced;
struct schema_list;

/* A file, borrowed for the call, and `more` others. `wait_ms` is 0: what is there counts as known from now on,
 * so all processes are to be replaced. Else that comes after so long. */
typedef void replaced_fn(void *arg, const char *path, size_t more, uint64_t wait_ms);

struct replaced_set {
	const struct schema_list *hidden; /* files: absolute, no links */
	const char *const *others; /* the same, of files that no process reads; all is copied */
	size_t other_count;
	uint64_t gap_most_ms; /* the longest time between two, of one folder */
};

/* Watches nothing yet. 0, or -errno: -EMFILE if the user has too many watchers (fs.inotify). */
int replaced_new(struct event_base *base, replaced_fn *told, void *arg, struct replaced **ret);
void replaced_free(struct replaced *replaced); /* NULL is fine */
/* Before processes are started that others are hidden from. What is known of files that lie beside the new ways, too,
 * stays as it is. 0; -ENOMEM; or what is the matter although all that can be watched is: -E2BIG if that is too
 * much, or what inotify says, such as -ENOSPC. */
int replaced_watch(struct replaced *replaced, const struct replaced_set *set);
/* Some process was started: names that are new count as well. */
void replaced_learn(struct replaced *replaced);

#endif
