/*
 * plugins: from the names in the config to files that are held, loaded once on trial, and whose
 * options are checked.
 */
#ifndef AGENTD_PLUGINS_H
#define AGENTD_PLUGINS_H

#include "daemon/conf/settings.h"
#include "daemon/proc/image.h"

struct event_base;

/*
 * Loads the plugin of every instance, each file once, and checks its options. Runs the loop
 * until all have answered. One that is of another kind than its section is an error. A plugin of
 * the drop-in folder that cannot be served is dropped from the settings with a note. Returns an
 * image for each, in the order of settings_instance_at, NULL where there is none; NULL only when memory is out.
 */
struct image **plugins_load(struct event_base *base, struct settings *settings, int host_fd,
    struct conf_errors *errors, struct conf_errors *notes);
void plugins_free(struct image **images, size_t count);

/* `agentd --probe FILE`: prints what a plugin says about itself. The exit code. */
int plugins_show(struct event_base *base, const char *path, int host_fd);

#endif
