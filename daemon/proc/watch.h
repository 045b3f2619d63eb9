/*
 * watch: says which files of a set have changed, when they have come to rest.
 *
 * By inotify, on folders only: a watch on a file would stay with what an editor renames away. Every folder
 * on the way to a file counts, so a link that is swapped, a folder that is replaced, and one that was not
 * there are seen too. An event is no change: it makes the whole set be looked at (snapshot.h), and a file
 * has changed if its device, inode, size or time, or whether it is there, is not as it was seen last. So
 * events that were lost (the kernel's queue is bounded) cost nothing but that look.
 *
 * The look comes WATCH_QUIET_MS after the last event, and at most WATCH_MOST_MS after the first. A file that
 * is being written is left out of it until its writer closes it, or has not written for WATCH_MOST_MS: so
 * nobody is told of half a file.
 *
 * A look at the largest set (SNAPSHOT_FILES_MAX) keeps the loop for some 30 ms; at a config and its plugins,
 * for less than one. One thread.
 */
#ifndef AGENTD_PROC_WATCH_H
#define AGENTD_PROC_WATCH_H

#include "daemon/proc/snapshot.h"

#define WATCH_QUIET_MS 100
#define WATCH_MOST_MS  2000

struct event_base;
struct watch;

/* What has changed, sorted; borrowed for the call, which may call watch_set and not watch_free. */
typedef void watch_changed_fn(void *arg, const char *const *paths, size_t count);

/* Watches nothing yet. 0, or -errno: -EMFILE if the user has too many watchers (fs.inotify). */
int watch_new(struct event_base *base, watch_changed_fn *changed, void *arg, struct watch **ret);
void watch_free(struct watch *watch);
/* Puts this set in the place of the one before; copied. What has changed since it was seen last, and is in
 * both, is told of all the same, also that it has come; a file of an item that was not in the set before is taken as it is now. 0; -ENOMEM, and the set
 * is as it was; or what is the matter although all that can be watched is: -E2BIG if it is too much, or
 * what inotify says, such as -ENOSPC. */
int watch_set(struct watch *watch, const struct watch_item *items, size_t count);
/* How many files there are in the set. */
size_t watch_count(const struct watch *watch);
/* Looks now; what has changed is told before it returns. */
void watch_look(struct watch *watch);

#endif
