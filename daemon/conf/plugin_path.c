/* plugin_path: where a plugin's file is. */
#include "daemon/conf/plugin_path.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/conf/list.h"

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

static bool is_file_name(const char *name)
{
	size_t n = strlen(name);
	return n > 3 && strcmp(name + n - 3, ".so") == 0;
}

/* The names of the plugins that are there. */
static void list_names(const char *folder, struct schema_list *names)
{
	const struct dirent *entry;
	DIR *dir = opendir(folder);
	while (dir && (entry = readdir(dir)))
		if (is_file_name(entry->d_name))
			list_add(names, entry->d_name, strlen(entry->d_name) - 3);
	if (dir)
		closedir(dir);
}

/* `tried` gets the folders, and `names` what is in those that do not have it. */
static char *search(
    const struct settings *settings, const char *name, struct buf *tried, struct schema_list *names)
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
		if (folder && !found)
			list_names(folder, names);
		buf_addf(tried, "%s%s", i ? ", " : "", folder ? folder : "?");
		free(folder);
	}
	free(beside);
	return found;
}

/* `plugin: echo.so` is a file, and who writes it may mean the one that ships. */
static void report_missing(const struct settings *settings, const struct conf_node *at,
    const char *path, const char *word, struct conf_errors *errors)
{
	struct buf tried = { 0 };
	struct schema_list names = { 0 };
	char *name = strchr(word, '/') ? NULL : strndup(word, strlen(word) - 3);
	char *found = name ? search(settings, name, &tried, &names) : NULL;
	conf_error(errors, at, "there is no file %s%s%s%s", path,
	    found ? "; did you mean the plugin \"" : "", found ? name : "", found ? "\"?" : "");
	list_done(&names);
	buf_done(&tried);
	free(found);
	free(name);
}

void plugin_path_find(
    const struct settings *settings, struct instance_settings *instance, struct conf_errors *errors)
{
	const struct conf_node *at = conf_get(instance->section, "plugin");
	if (strchr(instance->plugin, '/') || is_file_name(instance->plugin)) {
		char *path = resolve(at, instance->plugin);
		if (!path || access(path, F_OK) < 0) {
			report_missing(
			    settings, at, path ? path : instance->plugin, instance->plugin, errors);
			free(path);
			return;
		}
		free(instance->plugin); /* from now on it says the same wherever it is read */
		instance->plugin = strdup(path);
		instance->plugin_path = path;
		return;
	}
	struct buf tried = { 0 };
	struct schema_list names = { 0 };
	instance->plugin_path = search(settings, instance->plugin, &tried, &names);
	char *where = buf_take(&tried);
	const char *near = schema_nearest(instance->plugin, list_next, &names);
	if (!instance->plugin_path)
		conf_error(errors, at, "there is no %s.so in %s%s%s%s", instance->plugin,
		    where ? where : "?", near ? "; did you mean \"" : "", near ? near : "",
		    near ? "\"?" : "");
	list_done(&names);
	free(where);
}

char *plugin_path_of(const char *word)
{
	const struct settings none = { 0 };
	struct buf tried = { 0 };
	struct schema_list names = { 0 };
	size_t n = strlen(word) - (is_file_name(word) ? 3 : 0);
	char *name = strndup(word, n), *found = NULL;
	if (name && !strchr(word, '/') && access(word, F_OK) < 0)
		found = search(&none, name, &tried, &names);
	list_done(&names);
	buf_done(&tried);
	free(name);
	return found ? found : strdup(word);
}
