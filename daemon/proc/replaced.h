/*
 * replaced: says which files lie beside the way to a hidden one, and are replaced by others of their names.
 *
 * In a folder that leads to a hidden file a sandbox opens what is there, not what its name will be
 * (host/landlock.c). What an editor, a package manager or a DHCP client puts in its place is closed to the
 * processes that there are: whoever starts them hears of it here, and starts others.
 *
 * By inotify, on names. An event says no more than that something has been made or moved: once there is rest for
 * REPLACED_QUIET_MS, and at most REPLACED_MOST_MS after the first, all these folders are looked through, and a
 * name with another inode than before is replaced. A name that came after the processes were started is closed to
 * them anyway; if it is replaced, that counts all the same, and costs no more than new processes.
 *
 * What does not count: links, since what they lead to has a place of its own; mounts, which come and go by
 * themselves; names that begin with "." or "#" or end with "~" (histories, locks, what editors leave); and all
 * that is right in a folder that everybody may write to, such as /tmp: strangers could have agentd busy there.
 *
 * If there is no end to it, it is told of less and less often. That is forgotten after a while without.
 *
 * A look costs a readdir of each folder and a stat of each name, of what the kernel knows: 2 ms for a thousand names.
 * Bound: REPLACED_NAMES_MAX names, those that are gone included; what is more is not seen. One thread.
 */
#ifndef AGENTD_PROC_REPLACED_H
#define AGENTD_PROC_REPLACED_H

#include <stddef.h>
#include <stdint.h>

#define REPLACED_QUIET_MS  300
#define REPLACED_MOST_MS   2000
#define REPLACED_NAMES_MAX 8192u

struct event_base;
struct replaced;
struct schema_list;

/* A file, borrowed for the call, and `more` others. `wait_ms` is 0: what is there counts as known from now on,
 * so all processes are to be replaced. Else that comes after so long. Calls nothing of this module. */
typedef void replaced_fn(void *arg, const char *path, size_t more, uint64_t wait_ms);

/* Watches nothing yet. `gap_most_ms`: the longest time between two calls that ask for processes. 0, or -errno:
 * -EMFILE if the user has too many watchers (fs.inotify). */
int replaced_new(struct event_base *base, uint64_t gap_most_ms, replaced_fn *told, void *arg,
    struct replaced **ret);
void replaced_free(struct replaced *replaced); /* NULL is fine */
/* Before processes are started that others are hidden from. Files are absolute, without links, and copied; `others` do
 * not count, since no process reads them. What has been replaced by now is told of later. Folders that lead to nothing
 * any more go on making it look. 0; -ENOMEM; or what is the matter although all that can be watched is: -E2BIG if that
 * is too much, or what inotify says, such as -ENOSPC. */
int replaced_watch(
    struct replaced *replaced, const struct schema_list *hidden, const struct schema_list *others);

#endif
