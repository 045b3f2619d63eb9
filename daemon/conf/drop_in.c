/* drop_in: one folder, read once. */
#include "daemon/conf/drop_in.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/conf/file.h"
#include "daemon/conf/list.h"
#include "daemon/conf/tables.h"

static int is_plugin_file(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);
	return entry->d_name[0] != '.' && n > 3 && strcmp(entry->d_name + n - 3, ".so") == 0;
}

/* By bytes, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Whether a section of the config has this very file, by whatever path. */
static bool is_named(const struct settings *settings, const char *path)
{
	struct stat file, other;
	if (stat(path, &file) < 0)
		return false;
	for (size_t i = 0; i < settings_instance_count(settings); i++) {
		const char *plugin = settings_instance_at(settings, i)->plugin_path;
		if (plugin && stat(plugin, &other) == 0 && file.st_dev == other.st_dev &&
		    file.st_ino == other.st_ino)
			return true;
	}
	return false;
}

/* What has the name already: "an agent"; NULL: nothing has. */
static const char *who_has(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings_instance_count(settings); i++) {
		const struct instance_settings *instance = settings_instance_at(settings, i);
		if (strcmp(instance->name, name) == 0)
			return settings_kinds[instance->kind].a_word;
	}
	return NULL;
}

static int take_file(const struct settings *settings, const char *path, const char *name,
    struct conf_errors *notes, struct schema_list *list)
{
	if (is_named(settings, path))
		return 0;
	if (!settings_name_is_good(name)) {
		conf_error_at(notes, NULL, 0, 0,
		    "%s is not served: its name cannot be an agent's (letters, digits, _ and -)",
		    path);
		return 0;
	}
	const char *taken = who_has(settings, name);
	if (taken) {
		conf_error_at(notes, NULL, 0, 0,
		    "%s is not served: there is %s \"%s\" with another plugin", path, taken, name);
		return 0;
	}
	int r = list_add(list, name, strlen(name));
	return r < 0 ? r : list_add(list, path, strlen(path));
}

static int take_entry(const struct settings *settings, const char *folder, const char *file,
    struct conf_errors *notes, struct schema_list *list)
{
	char *path = NULL, *name = strndup(file, strlen(file) - 3);
	int r = name && asprintf(&path, "%s/%s", folder, file) >= 0 ? 0 : -ENOMEM;
	if (r == 0)
		r = take_file(settings, path, name, notes, list);
	free(path);
	free(name);
	return r;
}

int drop_in_list(const struct settings *settings, struct conf_errors *errors,
    struct conf_errors *notes, struct schema_list *ret_list)
{
	const struct conf_node *node = conf_get(conf_get(settings->tree, "plugins"), "dir");
	struct schema_list list = { 0 };
	struct dirent **entries;
	if (!settings->plugin_dir)
		return 0;
	char *folder = conf_file_beside(node->file, settings->plugin_dir);
	if (!folder)
		return -ENOMEM;
	int r = 0, count = scandir(folder, &entries, is_plugin_file, by_name);
	if (count < 0)
		conf_error(errors, node, "%s: %s", folder, strerror(errno));
	for (int i = 0; i < count; i++) {
		if (r == 0)
			r = take_entry(settings, folder, entries[i]->d_name, notes, &list);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	free(folder);
	if (r < 0)
		list_done(&list);
	else
		*ret_list = list;
	return r;
}
