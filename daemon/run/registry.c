/* registry: an array. There are few agents, and requests name them by exact match. */
#include "daemon/run/registry.h"

#include <stdlib.h>
#include <string.h>

struct registry {
	struct settings *settings;
	struct agent **agents;
	size_t count;
};

static struct agent_config config_of(
    struct era *era, const struct settings *settings, struct image *const *images, size_t i)
{
	return (struct agent_config){
		.era = era,
		.settings = &settings->agents[i],
		.supervision = &settings->supervision,
		.hidden = &settings->hidden,
		.image = images[i],
	};
}

struct registry *registry_new(struct event_base *base, const struct registry_setup *setup)
{
	struct registry *registry = calloc(1, sizeof(*registry));
	if (!registry)
		return NULL;
	registry->settings = settings_ref(setup->settings);
	registry->agents = calloc(setup->settings->agent_count, sizeof(*registry->agents));
	for (size_t i = 0; registry->agents && i < setup->settings->agent_count; i++) {
		struct agent_setup agent = {
			.config = config_of(setup->era, setup->settings, setup->images, i),
			.host_fd = setup->host_fd,
			.runs = setup->runs,
			.changed = setup->changed,
			.emit = setup->emit,
			.arg = setup->arg,
		};
		if (!(registry->agents[i] = agent_new(base, &agent)))
			break;
		registry->count++;
	}
	if (registry->count < setup->settings->agent_count) {
		registry_free(registry);
		return NULL;
	}
	return registry;
}

void registry_free(struct registry *registry)
{
	if (!registry)
		return;
	for (size_t i = 0; i < registry->count; i++)
		agent_free(registry->agents[i]);
	free(registry->agents);
	settings_unref(registry->settings);
	free(registry);
}

void registry_start(struct registry *registry)
{
	for (size_t i = 0; i < registry->count; i++)
		agent_start(registry->agents[i]);
}

void registry_stop(struct registry *registry)
{
	for (size_t i = 0; i < registry->count; i++)
		agent_stop(registry->agents[i]);
}

bool registry_is_down(const struct registry *registry)
{
	for (size_t i = 0; i < registry->count; i++)
		if (!agent_is_down(registry->agents[i]))
			return false;
	return true;
}

struct agent *registry_find(const struct registry *registry, const char *name)
{
	for (size_t i = 0; i < registry->count; i++)
		if (strcmp(agent_settings(registry->agents[i])->instance.name, name) == 0)
			return registry->agents[i];
	return NULL;
}

struct agent *registry_default(const struct registry *registry)
{
	const struct agent_settings *chosen = registry->settings->default_agent;
	return chosen ? registry->agents[chosen - registry->settings->agents] : NULL;
}

struct agent *registry_at(const struct registry *registry, size_t i)
{
	return i < registry->count ? registry->agents[i] : NULL;
}
