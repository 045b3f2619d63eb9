/*
 * registry: an array. There are few agents, and requests name them by exact match. Those that a reload has left behind
 * stay with what may still know them, the last era they were of, and so all before it.
 */
#include "daemon/run/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "daemon/base/era.h"
#include "daemon/base/log.h"

/* One that the config has no more. */
struct former {
	struct registry *registry; /* borrowed; NULL once that is freed, and the agent with it */
	struct agent *agent;
	TAILQ_ENTRY(former) link;
};

struct registry {
	struct event_base *base; /* borrowed */
	struct registry_setup setup;
	struct agent **agents;
	size_t count;
	bool started;
	TAILQ_HEAD(, former) former;
};

static struct agent_config config_of(const struct registry_config *config, size_t i)
{
	return (struct agent_config){
		.era = config->era,
		.settings = &config->settings->agents[i],
		.supervision = &config->settings->supervision,
		.hidden = &config->settings->hidden,
		.image = config->images[i],
		.view = config->view,
	};
}

static struct agent *make_agent(
    const struct registry *registry, const struct registry_config *config, size_t i)
{
	const struct registry_setup *setup = &registry->setup;
	struct agent_setup agent = {
		.config = config_of(config, i),
		.host_fd = setup->host_fd,
		.runs = setup->runs,
		.changed = setup->changed,
		.emit = setup->emit,
		.arg = setup->arg,
	};
	return agent_new(registry->base, &agent);
}

struct registry *registry_new(struct event_base *base, const struct registry_setup *setup)
{
	struct registry *registry = calloc(1, sizeof(*registry));
	size_t count = setup->config.settings->agent_count;
	if (!registry)
		return NULL;
	registry->base = base;
	registry->setup = *setup;
	TAILQ_INIT(&registry->former);
	registry->agents = calloc(count, sizeof(*registry->agents));
	for (size_t i = 0; registry->agents && i < count; i++) {
		if (!(registry->agents[i] = make_agent(registry, &setup->config, i)))
			break;
		registry->count++;
	}
	if (registry->count == count)
		return registry;
	registry_free(registry);
	return NULL;
}

void registry_free(struct registry *registry)
{
	struct former *former;
	if (!registry)
		return;
	while ((former = TAILQ_FIRST(&registry->former))) {
		TAILQ_REMOVE(&registry->former, former, link);
		agent_free(former->agent);
		former->registry = NULL;
	}
	for (size_t i = 0; i < registry->count; i++)
		agent_free(registry->agents[i]);
	free(registry->agents);
	free(registry);
}

/* Another config. */

static void former_release(void *arg)
{
	struct former *former = arg;
	if (former->registry) {
		TAILQ_REMOVE(&former->registry->former, former, link);
		agent_free(former->agent);
	}
	free(former);
}

/* The agent with its name among those of the new config; NULL: it has none. */
static struct agent *find_among(struct agent *const *agents, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (agents[i] && strcmp(agent_settings(agents[i])->instance.name, name) == 0)
			return agents[i];
	return NULL;
}

/* Room for one that leaves is made while nothing has changed yet. */
static int prepare_former(struct registry *registry, struct agent *agent, struct former **ret)
{
	struct former *former = calloc(1, sizeof(*former));
	if (!former || era_give(registry->setup.config.era, former_release, former) < 0) {
		free(former);
		return -ENOMEM;
	}
	former->agent = agent;
	*ret = former;
	return 0;
}

static void let_go(struct registry *registry, struct former *former)
{
	former->registry = registry;
	TAILQ_INSERT_TAIL(&registry->former, former, link);
	log_info("%s: the config has it no more", agent_settings(former->agent)->instance.label);
	agent_leave(former->agent);
}

/* The agents of the new config, new ones not started. */
static int match(
    const struct registry *registry, const struct registry_config *config, struct agent **agents)
{
	for (size_t i = 0; i < config->settings->agent_count; i++) {
		const char *name = config->settings->agents[i].instance.name;
		agents[i] = registry_find(registry, name);
		if (!agents[i] && !(agents[i] = make_agent(registry, config, i)))
			return -ENOMEM;
	}
	return 0;
}

static bool is_new(const struct registry *registry, const struct agent *agent)
{
	for (size_t i = 0; i < registry->count; i++)
		if (registry->agents[i] == agent)
			return false;
	return true;
}

static void switch_to(
    struct registry *registry, const struct registry_config *config, struct agent **agents)
{
	struct agent **before = registry->agents;
	size_t count = registry->count;
	registry->agents = agents;
	registry->count = config->settings->agent_count;
	registry->setup.config = *config;
	for (size_t i = 0; registry->started && i < registry->count; i++) {
		bool known = false;
		for (size_t j = 0; j < count; j++)
			known = known || before[j] == agents[i];
		if (!known)
			agent_start(agents[i]);
	}
	free(before);
}

int registry_apply(struct registry *registry, const struct registry_config *config)
{
	size_t count = config->settings->agent_count, leaving = 0;
	struct agent **agents = calloc(count, sizeof(struct agent *));
	struct former **former = calloc(registry->count, sizeof(struct former *));
	int error = agents && former ? match(registry, config, agents) : -ENOMEM;
	for (size_t i = 0; error == 0 && i < registry->count; i++) {
		const char *name = agent_settings(registry->agents[i])->instance.name;
		if (!find_among(agents, count, name))
			error = prepare_former(registry, registry->agents[i], &former[leaving++]);
	}
	if (error == 0 && leaving)
		error = era_outlast_older(registry->setup.config.era);
	for (size_t i = 0; error == 0 && i < count; i++) {
		struct agent_config next = config_of(config, i);
		if (!is_new(registry, agents[i]))
			error = agent_reconfigure(agents[i], &next);
	}
	if (error == 0) {
		switch_to(registry, config, agents);
		for (size_t i = 0; i < leaving; i++)
			let_go(registry, former[i]);
		free(former);
		return 0;
	}
	for (size_t i = 0; agents && i < count; i++)
		if (agents[i] && is_new(registry, agents[i]))
			agent_free(agents[i]);
	free(agents);
	free(former);
	return error;
}

void registry_start(struct registry *registry)
{
	registry->started = true;
	for (size_t i = 0; i < registry->count; i++)
		agent_start(registry->agents[i]);
}

void registry_stop(struct registry *registry)
{
	struct former *former;
	TAILQ_FOREACH (former, &registry->former, link)
		agent_stop(former->agent);
	for (size_t i = 0; i < registry->count; i++)
		agent_stop(registry->agents[i]);
}

bool registry_is_down(const struct registry *registry)
{
	const struct former *former;
	TAILQ_FOREACH (former, &registry->former, link)
		if (!agent_is_down(former->agent))
			return false;
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
	const struct settings *settings = registry->setup.config.settings;
	const struct agent_settings *chosen = settings->default_agent;
	return chosen ? registry->agents[chosen - settings->agents] : NULL;
}

struct agent *registry_at(const struct registry *registry, size_t i)
{
	return i < registry->count ? registry->agents[i] : NULL;
}
