/* load: the steps, one after another; the first build of dev mode and the trials of plugins are those that take time. */
#include "daemon/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/auth/auth.h"
#include "daemon/base/era.h"
#include "daemon/conf/exposed.h"
#include "daemon/http/route.h"
#include "daemon/options.h"
#include "daemon/plugins.h"
#include "daemon/proc/build.h"
#include "daemon/trigger/webhook.h"

struct load {
	struct load_setup setup;
	struct conf_errors *errors, *notes;
	struct settings *settings;
	struct build *build; /* NULL: nothing is built before */
	struct trials *trials;
};

/* Images, with how many there are, for an era to release. */
struct plates {
	struct image **images;
	size_t count;
};

static void plates_release(void *arg)
{
	struct plates *plates = arg;
	plugins_free(plates->images, plates->count);
	free(plates);
}

static void settings_release(void *arg)
{
	settings_unref(arg);
}

static void auth_release(void *arg)
{
	auth_free(arg);
}

void load_stop(struct load *load)
{
	if (!load)
		return;
	settings_unref(load->settings); /* before the images, whose option tables it borrows */
	trials_free(load->trials);
	build_free(load->build);
	conf_errors_free(load->errors);
	conf_errors_free(load->notes);
	free(load);
}

static void load_end(struct load *load, const struct loaded *loaded)
{
	load->setup.done(load->setup.arg, loaded, load->errors, load->notes);
	load_stop(load);
}

/* Gives something to the era, or releases it at once. */
static int give(struct era *era, void (*release)(void *arg), void *arg)
{
	int error = era_give(era, release, arg);
	if (error < 0)
		release(arg);
	return error;
}

/* The images first, since they go last: the settings borrow their option tables. */
static void load_seal(struct load *load, struct image **images, struct auth *auth)
{
	struct plates *plates = malloc(sizeof(*plates));
	struct era *era = era_new(load->setup.base);
	int error = plates && era ? 0 : -ENOMEM;
	if (error == 0) {
		*plates = (struct plates){ images, settings_instance_count(load->settings) };
		error = give(era, plates_release, plates);
		if (error == 0)
			error = give(era, settings_release, settings_ref(load->settings));
		if (error == 0)
			error = give(era, auth_release, auth);
		else
			auth_free(auth);
	} else {
		plugins_free(images, settings_instance_count(load->settings));
		auth_free(auth);
		free(plates);
	}
	struct loaded loaded = {
		.era = era, .settings = load->settings, .images = images, .auth = auth
	};
	if (error == 0)
		load_end(load, &loaded);
	else
		load_end(load, NULL);
	if (error < 0)
		era_unref(era);
}

static void on_tried(void *arg)
{
	struct load *load = arg;
	struct settings *settings = load->settings;
	struct image **images = trials_take(load->trials, settings, load->errors, load->notes);
	struct auth *auth = NULL;
	if (images && !conf_errors_lost(load->errors)) {
		settings_settle(settings, load->errors);
		webhooks_check(settings, 0, route_is_taken, load->errors);
		webhooks_note_keys(settings, load->notes);
		exposed_note(settings, load->notes);
		auth = auth_new(settings, load->errors);
	}
	if (auth && !conf_errors_count(load->errors)) {
		settings_note(settings, load->notes);
		load_seal(load, images, auth);
		return;
	}
	auth_free(auth);
	plugins_free(images, settings_instance_count(settings));
	load_end(load, NULL);
}

/* NULL: there are errors, or memory is out. */
static struct settings *read_settings(const struct load *load)
{
	const struct load_source *source = load->setup.source;
	struct conf_node *tree = source->config ? conf_load(source->config, NULL, load->errors)
						: settings_tree_for(source->listen, source->plugins,
						      source->plugin_count, load->errors);
	if (tree && conf_errors_incomplete(load->errors)) {
		if (load->setup.heed)
			load->setup.heed(load->setup.heed_arg, tree, NULL);
		conf_free(tree);
		return NULL;
	}
	struct settings *settings = tree ? settings_read(tree, load->errors, load->notes) : NULL;
	if (settings && source->dev)
		settings_turn_dev_on(settings, load->errors);
	if (settings && load->setup.heed)
		load->setup.heed(load->setup.heed_arg, settings->tree, settings);
	return settings;
}

/* Its sockets, and then its plugins. */
static void load_try(struct load *load)
{
	const struct load_setup *setup = &load->setup;
	if (!load->settings ||
	    (setup->source->handed &&
		settings_place_sockets(load->settings, setup->source->handed, load->errors) < 0)) {
		load_end(load, NULL);
		return;
	}
	size_t known = setup->before ? settings_instance_count(setup->before->settings) : 0;
	struct trials_setup trials = {
		.base = setup->base,
		.settings = load->settings,
		.host_fd = setup->host_fd,
		.known = setup->before ? setup->before->images : NULL,
		.known_count = known,
		.done = on_tried,
		.arg = load,
	};
	load->trials = trials_new(&trials);
	if (load->trials)
		trials_start(load->trials);
	else
		load_end(load, NULL);
}

/* 0; or -ENOMEM, and what was read before is there. */
static int load_read(struct load *load)
{
	struct conf_errors *errors = conf_errors_new(), *notes = conf_errors_new();
	if (!errors || !notes) {
		conf_errors_free(errors);
		conf_errors_free(notes);
		return -ENOMEM;
	}
	settings_unref(load->settings);
	conf_errors_free(load->errors);
	conf_errors_free(load->notes);
	load->errors = errors;
	load->notes = notes;
	load->settings = read_settings(load);
	return 0;
}

/* Well or not: what the config says now counts, with the plugins that are there. */
static void on_built(void *arg, bool is_good)
{
	struct load *load = arg;
	(void)is_good;
	if (load_read(load) == 0)
		load_try(load);
	else
		load_end(load, NULL);
}

/* Whoever works on a plugin starts agentd before there is one: then it is built first. */
static bool load_builds(struct load *load)
{
	const struct settings *settings = load->settings;
	const struct instance_settings *missing = NULL;
	bool may =
	    settings && !load->setup.before && settings->dev.is_on && settings->dev.build.count;
	for (size_t i = 0; may && !missing && i < settings_instance_count(settings); i++)
		if (!settings_instance_at(settings, i)->plugin_path)
			missing = settings_instance_at(settings, i);
	if (!missing)
		return false;
	char why[256];
	snprintf(why, sizeof(why), "the plugin of %s is not there yet", missing->label);
	load->build =
	    build_new(load->setup.base, BUILD_LIMIT_MS, "it has to be there", on_built, load);
	return load->build &&
	       build_set(load->build, &settings->dev.build, settings->dev.folder) == 0 &&
	       build_start(load->build, why);
}

int load_start(const struct load_setup *setup, struct load **ret)
{
	struct load *load = calloc(1, sizeof(*load));
	*ret = NULL;
	if (!load)
		return -ENOMEM;
	load->setup = *setup;
	if (load_read(load) < 0) {
		load_stop(load);
		return -ENOMEM;
	}
	*ret = load; /* before `done` may come, which may ask for another */
	if (!load_builds(load))
		load_try(load);
	return 0;
}
