/* dev: three sets of files that are watched, and what follows when they change. */
#include "daemon/dev.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/conf/file.h"
#include "daemon/proc/build.h"
#include "daemon/proc/watch.h"

/* The sets. */
enum { CONFIG, PLUGINS, SOURCES, SETS };

/* One that is being put together; the texts are owned. */
struct set {
	struct watch_item *items;
	size_t count;
};

struct dev;

/* Of one set. */
struct heed {
	struct dev *dev; /* borrowed */
	struct watch *watch;
	struct set served; /* what dev_serve has said, for dev_try to add to */
	bool
	    has_changed; /* and no reload has been asked for since; of sources: and no build was begun */
	char why[256]; /* what; "" */
};

struct dev {
	dev_reload_fn *reload;
	void *arg; /* borrowed */
	struct heed heeds[SETS];
	struct build *build;
	bool is_building;  /* up to the moment when all that has changed meanwhile is known */
	unsigned in_a_row; /* builds, each because of what changed during the one before */
};

/* Sets. */

static void set_done(struct set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		free((char *)(uintptr_t)set->items[i].path);
		free((char *)(uintptr_t)set->items[i].names);
	}
	free(set->items);
	*set = (struct set){ 0 };
}

/* Takes over the path, and copies the names. What there is no memory for is not watched. */
static void set_add(struct set *set, enum watch_kind kind, char *path, const char *names)
{
	char *copy = names ? strdup(names) : NULL;
	struct watch_item *items =
	    path ? reallocarray(set->items, set->count + 1, sizeof(*items)) : NULL;
	if (items)
		set->items = items;
	if (!items || (names && !copy)) {
		log_error("cannot watch %s: out of memory", path ? path : "a file");
		free(path);
		free(copy);
		return;
	}
	items[set->count++] = (struct watch_item){ kind, path, copy };
}

static int add_file(void *arg, const char *path)
{
	set_add(arg, WATCH_FILE, strdup(path), NULL);
	return 0;
}

static int add_include(void *arg, const char *folder, const char *names)
{
	set_add(arg, WATCH_FOLDER, strdup(folder), names);
	return 0;
}

/* Those that a config is read from. One of the command line has none. */
static void add_config(struct set *set, const struct conf_node *tree)
{
	if (!tree->line)
		return;
	conf_files(tree, add_file, set);
	conf_includes(tree, add_include, set);
}

/* Also a plugin that is not there, if the config says where it would be: it may yet come. */
static void add_plugin(struct set *set, const struct instance_settings *instance)
{
	const struct conf_node *at = conf_get(instance->section, "plugin");
	const char *word = at && at->kind == CONF_SCALAR ? at->text : NULL;
	if (instance->plugin_path)
		set_add(set, WATCH_FILE, strdup(instance->plugin_path), NULL);
	else if (word && strchr(word, '/'))
		set_add(set, WATCH_FILE, conf_file_beside(at->line ? at->file : "", word), NULL);
}

static void add_plugins(struct set *set, const struct settings *settings)
{
	const struct conf_node *dir = conf_get(conf_get(settings->tree, "plugins"), "dir");
	for (size_t i = 0; i < settings_instance_count(settings); i++)
		add_plugin(set, settings_instance_at(settings, i));
	if (settings->plugin_dir)
		set_add(set, WATCH_FOLDER,
		    conf_file_beside(dir ? dir->file : "", settings->plugin_dir), "*.so");
}

static void add_sources(struct set *set, const struct settings *settings)
{
	const struct schema_list *sources = &settings->dev.sources;
	for (size_t i = 0; i < sources->count; i++)
		set_add(set, WATCH_TREE, strdup(sources->items[i]), NULL);
}

/* All that a config and its settings name, unless they say that nothing is to be watched. */
static void collect(
    struct set sets[SETS], const struct conf_node *tree, const struct settings *settings)
{
	if (settings && !settings->dev.watch)
		return;
	add_config(&sets[CONFIG], tree);
	if (!settings)
		return;
	add_plugins(&sets[PLUGINS], settings);
	add_sources(&sets[SOURCES], settings);
}

static void say_unwatched(int error)
{
	if (error == -E2BIG)
		log_warn(
		    "dev.sources: there are more than %u files, or %u folders: not all are watched",
		    SNAPSHOT_FILES_MAX, SNAPSHOT_FOLDERS_MAX);
	else if (error < 0)
		log_warn("cannot watch all files: %s%s", strerror(-error),
		    error == -ENOSPC ? " (sysctl fs.inotify.max_user_watches)" : "");
}

static void heed_watch(struct heed *heed, const struct set *set)
{
	say_unwatched(watch_set(heed->watch, set->items, set->count));
}

void dev_serve(struct dev *dev, const struct settings *settings)
{
	struct set sets[SETS] = { 0 };
	collect(sets, settings->tree, settings);
	for (size_t i = 0; i < SETS; i++) {
		set_done(&dev->heeds[i].served);
		dev->heeds[i].served = sets[i];
		heed_watch(&dev->heeds[i], &sets[i]);
	}
	if (build_set(dev->build, &settings->dev.build, settings->dev.folder) < 0)
		log_error("cannot change what is built: out of memory");
}

void dev_try(struct dev *dev, const struct conf_node *tree, const struct settings *settings)
{
	struct set sets[SETS] = { 0 };
	collect(sets, tree, settings);
	set_done(&sets[SOURCES]); /* they are built as what is served has it */
	for (size_t i = 0; i < SOURCES; i++) {
		const struct set *served = &dev->heeds[i].served;
		for (size_t j = 0; j < served->count; j++)
			set_add(&sets[i], served->items[j].kind, strdup(served->items[j].path),
			    served->items[j].names);
		heed_watch(&dev->heeds[i], &sets[i]);
		set_done(&sets[i]);
	}
}

/* Changes. */

/* One reload for all that has changed. */
static void dev_reload(struct dev *dev)
{
	char why[sizeof(dev->heeds[0].why)];
	const struct heed *first = &dev->heeds[dev->heeds[CONFIG].has_changed ? CONFIG : PLUGINS];
	memcpy(why, first->why, sizeof(why));
	dev->heeds[CONFIG].has_changed = dev->heeds[PLUGINS].has_changed = false;
	dev->reload(dev->arg, why);
}

static void dev_start_build(struct dev *dev)
{
	dev->heeds[SOURCES].has_changed = false;
	dev->is_building = build_start(dev->build, dev->heeds[SOURCES].why);
}

static void dev_on_changed(void *arg, const char *const *paths, size_t count)
{
	struct heed *heed = arg;
	struct dev *dev = heed->dev;
	if (count == 1)
		snprintf(heed->why, sizeof(heed->why), "%s has changed", paths[0]);
	else
		snprintf(heed->why, sizeof(heed->why), "%s and %zu more have changed", paths[0],
		    count - 1);
	heed->has_changed = true;
	if (dev->is_building)
		return; /* dev_on_built sees to it */
	if (heed != &dev->heeds[SOURCES])
		dev_reload(dev);
	else if (build_is_set(dev->build))
		dev_start_build(dev);
}

/* After a build, with all known that changed during it. */
static void dev_go_on(struct dev *dev, bool is_good)
{
	const struct heed *sources = &dev->heeds[SOURCES];
	dev->in_a_row = sources->has_changed ? dev->in_a_row + 1 : 0;
	if (dev->in_a_row >= BUILDS_IN_A_ROW) {
		log_warn(
		    "build: %s, as during the %d builds before: it is not followed by another; "
		    "leave what a build makes out of dev.sources",
		    sources->why, BUILDS_IN_A_ROW - 1);
		dev->in_a_row = 0;
	} else if (dev->in_a_row && build_is_set(dev->build)) {
		dev_start_build(dev);
	}
	if (dev->is_building)
		return;
	if (dev->heeds[CONFIG].has_changed || (is_good && dev->heeds[PLUGINS].has_changed))
		dev_reload(dev);
}

/* What has changed up to now counts as changed during the build, though nobody has been told yet. */
static void dev_on_built(void *arg, bool is_good)
{
	struct dev *dev = arg;
	for (size_t i = 0; i < SETS; i++)
		watch_look(dev->heeds[i].watch);
	dev->is_building = false;
	dev_go_on(dev, is_good);
}

/* The whole. */

int dev_new(struct event_base *base, dev_reload_fn *reload, void *arg, struct dev **ret)
{
	struct dev *dev = calloc(1, sizeof(*dev));
	int error = dev ? 0 : -ENOMEM;
	for (size_t i = 0; error == 0 && i < SETS; i++) {
		dev->heeds[i].dev = dev;
		error = watch_new(base, dev_on_changed, &dev->heeds[i], &dev->heeds[i].watch);
	}
	if (error == 0 && !(dev->build = build_new(base, BUILD_LIMIT_MS, "what was served goes on",
				dev_on_built, dev)))
		error = -ENOMEM;
	if (error < 0) {
		dev_free(dev);
		return error;
	}
	dev->reload = reload;
	dev->arg = arg;
	*ret = dev;
	return 0;
}

void dev_free(struct dev *dev)
{
	if (!dev)
		return;
	build_free(dev->build);
	for (size_t i = 0; i < SETS; i++) {
		watch_free(dev->heeds[i].watch);
		set_done(&dev->heeds[i].served);
	}
	free(dev);
}

const struct build *dev_build(const struct dev *dev)
{
	return dev->build;
}

void dev_say(const struct dev *dev)
{
	size_t files =
	    watch_count(dev->heeds[CONFIG].watch) + watch_count(dev->heeds[PLUGINS].watch);
	if (!files) {
		log_info("dev mode; nothing is watched (dev.watch)");
		return;
	}
	log_info(
	    "dev mode: config and plugins are watched (%zu file%s)", files, files == 1 ? "" : "s");
	if (!build_is_set(dev->build))
		return;
	size_t sources = watch_count(dev->heeds[SOURCES].watch);
	log_info("dev mode: sources are watched (%zu file%s), and built when they change", sources,
	    sources == 1 ? "" : "s");
}
