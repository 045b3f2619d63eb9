/*
 * job: one call of store.h on its way through a thread. Private to daemon/store.
 *
 * Made on the loop, with copies of what it needs; done on a thread; delivered, and freed, on the loop.
 */
#ifndef AGENTD_STORE_JOB_H
#define AGENTD_STORE_JOB_H

#include <sys/queue.h>

#include "daemon/store/db.h"

#define KEY_LIFE_MS (24 * 3600 * 1000ull) /* of an idempotency key */

struct job {
	/* On its thread. Writing jobs are inside a transaction, and may be done again after it failed:
	 * nothing that they did before counts. 0 or -errno; what is no failure of the store (-EEXIST,
	 * -ENOENT, -EPERM) leaves the transaction as it is. */
	int (*work)(struct job *job, struct db *db);
	/* On the loop: calls who asked. NULL: nobody did. */
	void (*deliver)(struct job *job);
	void (*free)(struct job *job);
	int error;
	STAILQ_ENTRY(job) link;
};
STAILQ_HEAD(job_queue, job);

struct sqlite_store;
/* Take the job over. NULL (memory was out) is answered by nobody: the caller has. */
void sqlite_write(struct sqlite_store *store, struct job *job);
void sqlite_read(struct sqlite_store *store, struct job *job);

/* sqlite_write.c */
void sqlite_run_add(struct store *store, const struct store_add *add, store_add_fn done, void *arg);
void sqlite_key_find(struct store *store, struct frame_text key, store_add_fn done, void *arg);
void sqlite_run_finish(
    struct store *store, const struct store_run *run, store_done_fn done, void *arg);
void sqlite_run_attempt(
    struct store *store, const char *id, unsigned attempts, store_done_fn done, void *arg);
void sqlite_session_delete(struct store *store, const char *id, const char *user,
    const char *source, store_done_fn done, void *arg);

/* sqlite_read.c */
void sqlite_run_get(struct store *store, const char *id, store_run_fn done, void *arg);
void sqlite_runs_list(
    struct store *store, const struct store_page *page, store_runs_fn done, void *arg);
void sqlite_runs_unfinished(struct store *store, store_runs_fn done, void *arg);
void sqlite_session_get(struct store *store, const char *id, const char *source, size_t most,
    size_t bytes, store_session_fn done, void *arg);
void sqlite_sessions_list(
    struct store *store, const struct store_page *page, store_sessions_fn done, void *arg);

/* sqlite_cron.c */
void sqlite_cron_list(struct store *store, store_crons_fn done, void *arg);
void sqlite_cron_put(
    struct store *store, const struct store_cron *cron, store_done_fn done, void *arg);
void sqlite_cron_delete(struct store *store, const char *name, store_done_fn done, void *arg);
/* What a writing job does for one. 0 or -errno. */
int sqlite_cron_write(const struct store_cron *cron, struct db *db);

/* sqlite_chat.c: this backend's calls for chats, all of them. */
struct store_chat_ops;
extern const struct store_chat_ops sqlite_chats;
void sqlite_chat_get(struct store *store, const char *interface, const char *user_id,
    const char *chat_id, store_chat_fn done, void *arg);
void sqlite_chats_sweep(struct store *store, const char *interface, uint64_t before_wall_ms,
    store_done_fn done, void *arg);
/* What a writing job does for one. 0 or -errno. */
int sqlite_chat_write(const struct store_chat *chat, struct db *db);

/* sqlite_incoming.c */
void sqlite_incoming_add(
    struct store *store, const struct store_incoming *incoming, store_seq_fn done, void *arg);
void sqlite_incoming_get(struct store *store, int64_t seq, store_incoming_fn done, void *arg);
void sqlite_incoming_list(struct store *store, store_incomings_fn done, void *arg);
void sqlite_incoming_end(struct store *store, int64_t seq, store_done_fn done, void *arg);
/* What writing jobs do for one: it has a run; it is over. Nothing, if it is over. 0 or -errno. */
int sqlite_incoming_run(int64_t seq, const char *run_id, struct db *db);
int sqlite_incoming_close(int64_t seq, struct db *db);

/* sqlite_reply.c */
void sqlite_reply_add(struct store *store, const struct store_reply *reply, int64_t incoming,
    store_seq_fn done, void *arg);
void sqlite_reply_get(struct store *store, int64_t id, store_reply_fn done, void *arg);
void sqlite_reply_put(
    struct store *store, const struct store_reply *reply, store_done_fn done, void *arg);
void sqlite_reply_delete(struct store *store, int64_t id, store_done_fn done, void *arg);
void sqlite_replies_all(struct store *store, store_replies_fn done, void *arg);
void sqlite_replies_list(
    struct store *store, const struct store_page *page, store_replies_fn done, void *arg);

/* sqlite_identity.c */
void sqlite_identities_list(struct store *store, store_identities_fn done, void *arg);
void sqlite_identity_put(
    struct store *store, const struct store_identity *link, store_done_fn done, void *arg);
void sqlite_identity_delete(struct store *store, const char *platform, const char *platform_user_id,
    store_done_fn done, void *arg);

/* sqlite_sweep.c */
struct sweep_bounds {
	uint64_t runs_before_wall_ms; /* and sessions; 0: any */
	uint64_t keys_before_wall_ms;
	uint64_t incoming_before_wall_ms; /* of what is over */
	int64_t max_bytes;                /* of the file: then the oldest runs go; 0: any */
};
/* A job that deletes a piece of what is older, or too much; `deleted` says how much that was. */
struct job *sqlite_sweep_new(const struct sweep_bounds *bounds,
    void (*done)(void *arg, int error, unsigned deleted), void *arg);

/* sqlite_probe.c: a job that writes something, and one that takes it away. */
struct job *sqlite_probe_new(store_done_fn done, void *arg);
struct job *sqlite_probe_clear_new(void);

#endif
