/*
 * identity: who somebody on a platform is: links from (platform, its user id) to the user that its runs are
 * of. Those of the config are fixed, and come first; those of the store can be changed. All are in memory.
 */
#ifndef AGENTD_CHAT_IDENTITY_H
#define AGENTD_CHAT_IDENTITY_H

#include "daemon/conf/settings.h"
#include "daemon/store/store.h"

struct identities;

/* Both borrowed. NULL: memory is out. */
struct identities *identities_new(const struct settings *settings, struct store *store);
/* Those of another config are fixed from now on; those of the store stay. 0 or -ENOMEM: nothing has changed. */
int identities_configure(struct identities *identities, const struct settings *settings);
void identities_free(struct identities *identities);
/* Reads those of the store. */
void identities_load(struct identities *identities, store_done_fn done, void *arg);

/* The user; NULL: it is linked to none. Borrowed until something changes. */
const char *identities_find(
    const struct identities *identities, const char *platform, const char *platform_user_id);

struct identity_view {
	const char *user_id, *platform, *platform_user_id;
	const char *user_name; /* NULL: not known */
	uint64_t linked_wall_ms;
	bool fixed; /* by the config */
};
/* The i-th, by platform and platform user; false past the last. */
bool identities_at(const struct identities *identities, size_t i, struct identity_view *ret);

/* Links somebody, or takes the link away, in the store and then here. 0; -EPERM: the config has it; -ENOENT:
 * there is no such link; or of the store. */
void identities_link(struct identities *identities, const struct store_identity *link,
    store_done_fn done, void *arg);
void identities_unlink(struct identities *identities, const char *platform,
    const char *platform_user_id, store_done_fn done, void *arg);

#endif
