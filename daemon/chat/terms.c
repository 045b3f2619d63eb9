/*
 * terms: what a config says of an interface, as a message goes by it from its beginning to its end: a reload is for
 * those that come after it. The config's era is held, and the hooks, also those that the config has no more.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/era.h"
#include "daemon/chat/internal.h"

static struct hook *find_hook(struct hook *const *hooks, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(hooks[i]->settings->instance.name, name) == 0)
			return hooks[i];
	return NULL;
}

struct terms *terms_new(const struct chats_config *config,
    const struct interface_settings *settings, struct hook *const *hooks, size_t count)
{
	const struct schema_list *names = &settings->hooks;
	struct terms *terms = calloc(1, sizeof(*terms) + names->count * sizeof(struct hook *));
	if (!terms)
		return NULL;
	terms->refs = 1;
	terms->era = era_ref(config->era);
	terms->settings = settings;
	terms->auth = config->auth;
	for (size_t i = 0; i < names->count; i++) {
		struct hook *hook = find_hook(hooks, count, names->items[i]);
		if (hook)
			terms->hooks[terms->hook_count++] = hook_ref(hook);
	}
	return terms;
}

struct terms *terms_ref(struct terms *terms)
{
	terms->refs++;
	return terms;
}

void terms_unref(struct terms *terms)
{
	if (!terms || --terms->refs)
		return;
	for (size_t i = 0; i < terms->hook_count; i++)
		hook_unref(terms->hooks[i]);
	era_unref(terms->era);
	free(terms);
}
