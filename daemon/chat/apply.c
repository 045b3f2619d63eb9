/*
 * apply: the room goes by another config. All that may fail is made first (a plan), then all is changed at once.
 * Interfaces and hooks are matched by name. Those that the config has no more leave: they stay until nothing uses them,
 * and an interface that comes back meanwhile is taken back as it is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/chat/internal.h"

struct hook_plan {
	struct hook *hook;
	bool is_new;
	const struct hook_settings *settings; /* borrowed */
	struct edition *edition;
	struct hook_process *successor; /* NULL: it needs none */
};

struct interface_plan {
	struct interface *interface;
	bool is_new;
	struct terms *terms;
	struct edition *edition;
};

struct plan {
	struct chats *chats;               /* borrowed */
	const struct chats_config *config; /* borrowed */
	struct hook_plan *hook_plans;
	struct interface_plan *interface_plans;
	struct hook **hooks; /* what the room's arrays will be */
	struct interface **interfaces;
	size_t hook_count, interface_count; /* that are planned */
};

/* Planning. */

static struct edition *edition_of(
    const struct chats_config *config, const struct instance_settings *instance, size_t image)
{
	struct edition_setup setup = {
		.era = config->era,
		.instance = instance,
		.supervision = &config->settings->supervision,
		.hidden = &config->settings->hidden,
		.image = config->images[image],
		.view = config->view,
	};
	return edition_new(&setup);
}

static int plan_hook(struct plan *plan, size_t i)
{
	const struct settings *settings = plan->config->settings;
	const struct hook_settings *to = &settings->hooks[i];
	struct hook_plan *row = &plan->hook_plans[plan->hook_count++];
	row->settings = to;
	row->hook = chats_hook_find(plan->chats, to->instance.name);
	row->is_new = !row->hook;
	row->edition = edition_of(plan->config, &to->instance, settings->interface_count + i);
	if (row->edition && row->is_new)
		row->hook = hook_new(plan->chats, to, row->edition);
	if (!row->edition || !row->hook)
		return -ENOMEM;
	plan->hooks[i] = row->hook;
	if (hook_has_process_of(row->hook, row->edition))
		return 0;
	row->successor = hook_process_new(row->hook, row->edition);
	return row->successor ? 0 : -ENOMEM;
}

static int plan_interface(struct plan *plan, size_t i)
{
	const struct interface_settings *to = &plan->config->settings->interfaces[i];
	struct interface_plan *row = &plan->interface_plans[plan->interface_count++];
	row->interface = chats_interface_any(plan->chats, to->instance.name);
	row->is_new = !row->interface;
	row->edition = edition_of(plan->config, &to->instance, i);
	row->terms = terms_new(plan->config, to, plan->hooks, plan->hook_count);
	if (row->edition && row->terms && row->is_new)
		row->interface = interface_new(plan->chats, row->terms, row->edition);
	plan->interfaces[i] = row->interface;
	return row->edition && row->terms && row->interface ? 0 : -ENOMEM;
}

static int plan_all(struct plan *plan)
{
	const struct settings *settings = plan->config->settings;
	size_t hooks = settings->hook_count, interfaces = settings->interface_count;
	plan->hook_plans = calloc(hooks + 1, sizeof(*plan->hook_plans));
	plan->interface_plans = calloc(interfaces + 1, sizeof(*plan->interface_plans));
	plan->hooks = calloc(hooks + 1, sizeof(struct hook *));
	plan->interfaces = calloc(interfaces + 1, sizeof(struct interface *));
	int error = plan->hook_plans && plan->interface_plans && plan->hooks && plan->interfaces
			? 0
			: -ENOMEM;
	for (size_t i = 0; error == 0 && i < hooks; i++)
		error = plan_hook(plan, i);
	for (size_t i = 0; error == 0 && i < interfaces; i++)
		error = plan_interface(plan, i);
	return error;
}

/* What was made, and is not to be. */
static void plan_undo(struct plan *plan)
{
	for (size_t i = 0; i < plan->interface_count; i++)
		if (plan->interface_plans[i].is_new && plan->interface_plans[i].interface)
			interface_free(plan->interface_plans[i].interface);
	for (size_t i = 0; i < plan->interface_count; i++) {
		terms_unref(plan->interface_plans[i].terms);
		plan->interface_plans[i].terms = NULL;
	}
	for (size_t i = 0; i < plan->hook_count; i++) {
		struct hook_plan *row = &plan->hook_plans[i];
		if (row->successor)
			hook_process_free(row->successor);
		if (row->is_new && row->hook)
			hook_free(row->hook);
	}
	free(plan->hooks);
	free(plan->interfaces);
}

static void plan_done(struct plan *plan)
{
	for (size_t i = 0; i < plan->interface_count; i++) {
		terms_unref(plan->interface_plans[i].terms);
		edition_unref(plan->interface_plans[i].edition);
	}
	for (size_t i = 0; i < plan->hook_count; i++)
		edition_unref(plan->hook_plans[i].edition);
	free(plan->interface_plans);
	free(plan->hook_plans);
}

/* Changing. */

static bool has(void *const *list, size_t count, const void *one)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == one)
			return true;
	return false;
}

static void leave_hooks(struct plan *plan)
{
	struct chats *chats = plan->chats;
	for (size_t i = 0; i < chats->hook_count; i++) {
		struct hook *hook = chats->hooks[i];
		if (has((void *const *)plan->hooks, plan->hook_count, hook))
			continue;
		hook->is_leaving = true;
		TAILQ_INSERT_TAIL(&chats->leaving_hooks, hook, link);
	}
}

static void leave_interfaces(struct plan *plan, struct interface *const *before, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!has((void *const *)plan->interfaces, plan->interface_count, before[i])) {
			TAILQ_INSERT_TAIL(&plan->chats->leaving, before[i], link);
			interface_leave(before[i]);
		}
}

static void change_hooks(struct plan *plan)
{
	for (size_t i = 0; i < plan->hook_count; i++) {
		struct hook_plan *row = &plan->hook_plans[i];
		hook_configure(row->hook, row->settings, row->edition);
		if (row->successor)
			hook_succeed(row->hook, row->successor);
		else if (row->is_new && plan->chats->started)
			hook_start(row->hook);
	}
}

static void change_interfaces(struct plan *plan)
{
	for (size_t i = 0; i < plan->interface_count; i++) {
		struct interface_plan *row = &plan->interface_plans[i];
		if (row->interface->is_leaving)
			TAILQ_REMOVE(&plan->chats->leaving, row->interface, link);
		if (!row->is_new)
			interface_configure(row->interface, row->terms, row->edition);
		else if (plan->chats->started)
			interface_load(row->interface); /* which starts it */
	}
}

static void plan_carry_out(struct plan *plan)
{
	struct chats *chats = plan->chats;
	struct interface **interfaces = chats->interfaces;
	size_t interface_count = chats->interface_count;
	leave_hooks(plan);
	free(chats->hooks);
	chats->hooks = plan->hooks;
	chats->hook_count = plan->hook_count;
	chats->interfaces = plan->interfaces;
	chats->interface_count = plan->interface_count;
	leave_interfaces(plan, interfaces, interface_count);
	free(interfaces);
	change_hooks(plan);
	change_interfaces(plan);
	chats_arm_sweep(chats);
	chats_reap_soon(chats);
}

int chats_apply(struct chats *chats, const struct chats_config *config)
{
	struct plan plan = { .chats = chats, .config = config };
	if (chats->draining)
		return 0; /* what goes on ends as it began */
	int error = plan_all(&plan);
	if (error == 0)
		error = identities_configure(chats->identities, config->settings);
	if (error == 0)
		plan_carry_out(&plan);
	else
		plan_undo(&plan);
	plan_done(&plan);
	return error;
}

/* Those that leave go, outside of anything that uses them. */

static void reap_interface(struct interface *interface)
{
	size_t replies = outbox_waiting(interface->outbox);
	if (!interface_is_over(interface))
		return;
	log_info(
	    "%s: is gone with its section of the config; %zu message%s and %zu repl%s of it wait in "
	    "the store",
	    interface_label(interface), interface->waiting, interface->waiting == 1 ? "" : "s",
	    replies, replies == 1 ? "y" : "ies");
	TAILQ_REMOVE(&interface->chats->leaving, interface, link);
	interface_free(interface);
}

/* One that is in no terms any more is asked nothing. */
static void reap_hook(struct hook *hook)
{
	if (hook->refs)
		return;
	if (!hook_is_down(hook)) {
		hook_stop(hook);
		return;
	}
	log_info("%s: is gone with its section of the config", hook_label(hook));
	TAILQ_REMOVE(&hook->chats->leaving_hooks, hook, link);
	hook_free(hook);
}

void chats_reap(struct chats *chats)
{
	struct interface *interface = TAILQ_FIRST(&chats->leaving), *next_interface;
	for (; interface; interface = next_interface) {
		next_interface = TAILQ_NEXT(interface, link);
		reap_interface(interface);
	}
	struct hook *hook = TAILQ_FIRST(&chats->leaving_hooks), *next_hook;
	for (; hook; hook = next_hook) {
		next_hook = TAILQ_NEXT(hook, link);
		reap_hook(hook);
	}
}
