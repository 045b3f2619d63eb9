/*
 * plugins: from the names in the config to files that are held, loaded once on trial, and whose
 * options are checked.
 */
#ifndef AGENTD_PLUGINS_H
#define AGENTD_PLUGINS_H

#include "daemon/conf/settings.h"
#include "daemon/proc/image.h"

struct event_base;

/* The plugins of all instances, each file loaded once, by a process that says what it is and ends. */
struct trials;
struct trials_setup {
	struct event_base *base;         /* borrowed */
	const struct settings *settings; /* borrowed */
	int host_fd;                     /* borrowed */
	/* Images that need not be tried, if their files have not changed; some may be NULL. Borrowed. */
	struct image *const *known;
	size_t known_count;
	void (*done)(void *arg); /* all have answered; maybe inside trials_start */
	void *arg;
};
struct trials *trials_new(const struct trials_setup *setup); /* NULL: memory is out */
void trials_start(struct trials *trials);
void trials_free(struct trials *trials);

/*
 * What came of them, for the settings that they were for: what is wrong is an error, and so is a plugin of another
 * kind than its section; options, triggers and paths are checked. A plugin of the drop-in folder that cannot be
 * served is dropped from the settings with a note. Returns an image for each, in the order of settings_instance_at,
 * NULL where there is none; NULL only when memory is out.
 */
struct image **trials_take(struct trials *trials, struct settings *settings,
    struct conf_errors *errors, struct conf_errors *notes);
void plugins_free(struct image **images, size_t count);

/* `agentd --probe FILE`: prints what a plugin says about itself. The exit code. */
int plugins_show(struct event_base *base, const char *path, int host_fd);

#endif
