/*
 * edition: what the processes of an instance (an agent, an interface, a hook) are made of: its plugin's image, its options,
 * its limits, as one config has them. A reload makes a new one; processes keep theirs.
 *
 * Reference counted, one thread.
 */
#ifndef AGENTD_PROC_EDITION_H
#define AGENTD_PROC_EDITION_H

#include "daemon/proc/child.h"

struct edition;
struct era;

struct edition_setup {
	struct era *era; /* a reference is taken; the rest is borrowed from it */
	const struct instance_settings *instance; /* its options are checked */
	const struct supervision *supervision;
	const struct schema_list *hidden; /* files that its processes must not see */
	struct image *image;              /* a reference is taken */
	unsigned view; /* another number: a file that its processes could read was replaced */
};

/* NULL: memory is out. */
struct edition *edition_new(const struct edition_setup *setup);
struct edition *edition_ref(struct edition *edition);
void edition_unref(struct edition *edition); /* NULL is fine */
/* Lets its era go: from now on whoever has it sees to it that it is gone before that is over. */
void edition_leave_era(struct edition *edition);
/* Whether both are the same plugin, with the same settings. */
bool edition_is_made_alike(const struct edition *a, const struct edition *b);
/* Whether processes of the one are as good as those of the other: they see the same files, too. */
bool edition_is_alike(const struct edition *a, const struct edition *b);
/* Why processes of the one take the place of the other's, as people read it. */
const char *edition_change(const struct edition *before, const struct edition *after);
const struct descriptor *edition_descriptor(const struct edition *edition);
const struct instance_settings *edition_instance(const struct edition *edition);
/* What a child of it is set up with; the rest is the caller's. Borrowed for as long as the edition is. */
struct child_setup edition_child(const struct edition *edition);

#endif
