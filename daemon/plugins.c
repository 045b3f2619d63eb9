/* plugins: all files are tried at once; what is wrong with any of them is reported with the rest. */
#include "daemon/plugins.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon/conf/tables.h"
#include "daemon/http/route.h"
#include "daemon/plugin_print.h"
#include "daemon/proc/probe.h"
#include "daemon/trigger/webhook.h"

/* One file, and what came of it. */
struct trial {
	struct trials *trials; /* borrowed */
	char *path;
	struct image *image; /* NULL: cannot even be read */
	struct probe *probe;
	char error[512]; /* "": it loads */
	bool is_served;  /* what lay there before is */
};

struct trials {
	struct trials_setup setup;
	struct trial *all;
	size_t count;
	size_t left; /* that have not answered, and one for trials_start */
};

static void trials_check(struct trials *trials)
{
	if (--trials->left == 0)
		trials->setup.done(trials->setup.arg);
}

static void trial_on_done(void *arg, const char *error)
{
	struct trial *trial = arg;
	if (error)
		snprintf(trial->error, sizeof(trial->error), "%s", error);
	probe_free(trial->probe);
	trial->probe = NULL;
	trials_check(trial->trials);
}

static void trial_start(struct trial *trial, const struct supervision *supervision,
    const struct host_limits *limits, const struct schema_list *hidden)
{
	const struct trials_setup *given = &trial->trials->setup;
	char reason[256];
	for (size_t i = 0; i < given->known_count; i++)
		trial->is_served |=
		    given->known[i] && strcmp(image_path(given->known[i]), trial->path) == 0;
	for (size_t i = 0; i < given->known_count; i++)
		if (given->known[i] && image_is_of(given->known[i], trial->path)) {
			trial->image = image_ref(given->known[i]);
			return;
		}
	if (image_load(trial->path, &trial->image, reason, sizeof(reason)) < 0) {
		snprintf(trial->error, sizeof(trial->error), "%s", reason);
		return;
	}
	struct probe_setup setup = {
		.image = trial->image,
		.host_fd = given->host_fd,
		.supervision = supervision,
		.limits = limits,
		.hidden = hidden,
		.done = trial_on_done,
		.arg = trial,
	};
	trial->probe = probe_new(given->base, &setup);
	if (trial->probe)
		trial->trials->left++;
	else
		snprintf(trial->error, sizeof(trial->error), "out of memory");
}

/* What came of a file; NULL: it has not been tried. */
static struct trial *find_trial(struct trial *trials, size_t count, const char *path)
{
	for (size_t i = 0; path && i < count; i++)
		if (trials[i].path && strcmp(trials[i].path, path) == 0)
			return &trials[i];
	return NULL;
}

static void report(
    const struct instance_settings *instance, const struct trial *trial, struct conf_errors *errors)
{
	const struct conf_node *at = conf_get(instance->section, "plugin");
	conf_error(errors, at ? at : instance->section, "%s: %s", trial->path, trial->error);
}

/* The options that a plugin must be given; false: none. */
static bool needs_options(const struct schema *schema, struct buf *names)
{
	for (size_t i = 0; i < schema->count; i++)
		if (schema->rows[i].required)
			buf_addf(names, "%s%s", names->length ? ", " : "", schema->rows[i].key);
	return names->length > 0;
}

struct trials *trials_new(const struct trials_setup *setup)
{
	struct trials *trials = calloc(1, sizeof(*trials));
	if (!trials)
		return NULL;
	trials->setup = *setup;
	trials->all = calloc(settings_instance_count(setup->settings) + 1, sizeof(*trials->all));
	if (trials->all)
		return trials;
	free(trials);
	return NULL;
}

void trials_free(struct trials *trials)
{
	if (!trials)
		return;
	for (size_t i = 0; i < trials->count; i++) {
		probe_free(trials->all[i].probe);
		image_unref(trials->all[i].image);
		free(trials->all[i].path);
	}
	free(trials->all);
	free(trials);
}

/* One for each file, with the limits of the first that has it. */
void trials_start(struct trials *trials)
{
	const struct settings *settings = trials->setup.settings;
	trials->left = 1;
	for (size_t i = 0; i < settings_instance_count(settings); i++) {
		const struct instance_settings *instance = settings_instance_at(settings, i);
		const char *path = instance->plugin_path; /* NULL: an error already */
		if (!path || find_trial(trials->all, trials->count, path))
			continue;
		struct trial *trial = &trials->all[trials->count++];
		*trial = (struct trial){ .trials = trials, .path = strdup(path) };
		trial_start(trial, &settings->supervision, &instance->limits, &settings->hidden);
	}
	trials_check(trials);
}

/* By the number that a plugin has it; INSTANCE_KINDS: one that is not known here. */
static enum instance_kind kind_of(const struct descriptor *plugin)
{
	static const enum instance_kind kinds[] = { [0] = INSTANCE_KINDS,
		[AGENTD_AGENT] = INSTANCE_AGENT,
		[AGENTD_INTERFACE] = INSTANCE_INTERFACE,
		[AGENTD_HOOK] = INSTANCE_HOOK };
	return plugin->kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[plugin->kind]
							       : INSTANCE_KINDS;
}

/* What it is, and where it belongs. */
static void reject_kind(const struct instance_settings *instance, const struct descriptor *plugin,
    struct conf_errors *errors)
{
	const struct conf_node *at = conf_get(instance->section, "plugin");
	const struct settings_kind *kind =
	    kind_of(plugin) < INSTANCE_KINDS ? &settings_kinds[kind_of(plugin)] : NULL;
	if (!kind)
		conf_error(errors, at, "%s is of kind %u, which this agentd does not know",
		    instance->plugin_path, plugin->kind);
	else
		conf_error(errors, at,
		    at->line ? "%s is %s: it belongs in the section %s"
			     : "%s is %s: it needs a config, where it belongs in the section %s",
		    instance->plugin_path, kind->a_word, kind->key);
}

/* What a plugin says about itself against what its section says. */
static void take(struct settings *settings, size_t i, const struct descriptor *plugin,
    struct conf_errors *errors, struct conf_errors *notes)
{
	enum instance_kind kind = settings_instance_at(settings, i)->kind;
	settings_read_options(settings, i, &plugin->options, errors);
	if (kind == INSTANCE_AGENT)
		settings_read_triggers(
		    settings, i, plugin->triggers, plugin->trigger_count, errors, notes);
	if (kind == INSTANCE_INTERFACE) {
		settings_read_platform(settings, i, plugin->name, errors);
		settings_read_paths(
		    settings, i, plugin->paths, plugin->path_count, route_is_taken, errors);
	}
}

/* One that a section names. */
static void take_named(struct settings *settings, size_t i, const struct trial *trial,
    struct conf_errors *errors, struct conf_errors *notes)
{
	const struct instance_settings *instance = settings_instance_at(settings, i);
	if (trial->error[0])
		report(instance, trial, errors);
	else if (kind_of(image_descriptor(trial->image)) != instance->kind)
		reject_kind(instance, image_descriptor(trial->image), errors);
	else
		take(settings, i, image_descriptor(trial->image), errors, notes);
}

/* The drop-in folder. What is wrong with a file in it must not keep agentd from starting; but where a good one lay that
 * is served, a reload is refused, since that goes on. */

/* What has come of a file that is no good. What is served already goes on, and then a reload is refused. */
static const char *outcome_of(const struct trial *trial)
{
	return trial->is_served ? "is not taken, and the one before goes on" : "is not served";
}

/* Whether it could be served, or else a note that says why not. */
static bool can_serve(const struct trial *trial, struct conf_errors *notes)
{
	struct buf names = { 0 };
	const struct descriptor *plugin = trial->error[0] ? NULL : image_descriptor(trial->image);
	enum instance_kind kind = plugin ? kind_of(plugin) : INSTANCE_KINDS;
	if (!plugin)
		conf_error_at(
		    notes, NULL, 0, 0, "%s %s: %s", trial->path, outcome_of(trial), trial->error);
	else if (kind == INSTANCE_KINDS)
		conf_error_at(notes, NULL, 0, 0,
		    "%s %s: it is of kind %u, which this agentd does not know", trial->path,
		    outcome_of(trial), plugin->kind);
	else if (kind == INSTANCE_HOOK)
		conf_error_at(notes, NULL, 0, 0,
		    "%s is available: it is a hook; name it in a section of hooks, and that in an "
		    "interface's",
		    trial->path);
	else if (needs_options(&plugin->options, &names))
		conf_error_at(notes, NULL, 0, 0,
		    "%s is available, and not served: it needs options (%.*s); name it in a "
		    "section of %s",
		    trial->path, (int)names.length, names.data, settings_kinds[kind].key);
	else
		return true;
	buf_done(&names);
	return false;
}

/* Takes it, or drops it with its first mistake as a note. */
static void serve(struct settings *settings, size_t i, const struct trial *trial,
    struct conf_errors *errors, struct conf_errors *notes)
{
	size_t first = settings->trigger_count;
	take(settings, i, image_descriptor(trial->image), errors, notes);
	webhooks_check(settings, first, route_is_taken, errors);
	if (conf_errors_count(errors) == 0)
		return;
	conf_error_at(notes, NULL, 0, 0, "%s %s: %s", trial->path, outcome_of(trial),
	    conf_errors_get(errors, 0));
	settings_drop(settings, i);
}

/* Agents, as far as their sections know. What is an interface becomes one. */
static void sort_drop_in(
    struct settings *settings, size_t i, const struct trial *trial, struct conf_errors *notes)
{
	struct conf_errors *errors = conf_errors_new();
	if (!errors)
		return;
	if (!can_serve(trial, notes))
		settings_drop(settings, i);
	else if (kind_of(image_descriptor(trial->image)) == INSTANCE_AGENT)
		serve(settings, i, trial, errors, notes);
	else if (settings_turn_drop_in(settings, i, errors))
		serve(settings, settings->agent_count + settings->interface_count - 1, trial,
		    errors, notes);
	conf_errors_free(errors);
}

/* In the order of their names: of two that want the same path the first has it. */
static void sort_drop_ins(struct settings *settings, struct trial *trials, size_t count,
    struct conf_errors *errors, struct conf_errors *notes)
{
	for (size_t i = 0, before; i < settings->agent_count;
	     i += settings->agent_count == before) {
		before = settings->agent_count;
		const struct instance_settings *instance = &settings->agents[i].instance;
		const struct trial *trial = find_trial(trials, count, instance->plugin_path);
		if (instance->dropped_in && trial)
			sort_drop_in(settings, i, trial, trial->is_served ? errors : notes);
	}
}

static void take_all(struct settings *settings, struct trial *trials, size_t count,
    struct conf_errors *errors, struct conf_errors *notes)
{
	for (size_t i = 0; i < settings_instance_count(settings); i++) {
		const struct instance_settings *instance = settings_instance_at(settings, i);
		const struct trial *trial = find_trial(trials, count, instance->plugin_path);
		if (trial && !instance->dropped_in)
			take_named(settings, i, trial, errors, notes);
	}
	sort_drop_ins(settings, trials, count, errors, notes);
}

static struct image **collect(const struct settings *settings, struct trial *trials, size_t count)
{
	size_t all = settings_instance_count(settings);
	struct image **images = calloc(all + 1, sizeof(struct image *));
	for (size_t i = 0; images && i < all; i++) {
		const char *path = settings_instance_at(settings, i)->plugin_path;
		const struct trial *trial = find_trial(trials, count, path);
		images[i] = trial && !trial->error[0] ? image_ref(trial->image) : NULL;
	}
	return images;
}

struct image **trials_take(struct trials *trials, struct settings *settings,
    struct conf_errors *errors, struct conf_errors *notes)
{
	take_all(settings, trials->all, trials->count, errors, notes);
	return collect(settings, trials->all, trials->count);
}

void plugins_free(struct image **images, size_t count)
{
	for (size_t i = 0; images && i < count; i++)
		image_unref(images[i]);
	free(images);
}

static void on_shown(void *arg)
{
	event_base_loopbreak(arg);
}

int plugins_show(struct event_base *base, const char *path, int host_fd)
{
	static const struct supervision supervision = {
		.ready_ms = 30000, .backoff_min_ms = 1000, .backoff_max_ms = 1000, .kill_ms = 5000
	};
	static const struct host_limits limits = { .files = 256 };
	static const struct schema_list hidden = { 0 };
	struct trials trials = {
		.setup = { .base = base, .host_fd = host_fd, .done = on_shown, .arg = base }
	};
	struct trial trial = { .trials = &trials, .path = (char *)(uintptr_t)path };
	trial_start(&trial, &supervision, &limits, &hidden);
	if (trials.left)
		event_base_dispatch(base);
	if (trial.error[0]) {
		fprintf(stderr, "agentd: %s: %s\n", path, trial.error);
		image_unref(trial.image);
		return EX_CONFIG;
	}
	plugin_print(image_descriptor(trial.image));
	image_unref(trial.image);
	return 0;
}
