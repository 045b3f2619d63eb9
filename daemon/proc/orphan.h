/*
 * orphan: ends the processes that a host leaves behind.
 *
 * agentd and every agentd-host are subreapers (PR_SET_CHILD_SUBREAPER): whatever a plugin starts, and
 * however it detaches itself, becomes a child of its host, and once the host has died a child of
 * agentd. So every child of ours that agentd has not started itself is a leftover, but for what is in the
 * process group of one that it has started: such as what a build's command puts into the background.
 */
#ifndef AGENTD_PROC_ORPHAN_H
#define AGENTD_PROC_ORPHAN_H

#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>

/* A process that agentd has started, from then on until it is reaped. Owned by who has started it; { 0 } is
 * none. */
struct own_process {
	pid_t pid;
	TAILQ_ENTRY(own_process) link;
};

/* It leads a process group of its own. */
void own_process_add(struct own_process *process, pid_t pid);
/* Nothing happens if it was not added. */
void own_process_drop(struct own_process *process);

/* While there is a loop that others wait for; and at the end. */
#define ORPHANS_SOON_MS 200
#define ORPHANS_LAST_MS 2000

/* Kills and reaps all children of this process but those, and adds how many they were. Waits for those that it
 * has killed, which are gone at once on a machine that has time for them, but no longer than that in all. False: that was
 * not long enough, and some may be left. */
bool orphans_end(unsigned patience_ms, unsigned *count);

#endif
