/* backend: what stands behind store.h. Private to daemon/store. A backend's struct begins with a
 * struct store. Each function is the one of store.h with its name. */
#ifndef AGENTD_STORE_BACKEND_H
#define AGENTD_STORE_BACKEND_H

#include "daemon/store/store.h"

struct store_chat_ops {
	void (*incoming_add)(struct store *store, const struct store_incoming *incoming,
	    store_seq_fn done, void *arg);
	void (*incoming_get)(struct store *store, int64_t seq, store_incoming_fn done, void *arg);
	void (*incoming_list)(struct store *store, store_incomings_fn done, void *arg);
	void (*incoming_end)(struct store *store, int64_t seq, store_done_fn done, void *arg);
	void (*chat_get)(struct store *store, const char *interface, const char *user_id,
	    const char *chat_id, store_chat_fn done, void *arg);
	void (*chats_sweep)(struct store *store, const char *interface, uint64_t before_wall_ms,
	    store_done_fn done, void *arg);
	void (*reply_add)(struct store *store, const struct store_reply *reply, int64_t incoming,
	    store_seq_fn done, void *arg);
	void (*reply_get)(struct store *store, int64_t id, store_reply_fn done, void *arg);
	void (*reply_put)(
	    struct store *store, const struct store_reply *reply, store_done_fn done, void *arg);
	void (*reply_delete)(struct store *store, int64_t id, store_done_fn done, void *arg);
	void (*replies_all)(struct store *store, store_replies_fn done, void *arg);
	void (*replies_list)(
	    struct store *store, const struct store_page *page, store_replies_fn done, void *arg);
	void (*identities_list)(struct store *store, store_identities_fn done, void *arg);
	void (*identity_put)(
	    struct store *store, const struct store_identity *link, store_done_fn done, void *arg);
	void (*identity_delete)(struct store *store, const char *platform,
	    const char *platform_user_id, store_done_fn done, void *arg);
};

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
	void (*session_get)(struct store *store, const char *id, const char *source, size_t most,
	    size_t bytes, store_session_fn done, void *arg);
	void (*sessions_list)(
	    struct store *store, const struct store_page *page, store_sessions_fn done, void *arg);
	void (*session_delete)(struct store *store, const char *id, const char *user,
	    const char *source, store_done_fn done, void *arg);
	/* Of those that keep runs only. */
	void (*cron_list)(struct store *store, store_crons_fn done, void *arg);
	void (*cron_put)(
	    struct store *store, const struct store_cron *cron, store_done_fn done, void *arg);
	void (*cron_delete)(struct store *store, const char *name, store_done_fn done, void *arg);
	const struct store_chat_ops *chats; /* NULL: it has none, and store_chat.c says so */
	void (*look)(
	    struct store *store, struct store_view *ret); /* NULL: there is nothing to see */
	int (*trouble)(struct store *store);              /* NULL: there never is any */
};

struct store {
	const struct store_ops *ops;
};

#endif
