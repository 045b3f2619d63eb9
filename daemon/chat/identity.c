/* identity: a sorted array, since it is listed in its order, and people are few. */
#include "daemon/chat/identity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/id.h"

struct link {
	char *user_id, *platform, *platform_user_id, *user_name;
	uint64_t linked_wall_ms;
	bool fixed;
};

/* By platform and platform user. */
struct links {
	struct link *items;
	size_t count;
};

struct identities {
	struct store *store; /* borrowed */
	struct links links;
	struct links hidden; /* of the store, where the config has others */
};

static void link_done(struct link *link)
{
	free(link->user_id);
	free(link->platform);
	free(link->platform_user_id);
	free(link->user_name);
}

static int compare(const struct link *link, const char *platform, const char *platform_user_id)
{
	int order = strcmp(link->platform, platform);
	return order ? order : strcmp(link->platform_user_id, platform_user_id);
}

static void links_done(struct links *links)
{
	for (size_t i = 0; i < links->count; i++)
		link_done(&links->items[i]);
	free(links->items);
}

/* Where it stands, or would. True: it is there. */
static bool find(
    const struct links *links, const char *platform, const char *platform_user_id, size_t *ret_at)
{
	size_t low = 0, high = links->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(&links->items[middle], platform, platform_user_id);
		if (order == 0) {
			*ret_at = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_at = low;
	return false;
}

/* 0 or -ENOMEM. */
static int put(struct links *links, const struct store_identity *from, bool fixed)
{
	size_t at;
	struct link link = {
		.user_id = strdup(from->user_id),
		.platform = strdup(from->platform),
		.platform_user_id = strdup(from->platform_user_id),
		.user_name = from->user_name ? strdup(from->user_name) : NULL,
		.linked_wall_ms = from->linked_wall_ms,
		.fixed = fixed,
	};
	bool ok = link.user_id && link.platform && link.platform_user_id &&
		  (link.user_name || !from->user_name);
	if (ok && find(links, from->platform, from->platform_user_id, &at)) {
		link_done(&links->items[at]);
		links->items[at] = link;
		return 0;
	}
	struct link *grown =
	    ok ? reallocarray(links->items, links->count + 1, sizeof(*grown)) : NULL;
	if (!grown) {
		link_done(&link);
		return -ENOMEM;
	}
	links->items = grown;
	memmove(grown + at + 1, grown + at, (links->count++ - at) * sizeof(*grown));
	grown[at] = link;
	return 0;
}

static bool is_fixed(const struct identities *identities, const char *platform,
    const char *platform_user_id, size_t *ret_at)
{
	return find(&identities->links, platform, platform_user_id, ret_at) &&
	       identities->links.items[*ret_at].fixed;
}

/* One of the store: what the config has comes first. */
static int set(struct identities *identities, const struct store_identity *from)
{
	size_t at;
	bool fixed = is_fixed(identities, from->platform, from->platform_user_id, &at);
	return put(fixed ? &identities->hidden : &identities->links, from, false);
}

static int set_fixed(struct identities *identities, const struct settings *settings)
{
	int error = 0;
	for (size_t i = 0; error == 0 && i < settings->identity_count; i++) {
		const struct identity_settings *from = &settings->identities[i];
		struct store_identity link = { .user_id = from->user_id,
			.platform = from->platform,
			.platform_user_id = from->platform_user_id };
		error = put(&identities->links, &link, true);
	}
	return error;
}

struct identities *identities_new(const struct settings *settings, struct store *store)
{
	struct identities *identities = calloc(1, sizeof(*identities));
	if (!identities)
		return NULL;
	identities->store = store;
	if (set_fixed(identities, settings) == 0)
		return identities;
	identities_free(identities);
	return NULL;
}

/* Those of the store that `from` has. */
static int set_stored(struct identities *identities, const struct links *from)
{
	int error = 0;
	for (size_t i = 0; error == 0 && i < from->count; i++) {
		const struct link *link = &from->items[i];
		struct store_identity stored = { .user_id = link->user_id,
			.platform = link->platform,
			.platform_user_id = link->platform_user_id,
			.user_name = link->user_name,
			.linked_wall_ms = link->linked_wall_ms };
		if (!link->fixed)
			error = set(identities, &stored);
	}
	return error;
}

int identities_configure(struct identities *identities, const struct settings *settings)
{
	struct identities next = { 0 }, before = *identities;
	int error = set_fixed(&next, settings);
	if (error == 0)
		error = set_stored(&next, &before.links);
	if (error == 0)
		error = set_stored(&next, &before.hidden);
	if (error == 0) {
		identities->links = next.links;
		identities->hidden = next.hidden;
		next = before;
	}
	links_done(&next.links);
	links_done(&next.hidden);
	return error;
}

void identities_free(struct identities *identities)
{
	if (!identities)
		return;
	links_done(&identities->links);
	links_done(&identities->hidden);
	free(identities);
}

const char *identities_find(
    const struct identities *identities, const char *platform, const char *platform_user_id)
{
	size_t at;
	const struct links *links = &identities->links;
	return find(links, platform, platform_user_id, &at) ? links->items[at].user_id : NULL;
}

bool identities_at(const struct identities *identities, size_t i, struct identity_view *ret)
{
	if (i >= identities->links.count)
		return false;
	const struct link *link = &identities->links.items[i];
	*ret = (struct identity_view){ link->user_id, link->platform, link->platform_user_id,
		link->user_name, link->linked_wall_ms, link->fixed };
	return true;
}

/* The store first: what it does not have is not so. */
struct change {
	struct identities *identities; /* borrowed */
	struct store_identity link;    /* its texts are owned; user_id NULL: it is taken away */
	store_done_fn done;
	void *arg;
};

static void change_free(struct change *change)
{
	free((char *)change->link.user_id);
	free((char *)change->link.platform);
	free((char *)change->link.platform_user_id);
	free((char *)change->link.user_name);
	free(change);
}

/* Whatever the config has. */
static void forget(struct identities *identities, const struct store_identity *link)
{
	size_t at;
	bool fixed = is_fixed(identities, link->platform, link->platform_user_id, &at);
	struct links *links = fixed ? &identities->hidden : &identities->links;
	if (!find(links, link->platform, link->platform_user_id, &at))
		return;
	link_done(&links->items[at]);
	memmove(links->items + at, links->items + at + 1,
	    (--links->count - at) * sizeof(*links->items));
}

static void on_changed(void *arg, int error)
{
	struct change *change = arg;
	if (error == 0 && change->link.user_id)
		error = set(change->identities, &change->link);
	else if (error == 0)
		forget(change->identities, &change->link);
	change->done(change->arg, error);
	change_free(change);
}

static struct change *change_new(
    struct identities *identities, const struct store_identity *link, store_done_fn done, void *arg)
{
	struct change *change = calloc(1, sizeof(*change));
	if (!change)
		return NULL;
	*change = (struct change){ .identities = identities, .done = done, .arg = arg };
	change->link.linked_wall_ms = link->linked_wall_ms;
	change->link.user_id = link->user_id ? strdup(link->user_id) : NULL;
	change->link.platform = strdup(link->platform);
	change->link.platform_user_id = strdup(link->platform_user_id);
	change->link.user_name = link->user_name ? strdup(link->user_name) : NULL;
	if (change->link.platform && change->link.platform_user_id &&
	    (change->link.user_id || !link->user_id))
		return change;
	change_free(change);
	return NULL;
}

/* Whether the change is to be made; else it is answered. */
static struct change *begin(
    struct identities *identities, const struct store_identity *link, store_done_fn done, void *arg)
{
	size_t at;
	const struct links *links = &identities->links;
	bool known = find(links, link->platform, link->platform_user_id, &at);
	struct change *change = change_new(identities, link, done, arg);
	int error = !change                           ? -ENOMEM
		    : known && links->items[at].fixed ? -EPERM
		    : !known && !link->user_id        ? -ENOENT
						      : 0;
	if (error == 0)
		return change;
	if (change)
		change_free(change);
	done(arg, error);
	return NULL;
}

void identities_link(
    struct identities *identities, const struct store_identity *link, store_done_fn done, void *arg)
{
	struct store_identity now = *link;
	now.linked_wall_ms = clock_wall_ms();
	struct change *change = begin(identities, &now, done, arg);
	if (change)
		store_identity_put(identities->store, &now, on_changed, change);
}

void identities_unlink(struct identities *identities, const char *platform,
    const char *platform_user_id, store_done_fn done, void *arg)
{
	struct store_identity link = { .platform = platform, .platform_user_id = platform_user_id };
	struct change *change = begin(identities, &link, done, arg);
	if (change)
		store_identity_delete(
		    identities->store, platform, platform_user_id, on_changed, change);
}

/* Loading. */

struct loading {
	struct identities *identities;
	store_done_fn done;
	void *arg;
};

static void on_listed(void *arg, int error, const struct store_identity *links, size_t count)
{
	struct loading *loading = arg;
	for (size_t i = 0; error == 0 && i < count; i++)
		error = set(loading->identities, &links[i]);
	loading->done(loading->arg, error);
	free(loading);
}

void identities_load(struct identities *identities, store_done_fn done, void *arg)
{
	struct loading *loading = calloc(1, sizeof(*loading));
	if (!loading) {
		done(arg, -ENOMEM);
		return;
	}
	*loading = (struct loading){ identities, done, arg };
	store_identities_list(identities->store, on_listed, loading);
}
