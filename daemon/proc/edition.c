/* edition: an image and its settings, held together. */
#include "daemon/proc/edition.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/era.h"
#include "daemon/proc/options.h"

struct edition {
	unsigned refs;
	struct edition_setup setup;
	struct buf config; /* the CONFIG frame */
};

struct edition *edition_new(const struct edition_setup *setup)
{
	struct edition *edition = calloc(1, sizeof(*edition));
	if (!edition)
		return NULL;
	edition->refs = 1;
	edition->setup = *setup;
	era_ref(setup->era);
	image_ref(setup->image);
	if (options_encode(setup->instance, &edition->config) == 0)
		return edition;
	edition_unref(edition);
	return NULL;
}

struct edition *edition_ref(struct edition *edition)
{
	edition->refs++;
	return edition;
}

void edition_unref(struct edition *edition)
{
	if (!edition || --edition->refs)
		return;
	options_done(&edition->config);
	image_unref(edition->setup.image);
	era_unref(edition->setup.era);
	free(edition);
}

void edition_leave_era(struct edition *edition)
{
	era_unref(edition->setup.era);
	edition->setup.era = NULL;
}

static bool is_same_list(const struct schema_list *a, const struct schema_list *b)
{
	bool same = a->count == b->count;
	for (size_t i = 0; same && i < a->count; i++)
		same = strcmp(a->items[i], b->items[i]) == 0;
	return same;
}

static bool is_same_limits(const struct host_limits *a, const struct host_limits *b)
{
	return a->memory == b->memory && a->files == b->files && a->content == b->content &&
	       a->delta == b->delta && a->event == b->event && a->events == b->events &&
	       a->threads == b->threads && a->allow_unix == b->allow_unix &&
	       a->allow_files == b->allow_files;
}

bool edition_is_made_alike(const struct edition *a, const struct edition *b)
{
	return a->setup.image == b->setup.image && a->config.length == b->config.length &&
	       memcmp(a->config.data, b->config.data, a->config.length) == 0 &&
	       strcmp(a->setup.instance->name, b->setup.instance->name) == 0 &&
	       is_same_limits(&a->setup.instance->limits, &b->setup.instance->limits) &&
	       is_same_list(a->setup.hidden, b->setup.hidden);
}

bool edition_is_alike(const struct edition *a, const struct edition *b)
{
	bool is_fenced = !a->setup.instance->limits.allow_files;
	return edition_is_made_alike(a, b) && (!is_fenced || a->setup.view == b->setup.view);
}

const char *edition_change(const struct edition *before, const struct edition *after)
{
	return edition_is_made_alike(before, after) ? "a file that it could read is another one now"
						    : "its plugin, or its settings, have changed";
}

const struct descriptor *edition_descriptor(const struct edition *edition)
{
	return image_descriptor(edition->setup.image);
}

const struct instance_settings *edition_instance(const struct edition *edition)
{
	return edition->setup.instance;
}

struct child_setup edition_child(const struct edition *edition)
{
	const struct instance_settings *instance = edition->setup.instance;
	return (struct child_setup){
		.name = instance->name,
		.label = instance->label,
		.image = edition->setup.image,
		.config = &edition->config,
		.times = edition->setup.supervision,
		.limits = &instance->limits,
		.hidden = edition->setup.hidden,
	};
}
