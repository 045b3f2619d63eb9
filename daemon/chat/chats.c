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
	const struct interface *interface;
	for (size_t i = 0; i < chats->interface_count; i++)
		if (!interface_is_down(chats->interfaces[i]))
			return false;
	TAILQ_FOREACH (interface, &chats->leaving, link)
		if (!interface_is_down(interface))
			return false;
	return true;
}

static bool hooks_are_down(const struct chats *chats)
{
	const struct hook *hook;
	for (size_t i = 0; i < chats->hook_count; i++)
		if (!hook_is_down(chats->hooks[i]))
			return false;
	TAILQ_FOREACH (hook, &chats->leaving_hooks, link)
		if (!hook_is_down(hook))
			return false;
	return true;
}

/* When agentd stops, hooks stay as long as there may be a reply for them to look at. */
static void stop_hooks(struct chats *chats)
{
	struct hook *hook;
	for (size_t i = 0; i < chats->hook_count; i++)
		hook_stop(chats->hooks[i]);
	TAILQ_FOREACH (hook, &chats->leaving_hooks, link)
		hook_stop(hook);
}

void chats_reap_soon(struct chats *chats)
{
	if (!TAILQ_EMPTY(&chats->leaving) || !TAILQ_EMPTY(&chats->leaving_hooks))
		event_active(chats->reap, EV_TIMEOUT, 0);
}

static void on_reap(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	chats_reap(arg);
}

void chats_changed(struct chats *chats)
{
	if (chats->stopping && !chats->hooks_stopped && interfaces_are_down(chats)) {
		chats->hooks_stopped = true;
		stop_hooks(chats);
	}
	chats_reap_soon(chats);
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

void chats_arm_sweep(struct chats *chats)
{
	struct timeval every = { .tv_sec = SWEEP_MS / 1000 };
	if (!chats->started || !chats->interface_count)
		event_del(chats->sweep);
	else if (!event_pending(chats->sweep, EV_TIMEOUT, NULL))
		event_add(chats->sweep, &every);
}

/* Making. */

struct chats *chats_new(const struct chats_setup *setup)
{
	struct chats *chats = calloc(1, sizeof(*chats));
	if (!chats)
		return NULL;
	chats->setup = *setup;
	TAILQ_INIT(&chats->errands);
	TAILQ_INIT(&chats->leaving);
	TAILQ_INIT(&chats->leaving_hooks);
	chats->oldest_wall_ms = clock_wall_ms();
	chats->identities = identities_new(setup->config.settings, setup->store);
	chats->rates = rates_new();
	chats->sweep = event_new(setup->base, -1, EV_PERSIST, on_sweep, chats);
	chats->reap = event_new(setup->base, -1, 0, on_reap, chats);
	int error = chats->identities && chats->rates && chats->sweep && chats->reap
			? chats_apply(chats, &setup->config)
			: -ENOMEM;
	chats->setup.config = (struct chats_config){ 0 }; /* it goes when another has come */
	if (error == 0)
		return chats;
	chats_free(chats);
	return NULL;
}

static void free_leaving(struct chats *chats)
{
	struct interface *interface;
	struct hook *hook;
	while ((interface = TAILQ_FIRST(&chats->leaving))) {
		TAILQ_REMOVE(&chats->leaving, interface, link);
		interface_free(interface);
	}
	while ((hook = TAILQ_FIRST(&chats->leaving_hooks))) {
		TAILQ_REMOVE(&chats->leaving_hooks, hook, link);
		hook_free(hook);
	}
}

void chats_free(struct chats *chats)
{
	if (!chats)
		return;
	errands_free(chats);
	for (size_t i = 0; i < chats->interface_count; i++)
		interface_free(chats->interfaces[i]);
	free_leaving(chats);
	for (size_t i = 0; i < chats->hook_count; i++)
		hook_free(chats->hooks[i]);
	if (chats->sweep)
		event_free(chats->sweep);
	if (chats->reap)
		event_free(chats->reap);
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
	chats->started = true;
	chats_arm_sweep(chats);
	for (size_t i = 0; i < chats->hook_count; i++)
		hook_start(chats->hooks[i]);
	for (size_t i = 0; i < chats->interface_count; i++)
		interface_start(chats->interfaces[i]);
}

void chats_drain(struct chats *chats)
{
	struct interface *interface;
	struct hook *hook;
	chats->draining = true;
	for (size_t i = 0; i < chats->interface_count; i++)
		interface_drain(chats->interfaces[i]);
	for (size_t i = 0; i < chats->interface_count; i++)
		inbox_drain(chats->interfaces[i]);
	TAILQ_FOREACH (interface, &chats->leaving, link)
		inbox_drain(interface);
	for (size_t i = 0; i < chats->hook_count; i++)
		hook_drain(chats->hooks[i]);
	TAILQ_FOREACH (hook, &chats->leaving_hooks, link)
		hook_drain(hook);
}

void chats_stop(struct chats *chats)
{
	struct interface *interface;
	chats->draining = chats->stopping = true;
	for (size_t i = 0; i < chats->interface_count; i++)
		interface_stop(chats->interfaces[i]);
	TAILQ_FOREACH (interface, &chats->leaving, link)
		interface_stop(interface);
	chats_changed(chats);
}

bool chats_are_down(const struct chats *chats)
{
	return hooks_are_down(chats) && interfaces_are_down(chats);
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

struct interface *chats_interface_any(const struct chats *chats, const char *name)
{
	struct interface *interface = chats_interface_find(chats, name);
	if (interface)
		return interface;
	TAILQ_FOREACH (interface, &chats->leaving, link)
		if (strcmp(interface_name(interface), name) == 0)
			break;
	return interface;
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
