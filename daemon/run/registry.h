/* registry: the agents by name, in the order of the config. */
#ifndef AGENTD_RUN_REGISTRY_H
#define AGENTD_RUN_REGISTRY_H

#include "daemon/run/agent.h"

struct registry;

/* What a config has of them: the era's, and borrowed from it. */
struct registry_config {
	struct era *era;
	const struct settings *settings; /* options are checked */
	struct image *const *images;     /* one for each agent, in order */
	unsigned view;                   /* proc/edition.h */
};

struct registry_setup {
	struct registry_config config;
	int host_fd;                /* borrowed */
	struct runs *runs;          /* borrowed */
	void (*changed)(void *arg); /* some agent's state changed */
	/* A plugin emits an event: agent.h. */
	void (*emit)(void *arg, struct agent *agent, struct frame_text event,
	    struct frame_text json, void (*done)(void *arg), void *done_arg);
	void *arg;
};

struct registry *registry_new(struct event_base *base, const struct registry_setup *setup);
void registry_free(struct registry *registry);

/* Goes by another config from now on: agents keep their names, and what has not changed of them goes on (agent.h); new
 * ones are started; those that are gone are freed once nothing of the config before is left. 0 or -ENOMEM: then some of
 * them may go by it already. */
int registry_apply(struct registry *registry, const struct registry_config *config);

void registry_start(struct registry *registry);
void registry_stop(struct registry *registry);
bool registry_is_down(const struct registry *registry);

struct agent *registry_find(const struct registry *registry, const char *name); /* NULL: none */
struct agent *registry_default(const struct registry *registry); /* NULL: several, none named */
struct agent *registry_at(const struct registry *registry, size_t i); /* NULL past the last */

#endif
