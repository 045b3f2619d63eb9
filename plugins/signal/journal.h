/*
 * journal: what was received and is not in agentd's store yet, as bytes in a file of the interface's spool folder.
 * Signal does not have it any more, so it is written down as it comes, before anything is done with it, for
 * the process that follows one that was killed.
 *
 * It is not synced. What was written outlives the process, whatever ends it, but a power cut takes what the
 * kernel has not written to the disk yet, which may be half a minute's. Each receive would have to wait for the
 * disk, and what a power cut finds on the wire would be lost all the same.
 *
 * It promises nothing: what cannot be written down (the disk is full) is received all the same, with a line in the
 * log. It does not look at what the bytes say.
 */
#ifndef SIGNAL_JOURNAL_H
#define SIGNAL_JOURNAL_H

#include "agentd/plugin.h"

struct signal_journal;

/* The host is borrowed. NULL: memory is out. */
struct signal_journal *signal_journal_new(const struct agentd_host *host);
/* What is in it stays. NULL is fine. */
void signal_journal_free(struct signal_journal *journal);

/* What an earlier process has left; it stays in the journal, and what is added comes behind it. The caller's to
 * free; NULL: nothing. Once, before anything is added. What cannot be read ends the process. */
char *signal_journal_take_up(struct signal_journal *journal, size_t *ret_n);
/* Bytes without a brace cannot be a message, and are no reason to make a file each second. */
void signal_journal_add(struct signal_journal *journal, struct agentd_text bytes);
/* All that was added is in the store. */
void signal_journal_clear(struct signal_journal *journal);

#endif
