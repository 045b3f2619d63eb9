/* store_chat: from the calls of store.h for chats to those of a backend, or -ENOTSUP. */
#include <errno.h>

#include "daemon/store/backend.h"

void store_incoming_add(
    struct store *store, const struct store_incoming *incoming, store_seq_fn done, void *arg)
{
	if (store->ops->chats)
		store->ops->chats->incoming_add(store, incoming, done, arg);
	else
		done(arg, -ENOTSUP, 0);
}

void store_incoming_get(struct store *store, int64_t seq, store_incoming_fn done, void *arg)
{
	if (store->ops->chats)
		store->ops->chats->incoming_get(store, seq, done, arg);
	else
		done(arg, -ENOTSUP, NULL);
}

void store_incoming_list(struct store *store, store_incomings_fn done, void *arg)
{
	if (store->ops->chats)
		store->ops->chats->incoming_list(store, done, arg);
	else
		done(arg, -ENOTSUP, NULL, 0);
}

void store_incoming_end(struct store *store, int64_t seq, store_done_fn done, void *arg)
{
	if (store->ops->chats)
		store->ops->chats->incoming_end(store, seq, done, arg);
	else
		done(arg, -ENOTSUP);
}

void store_chat_get(struct store *store, const char *interface, const char *user_id,
    const char *chat_id, store_chat_fn done, void *arg)
{
	if (store->ops->chats)
		store->ops->chats->chat_get(store, interface, user_id, chat_id, done, arg);
	else
		done(arg, -ENOTSUP, NULL);
}

void store_chats_sweep(struct store *store, const char *interface, uint64_t before_wall_ms,
    store_done_fn done, void *arg)
{
	if (store->ops->chats)
		store->ops->chats->chats_sweep(store, interface, before_wall_ms, done, arg);
	else
		done(arg, -ENOTSUP);
}

void store_reply_add(struct store *store, const struct store_reply *reply, int64_t incoming,
    store_seq_fn done, void *arg)
{
	if (store->ops->chats)
		store->ops->chats->reply_add(store, reply, incoming, done, arg);
	else
		done(arg, -ENOTSUP, 0);
}

void store_reply_get(struct store *store, int64_t id, store_reply_fn done, void *arg)
{
	if (store->ops->chats)
		store->ops->chats->reply_get(store, id, done, arg);
	else
		done(arg, -ENOTSUP, NULL);
}

void store_reply_put(
    struct store *store, const struct store_reply *reply, store_done_fn done, void *arg)
{
	if (store->ops->chats)
		store->ops->chats->reply_put(store, reply, done, arg);
	else
		done(arg, -ENOTSUP);
}

void store_reply_delete(struct store *store, int64_t id, store_done_fn done, void *arg)
{
	if (store->ops->chats)
		store->ops->chats->reply_delete(store, id, done, arg);
	else
		done(arg, -ENOTSUP);
}

void store_replies_all(struct store *store, store_replies_fn done, void *arg)
{
	if (store->ops->chats)
		store->ops->chats->replies_all(store, done, arg);
	else
		done(arg, -ENOTSUP, NULL, 0, NULL);
}

void store_replies_list(
    struct store *store, const struct store_page *page, store_replies_fn done, void *arg)
{
	if (store->ops->chats)
		store->ops->chats->replies_list(store, page, done, arg);
	else
		done(arg, -ENOTSUP, NULL, 0, NULL);
}

void store_identities_list(struct store *store, store_identities_fn done, void *arg)
{
	if (store->ops->chats)
		store->ops->chats->identities_list(store, done, arg);
	else
		done(arg, -ENOTSUP, NULL, 0);
}

void store_identity_put(
    struct store *store, const struct store_identity *link, store_done_fn done, void *arg)
{
	if (store->ops->chats)
		store->ops->chats->identity_put(store, link, done, arg);
	else
		done(arg, -ENOTSUP);
}

void store_identity_delete(struct store *store, const char *platform, const char *platform_user_id,
    store_done_fn done, void *arg)
{
	if (store->ops->chats)
		store->ops->chats->identity_delete(store, platform, platform_user_id, done, arg);
	else
		done(arg, -ENOTSUP);
}
