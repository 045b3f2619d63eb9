/*
 * plugin_path: from `plugin: NAME` to a file. A path (with a "/", or ending in ".so") is relative to
 * the config that says it; a name is searched in plugins.path, or else beside this program and where
 * plugins are installed.
 */
#ifndef AGENTD_CONF_PLUGIN_PATH_H
#define AGENTD_CONF_PLUGIN_PATH_H

#include "daemon/conf/settings.h"

/* Sets instance->plugin_path, or reports where it looked. */
void plugin_path_find(const struct settings *settings, struct instance_settings *instance,
    struct conf_errors *errors);

/* For `agentd --probe WORD`, without a config: the file of that name, or else what is searched as a name, with or
 * without its .so; the word itself if nothing is found. To be freed; NULL: memory is out. */
char *plugin_path_of(const char *word);

#endif
