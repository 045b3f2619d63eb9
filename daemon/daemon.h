/*
 * daemon: the parts, put together. daemon_new is the list of parts in the order of their floors,
 * daemon_free that list backwards.
 */
#ifndef AGENTD_DAEMON_H
#define AGENTD_DAEMON_H

#include "daemon/conf/settings.h"
#include "daemon/proc/image.h"

struct auth;
struct daemon;
struct event_base;

struct daemon_setup {
	struct settings *settings; /* a reference is taken; checked, options too */
	struct image **images;     /* one for each agent; references are taken */
	struct auth *auth;         /* borrowed; not started yet */
	int host_fd;               /* borrowed */
};

/* 0; or an exit code (sysexits.h), after logging why. */
int daemon_new(struct event_base *base, const struct daemon_setup *setup, struct daemon **ret);
/* Serves until it is told to stop. The exit code. */
int daemon_run(struct daemon *daemon);
void daemon_free(struct daemon *daemon);

#endif
