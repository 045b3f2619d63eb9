/* environment: a list of "NAME=value", as execve wants it. */
#include "environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct environment {
	char **entries; /* owned, and each of them; ends with NULL */
	size_t count;
};

static struct agentd_text text_of(const char *text)
{
	return agentd_text(text, strlen(text));
}

/* The place of a variable; `count` if it is not set. */
static size_t environment_find(const struct environment *environment, struct agentd_text name)
{
	size_t i = 0;
	while (i < environment->count && (strncmp(environment->entries[i], name.p, name.n) != 0 ||
					     environment->entries[i][name.n] != '='))
		i++;
	return i;
}

/* Puts an entry, which it takes over, at a place: an old one, or the end. */
static int environment_put(struct environment *environment, size_t place, char *entry)
{
	if (place < environment->count) {
		free(environment->entries[place]);
		environment->entries[place] = entry;
		return 0;
	}
	char **entries = realloc(environment->entries, (place + 2) * sizeof(*entries));
	if (!entries) {
		free(entry);
		return -ENOMEM;
	}
	entries[place] = entry;
	entries[place + 1] = NULL;
	environment->entries = entries;
	environment->count = place + 1;
	return 0;
}

int environment_set(
    struct environment *environment, struct agentd_text name, struct agentd_text value)
{
	char *entry;
	if (!name.n || memchr(name.p, '=', name.n) || memchr(name.p, '\0', name.n) ||
	    (value.n && memchr(value.p, '\0', value.n)))
		return -EINVAL;
	if (asprintf(&entry, "%.*s=%.*s", (int)name.n, name.p, (int)value.n, value.p) < 0)
		return -ENOMEM;
	return environment_put(environment, environment_find(environment, name), entry);
}

struct environment *environment_new(void)
{
	static const char *const passed[] = { "PATH", "LANG" };
	struct environment *environment = calloc(1, sizeof(*environment));
	if (!environment)
		return NULL;
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) {
		const char *value = getenv(passed[i]);
		if (value &&
		    environment_set(environment, text_of(passed[i]), text_of(value)) == -ENOMEM) {
			environment_free(environment);
			return NULL;
		}
	}
	return environment;
}

struct environment *environment_copy(const struct environment *environment)
{
	struct environment *copy = calloc(1, sizeof(*copy));
	for (size_t i = 0; copy && i < environment->count; i++) {
		char *entry = strdup(environment->entries[i]);
		if (!entry || environment_put(copy, i, entry) < 0) {
			environment_free(copy);
			return NULL;
		}
	}
	return copy;
}

void environment_free(struct environment *environment)
{
	if (!environment)
		return;
	for (size_t i = 0; i < environment->count; i++)
		free(environment->entries[i]);
	free(environment->entries);
	free(environment);
}

const char *environment_get(const struct environment *environment, const char *name)
{
	size_t i = environment_find(environment, text_of(name));
	return i < environment->count ? environment->entries[i] + strlen(name) + 1 : NULL;
}

char *const *environment_list(const struct environment *environment)
{
	static char *const none[] = { NULL };
	return environment->entries ? environment->entries : none;
}
