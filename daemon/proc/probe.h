/*
 * probe: starts a plugin just far enough that it says what it is (HELLO), and ends it. What it said
 * is then in its image.
 */
#ifndef AGENTD_PROC_PROBE_H
#define AGENTD_PROC_PROBE_H

#include "daemon/proc/child.h"

struct probe;

struct probe_setup {
	struct image *image;                   /* a reference is taken */
	int host_fd;                           /* borrowed */
	const struct supervision *supervision; /* borrowed */
	const struct host_limits *limits;      /* borrowed */
	const struct schema_list *hidden;      /* borrowed */
	/* Called once, later. `error` is NULL, or why the plugin cannot be loaded, in words that
	 * follow its name. The callback may free the probe. */
	void (*done)(void *arg, const char *error);
	void *arg;
};

struct probe *probe_new(struct event_base *base, const struct probe_setup *setup);
void probe_free(struct probe *probe);

#endif
