/*
 * store: runs, sessions and their history, behind calls that answer by callback.
 *
 * A session has no text of its own: its history is the messages of its runs that succeeded, in the
 * order in which they ended. So a run's result and its turn of the session are one record, and
 * one commit.
 *
 * Callbacks are called once, on the loop's thread: later, or before the call returns, so the caller
 * must have nothing left to do after it. What a call is given is copied, or done with, when it
 * returns; what a callback is given is borrowed for the callback. Errors are -errno: -ENOSPC, -EROFS,
 * -EIO, -EBUSY (locked), -EBADMSG (corrupt), -ENOMEM; with any of them nothing was changed. What a
 * writing call has answered with 0 survives the machine.
 *
 * Backends: sqlite.c, and memory.c, which keeps sessions only, as long as the process lasts.
 */
#ifndef AGENTD_STORE_STORE_H
#define AGENTD_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/histogram.h"
#include "daemon/base/frame.h" /* struct frame_text: borrowed bytes */

struct store;

/* To the store those that are not over are all QUEUED. */
enum run_status { RUN_QUEUED, RUN_RUNNING, RUN_SUCCEEDED, RUN_FAILED, RUN_CANCELLED };

/* Which sessions a run may go on with. The numbers are in files. */
enum run_reach {
	REACH_OWN,    /* those of its user */
	REACH_ALL,    /* whoever's */
	REACH_SOURCE, /* whoever's, if all their turns have its source */
};

/* A message of a session. Absent texts have p == NULL. */
struct store_message {
	struct frame_text role, content;
	struct frame_text tool_calls; /* JSON array */
	struct frame_text tool_call_id;
	struct frame_text run_id;
	uint64_t at_wall_ms; /* the end of its run, as the store says it */
};

/* A run. Absent texts have p == NULL, absent strings are NULL, absent times 0. */
struct store_run {
	const char *id, *agent, *session_id, *user, *source; /* user: "" for nobody in particular */
	const char *trigger;                                 /* of the agent's plugin; NULL: none */
	struct frame_text input, metadata;
	struct frame_text
	    claims; /* what auth found about the user, a JSON object; of unfinished runs only */
	struct frame_text attachments,
	    files; /* of the input, and of the answer: run/attachment.h */
	int64_t timeout_ms;
	int64_t history; /* messages of its session that it is told; of run_request */
	enum run_reach reach;
	bool durable; /* it is to be done, whatever becomes of this process */
	enum run_status status;
	unsigned attempts;
	const char *code; /* of its error, as the API has it */
	struct frame_text content, error, usage;
	struct frame_text events; /* what its streams were told: run/event_log.h */
	uint64_t created_wall_ms, started_wall_ms, finished_wall_ms;
	const struct store_message
	    *messages; /* what its session remembers of it, its input first */
	size_t message_count;
};

struct store_session {
	const char *id, *agent, *user;
	bool is_of_source; /* it has turns, and all are of the source that was asked about */
	uint64_t created_wall_ms, updated_wall_ms;
	const struct store_message *messages; /* oldest first */
	size_t count;
};

/* A page of a list, newest first. */
struct store_page {
	const char *after; /* the `next` of the page before; NULL: the first */
	size_t limit;
	const char *agent, *session_id, *user, *source; /* only these; NULL: any */
	int status;                                     /* an enum run_status; -1: any */
};

typedef void (*store_done_fn)(void *arg, int error);
/* NULL if there is none of that id. */
typedef void (*store_run_fn)(void *arg, int error, const struct store_run *run);
typedef void (*store_session_fn)(void *arg, int error, const struct store_session *session);
/* `next` is NULL on the last page. -EINVAL: `after` is no cursor. */
typedef void (*store_runs_fn)(
    void *arg, int error, const struct store_run *runs, size_t count, const char *next);
typedef void (*store_sessions_fn)(
    void *arg, int error, const struct store_session *sessions, size_t count, const char *next);

/* How far a schedule has come. */
struct store_cron {
	const char *name;
	const char *schedule; /* as text, with its zone: another is another schedule */
	uint64_t due_wall_ms; /* the last due time that has been dealt with */
	bool paused;
	const char *run_id;       /* of its last run; NULL: there was none */
	uint64_t run_due_wall_ms; /* which is for this time */
	unsigned attempt;         /* 1, or more if an earlier run for that time failed */
	uint64_t retry_wall_ms;   /* when the next will be; 0: no more */
	bool is_open;             /* what comes of the run's end is not known yet */
	/* Of that run, by store_cron_list. */
	bool is_known;
	enum run_status status;
};
typedef void (*store_crons_fn)(void *arg, int error, const struct store_cron *crons, size_t count);

/* A message of a chat, from when it is acknowledged until it has been answered. */
enum store_incoming_state {
	INCOMING_NEW,     /* nothing has been made of it */
	INCOMING_RUNNING, /* its run has been written down */
	INCOMING_OVER, /* its reply has been written down, or there is none; only its key is left */
};
struct store_incoming {
	int64_t seq; /* of the store: in the order in which they came */
	const char *interface;
	struct frame_text key; /* what its platform gives to no other message */
	const char *user_id, *chat_id;
	struct frame_text body; /* all that was said: chat/message.h */
	enum store_incoming_state state;
	const char *run_id; /* NULL: it has none */
	uint64_t at_wall_ms;
};
/* -EEXIST: its key is known, and nothing was written; that message has `seq`. */
typedef void (*store_seq_fn)(void *arg, int error, int64_t seq);
/* NULL: there is none of that number, or it is over. */
typedef void (*store_incoming_fn)(void *arg, int error, const struct store_incoming *incoming);
typedef void (*store_incomings_fn)(
    void *arg, int error, const struct store_incoming *incomings, size_t count);

/* The session in which somebody writes in a chat. */
struct store_chat {
	const char *interface, *user_id, *chat_id; /* who, and where */
	const char *session_id;
	uint64_t at_wall_ms; /* of the last message */
	const char *agent;   /* whose session it is; NULL: nobody's yet. Not for writing */
};
/* NULL: there is none yet. */
typedef void (*store_chat_fn)(void *arg, int error, const struct store_chat *chat);

/* A reply that a platform has not taken yet. */
struct store_reply {
	int64_t id; /* of the store: in the order in which they were written */
	const char *interface, *chat_id;
	const char *reply_to; /* id of the message that it answers; NULL: none */
	const char *run_id;   /* which has one reply at most; NULL: it is of none */
	struct frame_text text;
	struct frame_text files; /* run/attachment.h */
	unsigned attempts;
	unsigned parts;          /* that the platform has taken in these */
	struct frame_text error; /* of the last one; p == NULL: there was none */
	uint64_t created_wall_ms, next_wall_ms;
	bool aside; /* it is not tried any more */
};
typedef void (*store_reply_fn)(void *arg, int error, const struct store_reply *reply);
typedef void (*store_replies_fn)(
    void *arg, int error, const struct store_reply *replies, size_t count, const char *next);

/* Who somebody on a platform is. */
struct store_identity {
	const char *platform, *platform_user_id;
	const char *user_id;
	const char *user_name; /* as people know them there; NULL: not known */
	uint64_t linked_wall_ms;
};
typedef void (*store_identities_fn)(
    void *arg, int error, const struct store_identity *links, size_t count);

/* A run that begins, and the idempotency key of its request. */
struct store_add {
	const struct store_run *run;
	struct frame_text key; /* p == NULL: none */
	bool again_if_failed;  /* a run that failed, or was cancelled, has the key no more */
	uint64_t request;      /* a hash of the request */
	const struct store_cron *cron; /* what is written with it; NULL: nothing */
	int64_t incoming;              /* the message whose run it is: it is RUNNING now; 0: none */
	const struct store_chat *chat; /* the session of that, written with it; NULL: none */
	/* What must be on the disk before it, on a thread of the store's; NULL: nothing. If it fails the run is
	 * not written down. */
	int (*secure)(const struct store_run *run);
};
/* -EEXIST: the key is taken, and nothing was written; `taken` is who has it. -EPERM: its session is out of
 * its reach. */
struct store_taken {
	const char *run_id;
	uint64_t request;
};
typedef void (*store_add_fn)(void *arg, int error, const struct store_taken *taken);

/* Waits for what is under way, and answers it. What these answers ask for is answered -ESHUTDOWN; what is asked for
 * afterwards may never be answered. */
void store_close(struct store *store);
/* Closes it, if it is open; what is under way is written, and nobody is answered. */
void store_free(struct store *store);
/* Whether it keeps runs. If not, the calls for runs do nothing: adding one answers 0, and there is
 * none. */
bool store_keeps_runs(const struct store *store);

void store_run_add(struct store *store, const struct store_add *add, store_add_fn done, void *arg);
/* -EEXIST: the key is taken. */
void store_key_find(struct store *store, struct frame_text key, store_add_fn done, void *arg);
/* Writes down how a run ended, whether it was added or not, and makes its session, if it succeeded,
 * and is new. Done twice it is as done once. */
void store_run_finish(
    struct store *store, const struct store_run *run, store_done_fn done, void *arg);
/* Writes down that a run is tried again. */
void store_run_attempt(
    struct store *store, const char *id, unsigned attempts, store_done_fn done, void *arg);

void store_run_get(struct store *store, const char *id, store_run_fn done, void *arg);
/* Without events and messages. */
void store_runs_list(
    struct store *store, const struct store_page *page, store_runs_fn done, void *arg);
/* All that are not over, oldest first: what was going on when the store was closed. */
void store_runs_unfinished(struct store *store, store_runs_fn done, void *arg);

/* A session with the last of its turns: whole ones, until there are `most` messages or `bytes`. With a `source`
 * it is found out, too, whether it is of that (by a look at all its turns); NULL: it is not. */
void store_session_get(struct store *store, const char *id, const char *source, size_t most,
    size_t bytes, store_session_fn done, void *arg);
/* By their last run, without messages; of the page's filters the user or else the source, which all their turns
 * must have. */
void store_sessions_list(
    struct store *store, const struct store_page *page, store_sessions_fn done, void *arg);
/* Deletes a session and its runs. -ENOENT. -EPERM: it is not `user`'s, or not of that source; NULL: whoever's, of
 * whatever. Runs of others that are no turns of it stay. */
void store_session_delete(struct store *store, const char *id, const char *user, const char *source,
    store_done_fn done, void *arg);

/* Schedules: all of them, by name; how far one has come; and one that is no more. */
void store_cron_list(struct store *store, store_crons_fn done, void *arg);
void store_cron_put(
    struct store *store, const struct store_cron *cron, store_done_fn done, void *arg);
void store_cron_delete(struct store *store, const char *name, store_done_fn done, void *arg);

/*
 * Chats. Only stores that keep runs have them; others answer -ENOTSUP.
 *
 * What is read of messages, sessions and single or all replies is as all that was asked for before left
 * it, answered or not, and nothing that was asked for after. The two lists for operators (store_replies_list,
 * store_identities_list) are as what was answered left it.
 */

/* Writes a message down, as NEW; what it has of state, run_id and seq does not matter. */
void store_incoming_add(
    struct store *store, const struct store_incoming *incoming, store_seq_fn done, void *arg);
void store_incoming_get(struct store *store, int64_t seq, store_incoming_fn done, void *arg);
/* All that are not over, in their order, without bodies. */
void store_incoming_list(struct store *store, store_incomings_fn done, void *arg);
/* Nothing more comes of it. Done twice it is as done once. */
void store_incoming_end(struct store *store, int64_t seq, store_done_fn done, void *arg);

void store_chat_get(struct store *store, const char *interface, const char *user_id,
    const char *chat_id, store_chat_fn done, void *arg);
/* Deletes an interface's that have been silent since before then. Their sessions stay. */
void store_chats_sweep(struct store *store, const char *interface, uint64_t before_wall_ms,
    store_done_fn done, void *arg);

/* Writes a reply down; the message that it answers (0: none) is over with it. `done` has its id; -EEXIST: its
 * run has one already, which has that id, and the message is over. */
void store_reply_add(struct store *store, const struct store_reply *reply, int64_t incoming,
    store_seq_fn done, void *arg);
/* NULL: there is none of that id (any more). */
void store_reply_get(struct store *store, int64_t id, store_reply_fn done, void *arg);
/* Its attempts, parts, error, next_wall_ms and aside, which it has by its id. -ENOENT. */
void store_reply_put(
    struct store *store, const struct store_reply *reply, store_done_fn done, void *arg);
/* The platform has taken it, or nobody wants it any more. -ENOENT. */
void store_reply_delete(struct store *store, int64_t id, store_done_fn done, void *arg);
/* All, oldest first, without texts, files and errors. */
void store_replies_all(struct store *store, store_replies_fn done, void *arg);
/* A page of all, newest first; of the page's filters none. */
void store_replies_list(
    struct store *store, const struct store_page *page, store_replies_fn done, void *arg);

/* All links, by user and then by when they were made; one of a (platform, platform user), made or changed;
 * and one that is no more (-ENOENT). */
void store_identities_list(struct store *store, store_identities_fn done, void *arg);
void store_identity_put(
    struct store *store, const struct store_identity *link, store_done_fn done, void *arg);
void store_identity_delete(struct store *store, const char *platform, const char *platform_user_id,
    store_done_fn done, void *arg);

/* What it costs; all zero without a file. */
struct store_view {
	struct histogram commits; /* how long they took */
	uint64_t bytes;           /* of its file, and of the log beside it */
};
void store_look(struct store *store, struct store_view *ret);

/* Why it cannot write, as -errno; 0: it can, as far as is known. What has failed once is tried by the store itself until
 * it works again. */
int store_trouble(struct store *store);

struct store *store_new_memory(size_t max_sessions);

#endif
