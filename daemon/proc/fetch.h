/*
 * fetch: what a URL has, got by a process of its own (agentd-fetch), which is ended if it takes too long.
 * One thread.
 */
#ifndef AGENTD_PROC_FETCH_H
#define AGENTD_PROC_FETCH_H

#include <stddef.h>

#include "daemon/conf/schema.h"

struct event_base;
struct fetch;

struct fetch_setup {
	const char *url;                  /* borrowed for the call */
	size_t most;                      /* bytes; more is an error */
	const struct schema_list *hidden; /* borrowed for the call: files that it must not see */
	/* Called once, later: with bytes, or with why there are none. Borrowed for the call. */
	void (*done)(void *arg, const char *bytes, size_t length, const char *error);
	void *arg;
};

/* NULL: no memory, or no process; then `done` is not called. */
struct fetch *fetch_start(struct event_base *base, const struct fetch_setup *setup);
/* Before it is done; `done` is not called. */
void fetch_stop(struct fetch *fetch);

#endif
