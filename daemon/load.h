/*
 * load: a config as it can be served: read, checked along the tables, each plugin tried once, all of it settled. What
 * comes of it is an era: the settings, the plugins' images, and who may come in.
 *
 * The same for a start, for `agentd -t`, and for a reload, which goes on serving meanwhile: nothing here waits. A
 * plugin's file that has not changed since it was loaded is not tried again.
 */
#ifndef AGENTD_LOAD_H
#define AGENTD_LOAD_H

#include "daemon/conf/settings.h"
#include "daemon/proc/image.h"

struct auth;
struct era;
struct event_base;
struct load;

/* Where the config is. All borrowed, for as long as agentd runs. */
struct load_source {
	const char *config; /* a file; NULL: plugins are named, and there is none */
	const char *listen; /* with plugins; NULL: as usual */
	char *const *plugins;
	size_t plugin_count;
	/* Addresses of sockets that systemd handed over; NULL: that is not known, as of a check. */
	const struct schema_list *handed;
	bool dev; /* dev mode */
};

/* What was loaded: all of it is the era's. */
struct loaded {
	struct era *era; /* a reference, of whoever gets this */
	struct settings *settings;
	struct image **images; /* in the order of settings_instance_at */
	struct auth *auth;     /* not started yet */
};

struct load_setup {
	struct event_base *base; /* borrowed */
	const struct load_source *source;
	int host_fd; /* borrowed */
	/* NULL, or told of a config before its plugins are read, also of one that is refused then. `settings` is NULL if it
	 * cannot be read to its end. Borrowed for the call. */
	void (*heed)(void *arg, const struct conf_node *tree, const struct settings *settings);
	void *heed_arg;
	const struct loaded *before; /* what is served now; borrowed until `done`; NULL: nothing */
	/* Once, maybe before load_start returns. NULL: there are errors, which are for people, or (there are none) memory
	 * is out. Both lists are borrowed for the call. */
	void (*done)(void *arg, const struct loaded *loaded, struct conf_errors *errors,
	    struct conf_errors *notes);
	void *arg;
};

/* 0, or -ENOMEM: `done` is not called. *ret is to be stopped with, until `done` has been called, or NULL. */
int load_start(const struct load_setup *setup, struct load **ret);
void load_stop(struct load *load); /* NULL is fine; `done` is not called */

#endif
