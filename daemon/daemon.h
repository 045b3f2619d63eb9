/*
 * daemon: the parts, put together. daemon_new is the list of parts in the order of their floors,
 * daemon_free that list backwards.
 */
#ifndef AGENTD_DAEMON_H
#define AGENTD_DAEMON_H

#include "daemon/load.h"

struct daemon;
struct event_base;
struct notify;
struct upgrade;

struct daemon_setup {
	struct loaded loaded;             /* the era's reference is taken over, also on failure */
	const struct load_source *source; /* borrowed */
	struct notify *notify;            /* borrowed */
	struct upgrade *upgrade;          /* borrowed; with the sockets that were handed over */
	int host_fd;                      /* borrowed */
};

/* 0; or an exit code (sysexits.h), after logging why. */
int daemon_new(struct event_base *base, const struct daemon_setup *setup, struct daemon **ret);
/* Serves until it is told to stop, or to be upgraded: then an upgrade is due. The exit code. */
int daemon_run(struct daemon *daemon);
void daemon_free(struct daemon *daemon);

#endif
