/* plugin_path: where a plugin's file is. */
#include "daemon/conf/plugin_path.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/buf.h"

#ifndef AGENTD_PLUGINDIR
#define AGENTD_PLUGINDIR "/usr/lib/agentd/plugins"
#endif

/* A path of the config is relative to the file that says it. */
static char *resolve(const struct conf_node *node, const char *path)
{
	struct buf out = { 0 };
	const char *slash = node && node->line ? strrchr(node->file, '/') : NULL;
	if (path[0] != '/' && slash)
		buf_add(&out, node->file, (size_t)(slash - node->file + 1));
	buf_add_str(&out, path);
	return buf_take(&out);
}

static char *join(const char *folder, const char *name)
{
	struct buf out = { 0 };
	buf_addf(&out, "%s/%s.so", folder, name);
	return buf_take(&out);
}

/* The folder of plugins that lies beside this program, as in a build tree. */
static char *beside_program(void)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return NULL;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	struct buf out = { 0 };
	buf_addf(&out, "%s/plugins", self);
	return buf_take(&out);
}

static char *search(const struct settings *settings, const char *name, struct buf *tried)
{
	const struct schema_list *path = &settings->plugin_path;
	const struct conf_node *node = conf_get(conf_get(settings->tree, "plugins"), "path");
	char *beside = beside_program();
	char usual[] = AGENTD_PLUGINDIR;
	char *fallback[] = { beside, usual };
	char *const *folders = path->count ? path->items : fallback;
	size_t count = path->count ? path->count : 2;
	char *found = NULL;
	for (size_t i = 0; i < count && !found; i++) {
		char *folder = folders[i] ? resolve(path->count ? node : NULL, folders[i]) : NULL;
		char *file = folder ? join(folder, name) : NULL;
		if (file && access(file, F_OK) == 0)
			found = file;
		else
			free(file);
		buf_addf(tried, "%s%s", i ? ", " : "", folder ? folder : "?");
		free(folder);
	}
	free(beside);
	return found;
}

void plugin_path_find(
    const struct settings *settings, struct instance_settings *instance, struct conf_errors *errors)
{
	const struct conf_node *at = conf_get(instance->section, "plugin");
	size_t n = strlen(instance->plugin);
	bool is_path = strchr(instance->plugin, '/') ||
		       (n > 3 && strcmp(instance->plugin + n - 3, ".so") == 0);
	if (is_path) {
		char *path = resolve(at, instance->plugin);
		if (!path || access(path, F_OK) < 0) {
			conf_error(
			    errors, at, "there is no file %s", path ? path : instance->plugin);
			free(path);
			return;
		}
		free(instance->plugin); /* from now on it says the same wherever it is read */
		instance->plugin = strdup(path);
		instance->plugin_path = path;
		return;
	}
	struct buf tried = { 0 };
	instance->plugin_path = search(settings, instance->plugin, &tried);
	char *where = buf_take(&tried);
	if (!instance->plugin_path)
		conf_error(
		    errors, at, "there is no %s.so in %s", instance->plugin, where ? where : "?");
	free(where);
}
