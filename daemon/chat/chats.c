/* chats: the room's parts in order, and their life. */
#include "daemon/chat/chats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/chat/internal.h"

#define SWEEP_MS 60000

static bool interfaces_are_down(const struct chats *chats)
{
	for (size_t i = 0; i < chats->interface_count; i++)
		if (!interface_is_down(chats->interfaces[i]))
			return false;
	return true;
}

/* When agentd stops, hooks stay as long as there may be a reply for them to look at. */
static void stop_hooks(struct chats *chats)
{
	for (size_t i = 0; i < chats->hook_count; i++)
		hook_stop(chats->hooks[i]);
}

void chats_changed(struct chats *chats)
{
	if (chats->stopping && !chats->hooks_stopped && interfaces_are_down(chats)) {
		chats->hooks_stopped = true;
		stop_hooks(chats);
	}
	if (chats->setup.changed)
		chats->setup.changed(chats->setup.arg);
}

void chats_note(struct chats *chats, const char *label, int error)
{
	if (error == -ESHUTDOWN || error == -EEXIST || error == -ENOENT)
		return;
	if (error < 0 && !chats->failing)
		log_error("%s: the store: %s; messages wait until it works again", label,
		    strerror(-error));
	else if (error == 0 && chats->failing)
		log_info("%s: the store works again", label);
	chats->failing = error < 0;
}

/* Chats in which nobody has written for long begin a new session, so that the old one need not be known. */

static void on_swept(void *arg, int error)
{
	(void)arg;
	(void)error; /* the next time */
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct chats *chats = arg;
	uint64_t now = clock_wall_ms();
	for (size_t i = 0; i < chats->interface_count; i++) {
		const struct interface *interface = chats->interfaces[i];
		uint64_t ttl = (uint64_t)interface->settings->session_ttl_ms;
		store_chats_sweep(chats->setup.store, interface_name(interface),
		    ttl < now ? now - ttl : 0, on_swept, NULL);
	}
}

/* Making. */

static struct edition *edition_of(
    const struct chats_config *config, const struct instance_settings *instance, size_t image)
{
	struct edition_setup setup = {
		.era = config->era,
		.instance = instance,
		.supervision = &config->settings->supervision,
		.hidden = &config->settings->hidden,
		.image = config->images[image],
	};
	return edition_new(&setup);
}

static int make_hook(struct chats *chats, size_t i)
{
	const struct chats_config *config = &chats->setup.config;
	const struct hook_settings *settings = &config->settings->hooks[i];
	struct edition *edition =
	    edition_of(config, &settings->instance, config->settings->interface_count + i);
	struct hook *hook = edition ? hook_new(chats, settings, edition) : NULL;
	edition_unref(edition);
	if (hook)
		chats->hooks[chats->hook_count++] = hook;
	return hook ? 0 : -ENOMEM;
}

static int make_interface(struct chats *chats, size_t i)
{
	const struct chats_config *config = &chats->setup.config;
	const struct interface_settings *settings = &config->settings->interfaces[i];
	struct edition *edition = edition_of(config, &settings->instance, i);
	struct terms *terms = terms_new(config, settings, chats->hooks, chats->hook_count);
	struct interface *interface =
	    edition && terms ? interface_new(chats, terms, edition) : NULL;
	edition_unref(edition);
	terms_unref(terms);
	if (interface)
		chats->interfaces[chats->interface_count++] = interface;
	return interface ? 0 : -ENOMEM;
}

struct chats *chats_new(const struct chats_setup *setup)
{
	const struct settings *settings = setup->config.settings;
	struct chats *chats = calloc(1, sizeof(*chats));
	if (!chats)
		return NULL;
	chats->setup = *setup;
	TAILQ_INIT(&chats->errands);
	chats->oldest_wall_ms = clock_wall_ms();
	chats->interfaces = calloc(settings->interface_count + 1, sizeof(*chats->interfaces));
	chats->hooks = calloc(settings->hook_count + 1, sizeof(*chats->hooks));
	chats->identities = identities_new(settings, setup->store);
	chats->rates = rates_new();
	chats->sweep = event_new(setup->base, -1, EV_PERSIST, on_sweep, chats);
	int error =
	    chats->interfaces && chats->hooks && chats->identities && chats->rates && chats->sweep
		? 0
		: -ENOMEM;
	for (size_t i = 0; error == 0 && i < settings->hook_count; i++)
		error = make_hook(chats, i);
	for (size_t i = 0; error == 0 && i < settings->interface_count; i++)
		error = make_interface(chats, i);
	if (error == 0)
		return chats;
	chats_free(chats);
	return NULL;
}

void chats_free(struct chats *chats)
{
	if (!chats)
		return;
	errands_free(chats);
	for (size_t i = 0; i < chats->interface_count; i++)
		interface_free(chats->interfaces[i]);
	for (size_t i = 0; i < chats->hook_count; i++)
		hook_free(chats->hooks[i]);
	if (chats->sweep)
		event_free(chats->sweep);
	free(chats->interfaces);
	free(chats->hooks);
	identities_free(chats->identities);
	rates_free(chats->rates);
	free(chats);
}

uint64_t chats_oldest_wall_ms(const struct chats *chats)
{
	return chats->oldest_wall_ms;
}

/* Its life. */

void chats_start(struct chats *chats)
{
	struct timeval every = { .tv_sec = SWEEP_MS / 1000 };
	chats->started = true;
	if (chats->interface_count)
		event_add(chats->sweep, &every);
	for (size_t i = 0; i < chats->hook_count; i++)
		hook_start(chats->hooks[i]);
	for (size_t i = 0; i < chats->interface_count; i++)
		interface_start(chats->interfaces[i]);
}

void chats_drain(struct chats *chats)
{
	chats->draining = true;
	for (size_t i = 0; i < chats->interface_count; i++)
		interface_drain(chats->interfaces[i]);
	for (size_t i = 0; i < chats->interface_count; i++)
		inbox_drain(chats->interfaces[i]);
	for (size_t i = 0; i < chats->hook_count; i++)
		hook_drain(chats->hooks[i]);
}

void chats_stop(struct chats *chats)
{
	chats->draining = chats->stopping = true;
	for (size_t i = 0; i < chats->interface_count; i++)
		interface_stop(chats->interfaces[i]);
	chats_changed(chats);
}

bool chats_are_down(const struct chats *chats)
{
	for (size_t i = 0; i < chats->hook_count; i++)
		if (!hook_is_down(chats->hooks[i]))
			return false;
	return interfaces_are_down(chats);
}

/* Names. */

struct interface *chats_interface_at(const struct chats *chats, size_t i)
{
	return i < chats->interface_count ? chats->interfaces[i] : NULL;
}

struct interface *chats_interface_find(const struct chats *chats, const char *name)
{
	for (size_t i = 0; i < chats->interface_count; i++)
		if (strcmp(interface_name(chats->interfaces[i]), name) == 0)
			return chats->interfaces[i];
	return NULL;
}

struct hook *chats_hook_at(const struct chats *chats, size_t i)
{
	return i < chats->hook_count ? chats->hooks[i] : NULL;
}

struct hook *chats_hook_find(const struct chats *chats, const char *name)
{
	for (size_t i = 0; i < chats->hook_count; i++)
		if (strcmp(chats->hooks[i]->settings->instance.name, name) == 0)
			return chats->hooks[i];
	return NULL;
}

struct identities *chats_identities(const struct chats *chats)
{
	return chats->identities;
}

struct interface *chats_interface_of_path(
    const struct chats *chats, const char *path, const char *method, bool *ret_allowed)
{
	struct interface *found = NULL;
	*ret_allowed = false;
	for (size_t i = 0; i < chats->interface_count && !*ret_allowed; i++) {
		const struct interface_settings *settings =
		    interface_process_settings(chats->interfaces[i]);
		for (size_t j = 0; j < settings->path_count; j++)
			if (strcmp(settings->paths[j].path, path) == 0) {
				found = chats->interfaces[i];
				*ret_allowed =
				    *ret_allowed || strcmp(settings->paths[j].method, method) == 0;
			}
	}
	return found;
}
