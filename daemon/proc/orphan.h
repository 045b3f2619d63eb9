/*
 * orphan: ends the processes that a host leaves behind.
 *
 * agentd and every agentd-host are subreapers (PR_SET_CHILD_SUBREAPER): whatever a plugin starts, and
 * however it detaches itself, becomes a child of its host, and once the host has died a child of
 * agentd. So every child of ours that is no host is a leftover.
 */
#ifndef AGENTD_PROC_ORPHAN_H
#define AGENTD_PROC_ORPHAN_H

#include <stdbool.h>
#include <sys/types.h>

/* Kills and reaps all children of this process but those that are ours, and adds how many they were.
 * Waits for those that it has killed, which are gone at once, but at most 200 ms in all. False: that
 * was not long enough, and some may be left. */
bool orphans_end(bool (*is_ours)(pid_t pid), unsigned *count);

#endif
