/* backend: what stands behind store.h. Private to daemon/store. A backend's struct begins with a
 * struct store. Each function is the one of store.h with its name. */
#ifndef AGENTD_STORE_BACKEND_H
#define AGENTD_STORE_BACKEND_H

#include "daemon/store/store.h"

struct store_ops {
	bool keeps_runs;
	void (*close)(struct store *store); /* NULL: there is nothing under way */
	void (*free)(struct store *store);
	void (*run_add)(
	    struct store *store, const struct store_add *add, store_add_fn done, void *arg);
	void (*key_find)(struct store *store, struct frame_text key, store_add_fn done, void *arg);
	void (*run_finish)(
	    struct store *store, const struct store_run *run, store_done_fn done, void *arg);
	void (*run_attempt)(
	    struct store *store, const char *id, unsigned attempts, store_done_fn done, void *arg);
	void (*run_get)(struct store *store, const char *id, store_run_fn done, void *arg);
	void (*runs_list)(
	    struct store *store, const struct store_page *page, store_runs_fn done, void *arg);
	void (*runs_unfinished)(struct store *store, store_runs_fn done, void *arg);
	void (*session_get)(struct store *store, const char *id, size_t most, size_t bytes,
	    store_session_fn done, void *arg);
	void (*sessions_list)(
	    struct store *store, const struct store_page *page, store_sessions_fn done, void *arg);
	void (*session_delete)(
	    struct store *store, const char *id, const char *user, store_done_fn done, void *arg);
	/* Of those that keep runs only. */
	void (*cron_list)(struct store *store, store_crons_fn done, void *arg);
	void (*cron_put)(
	    struct store *store, const struct store_cron *cron, store_done_fn done, void *arg);
	void (*cron_delete)(struct store *store, const char *name, store_done_fn done, void *arg);
	void (*look)(
	    struct store *store, struct store_view *ret); /* NULL: there is nothing to see */
};

struct store {
	const struct store_ops *ops;
};

#endif
