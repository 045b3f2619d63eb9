/* store: from the calls of store.h to those of a backend. */
#include "daemon/store/store.h"

#include "daemon/store/backend.h"

void store_close(struct store *store)
{
	if (store->ops->close)
		store->ops->close(store);
}

void store_free(struct store *store)
{
	if (store)
		store->ops->free(store);
}

bool store_keeps_runs(const struct store *store)
{
	return store->ops->keeps_runs;
}

void store_run_add(struct store *store, const struct store_add *add, store_add_fn done, void *arg)
{
	store->ops->run_add(store, add, done, arg);
}

void store_key_find(struct store *store, struct frame_text key, store_add_fn done, void *arg)
{
	store->ops->key_find(store, key, done, arg);
}

void store_run_finish(
    struct store *store, const struct store_run *run, store_done_fn done, void *arg)
{
	store->ops->run_finish(store, run, done, arg);
}

void store_run_attempt(
    struct store *store, const char *id, unsigned attempts, store_done_fn done, void *arg)
{
	store->ops->run_attempt(store, id, attempts, done, arg);
}

void store_run_get(struct store *store, const char *id, store_run_fn done, void *arg)
{
	store->ops->run_get(store, id, done, arg);
}

void store_runs_list(
    struct store *store, const struct store_page *page, store_runs_fn done, void *arg)
{
	store->ops->runs_list(store, page, done, arg);
}

void store_runs_unfinished(struct store *store, store_runs_fn done, void *arg)
{
	store->ops->runs_unfinished(store, done, arg);
}

void store_session_get(struct store *store, const char *id, const char *source, size_t most,
    size_t bytes, store_session_fn done, void *arg)
{
	store->ops->session_get(store, id, source, most, bytes, done, arg);
}

void store_sessions_list(
    struct store *store, const struct store_page *page, store_sessions_fn done, void *arg)
{
	store->ops->sessions_list(store, page, done, arg);
}

void store_session_delete(struct store *store, const char *id, const char *user, const char *source,
    store_done_fn done, void *arg)
{
	store->ops->session_delete(store, id, user, source, done, arg);
}

void store_cron_list(struct store *store, store_crons_fn done, void *arg)
{
	store->ops->cron_list(store, done, arg);
}

void store_cron_put(
    struct store *store, const struct store_cron *cron, store_done_fn done, void *arg)
{
	store->ops->cron_put(store, cron, done, arg);
}

void store_cron_delete(struct store *store, const char *name, store_done_fn done, void *arg)
{
	store->ops->cron_delete(store, name, done, arg);
}

void store_look(struct store *store, struct store_view *ret)
{
	*ret = (struct store_view){ 0 };
	if (store->ops->look)
		store->ops->look(store, ret);
}

int store_trouble(struct store *store)
{
	return store->ops->trouble ? store->ops->trouble(store) : 0;
}
