/* dev: what is built from what. That sources are there matters only in dev mode: the same config may serve
 * where they are not. */
#include "daemon/conf/dev.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/conf/file.h"
#include "daemon/conf/tables.h"

/* Relative to the file that says them. */
static void find_sources(struct settings *settings, const struct conf_node *section)
{
	struct schema_list *sources = &settings->dev.sources;
	for (size_t i = 0; i < sources->count; i++) {
		const struct conf_node *at = settings_place(section, "sources", i);
		char *beside = conf_file_beside(at->file, sources->items[i]);
		if (!beside)
			continue;
		free(sources->items[i]);
		sources->items[i] = beside;
	}
}

static char *folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');
	if (!slash)
		return strdup(".");
	return strndup(file, slash == file ? 1 : (size_t)(slash - file));
}

void dev_read(struct settings *settings, struct conf_errors *errors)
{
	const struct conf_node *section = conf_get(settings->tree, "dev");
	struct dev_settings *dev = &settings->dev;
	find_sources(settings, section);
	dev->folder = folder_of(settings->tree->file);
	if (dev->build.count && !dev->sources.count)
		conf_error(errors, conf_get(section, "build"),
		    "needs dev.sources, which say when to build");
	if (dev->sources.count && !dev->build.count)
		conf_error(errors, conf_get(section, "sources"),
		    "needs dev.build, which says what to do when they change");
	if (dev->build.count && !*dev->build.items[0])
		conf_error(
		    errors, settings_place(section, "build", 0), "expected a command, not nothing");
}

void dev_done(struct settings *settings)
{
	free(settings->dev.folder);
}

void settings_turn_dev_on(struct settings *settings, struct conf_errors *errors)
{
	const struct conf_node *section = conf_get(settings->tree, "dev");
	const struct schema_list *sources = &settings->dev.sources;
	settings->dev.is_on = true;
	settings->http.docs = true;
	for (size_t i = 0; i < sources->count; i++)
		if (access(sources->items[i], F_OK) < 0)
			conf_error(errors, settings_place(section, "sources", i), "%s: %s",
			    sources->items[i], strerror(errno));
}
