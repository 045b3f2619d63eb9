/*
 * run: what every way into agentd makes, and the one place that makes, dispatches and ends them.
 *
 *	QUEUED → RUNNING → SUCCEEDED | FAILED | CANCELLED
 *
 * A run is made (run_create), listened to (run_subscribe), started (run_start): it waits for its
 * turn in its session, then for a place in its agent, then gets the session's history and goes to
 * the agent's process. It ends once. What succeeded is in the store before anybody hears of it.
 *
 * Reference counted, one thread. Times are wall-clock milliseconds unless they say otherwise.
 */
#ifndef AGENTD_RUN_RUN_H
#define AGENTD_RUN_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/base/frame.h"
#include "daemon/store/store.h"

struct agent;
struct era;
struct event_base;
struct run;
struct runs;
struct spool;

/* Why a run failed, or was not even made. */
enum run_code {
	RUN_OK,
	RUN_AGENT_FAILED,      /* the plugin said so */
	RUN_AGENT_CRASHED,     /* its process died */
	RUN_AGENT_UNAVAILABLE, /* its process is down and not about to serve */
	RUN_OVERLOADED,   /* the queue is full, or all inputs too large, or the wait was too long */
	RUN_DRAINING,     /* agentd is stopping */
	RUN_TIMEOUT,      /* the deadline */
	RUN_STOPPED,      /* somebody cancelled it */
	RUN_SESSION_BUSY, /* on_busy: reject */
	RUN_SESSION_MISMATCH, /* the session belongs to another agent */
	RUN_NO_MEMORY,
	RUN_NOT_STORED,  /* the store could not write it down */
	RUN_FORBIDDEN,   /* the session is out of its reach: another user's, as a rule */
	RUN_INTERRUPTED, /* agentd ended while it was going on */
};

const char *run_status_name(enum run_status status);
const char *run_code_name(enum run_code code); /* NULL for RUN_OK */

/* What is known of a session that a run goes on with. */
enum run_owner {
	RUN_OWNER_UNKNOWN, /* nothing, but what runs of it that go on say */
	RUN_OWNER_IS_USER, /* the store says that it is the user's */
	RUN_OWNER_WRITTEN, /* the store will look when the run is written down, before it is started */
};

/* What is asked for. All borrowed for run_create. Texts are UTF-8; absent ones NULL. */
struct run_request {
	struct agent *agent;
	struct frame_text input;
	const char *session_id; /* NULL: a new session */
	const char *user_id;
	const char *claims;      /* what auth found about the user, a JSON object */
	const char *traceparent; /* as the caller sent it (W3C Trace Context) */
	enum run_reach reach;    /* which sessions it may go on with */
	enum run_owner owner;    /* unless all: what is known of that session */
	const char *source;
	const char
	    *trigger; /* of the agent's plugin, whose handler gets the input: came.h. NULL: none */
	struct frame_text metadata;    /* JSON object */
	struct frame_text attachments; /* that come with the input: attachment.h */
	int64_t timeout_ms;            /* 0: the agent's; longer than the agent's: the agent's */
	int64_t
	    history; /* messages of its session that it is told; 0: as the agent has it; -1: none */
	/* It waits as long as it must, whatever state the agent is in; if the agent's process dies
	 * with it, it is tried once more, in a process of its own. */
	bool durable;
	/* It may be made while agentd stops: to be written down, and begun with the next start. */
	bool later;
	/* Of one that the store had: NULL and 0 for a new one. */
	const char *id;
	unsigned attempt;
	uint64_t created_wall_ms;
};

enum run_event_type {
	RUN_EVENT_STARTED,
	RUN_EVENT_DELTA,     /* text: what was added to the content */
	RUN_EVENT_RESTARTED, /* text: the number of the attempt; what was said before is void */
	RUN_EVENT_OTHER,     /* name and text (a JSON object): what the agent reports */
	RUN_EVENT_LEFT,      /* agentd stops, and goes on with it when it is started again */
	RUN_EVENT_ENDED,     /* the last, as LEFT is: the subscriber is out of the list already */
};

struct run_event {
	enum run_event_type type;
	uint64_t id; /* counts up from 1 within the run; after a restart of agentd, from a gap on */
	struct frame_text name, text; /* borrowed for the call */
};

/* Lives in its owner. Its callback may unsubscribe itself, and nothing else. */
struct run_subscriber {
	void (*event)(void *arg, struct run *run, const struct run_event *event);
	void *arg;
	TAILQ_ENTRY(run_subscriber) link;
};

/* Borrows all; `spool` may be NULL: then no run can have files. */
struct runs *runs_new(struct event_base *base, struct store *store, struct spool *spool);
void runs_free(struct runs *runs); /* after every run has ended */
/* Runs that are made from now on are of that era, and keep it; a reference is taken. */
void runs_begin_era(struct runs *runs, struct era *era);
/* Takes up what was going on when agentd ended: durable runs are begun again, in their order; others end
 * as interrupted, and so do those whose agent is not configured any more. */
struct runs_recovered {
	int error; /* of the store: some of it could not be done */
	size_t resumed, interrupted;
};
struct runs_recovery {
	struct agent *(*find)(void *arg, const char *name);           /* NULL: there is none */
	void (*done)(void *arg, const struct runs_recovered *result); /* all is written down */
	void *arg;
};
void runs_recover(struct runs *runs, const struct runs_recovery *setup);
/* Refuses new runs from now on. `idle` (may be NULL) is called once none is left, maybe before this
 * returns; it takes the place of an earlier one. */
void runs_drain(struct runs *runs, void (*idle)(void *arg), void *arg);
/* Whether that has been called. */
bool runs_are_draining(const struct runs *runs);
/* Ends all that are left; durable ones only in this process. */
void runs_cancel_all(struct runs *runs, enum run_code code, const char *why);
size_t runs_live(const struct runs *runs);
/* Whether it has ended, and that was told. */
bool run_is_over(const struct run *run);
/* A run that the store does not have with its end yet; NULL: there is none of that id. Borrowed. */
struct run *runs_find_live(const struct runs *runs, const char *id);
/* When the oldest of them was made; UINT64_MAX: there is none. */
uint64_t runs_oldest_wall_ms(const struct runs *runs);
/* The i-th that has not ended, oldest first; NULL past the last. */
struct run *runs_live_at(const struct runs *runs, size_t i);
/* The run that has the turn in a session; NULL: there is none. Borrowed. */
const struct run *runs_in_session(const struct runs *runs, const char *session_id);

/* RUN_OK and a run, with a reference for the caller; or why not. */
enum run_code run_create(struct runs *runs, const struct run_request *request, struct run **ret);
/* What comes with its input, before it is written down or started: first the files, which are in its folder
 * until it is over, then all of them as attachment.h has them. Files need a store that keeps runs. *ret_path is
 * on the heap. 0 or -errno, and then the run is of no use. */
int run_add_file(struct run *run, const void *bytes, size_t n, char **ret_path);
int run_attach(struct run *run, struct frame_text attachments);
/* What is written down with a new run. All borrowed for the call. */
struct run_writing {
	struct frame_text
	    key;       /* by which its request is known when it comes again; p == NULL: none */
	uint64_t hash; /* of that request */
	bool again_if_failed;          /* a run that failed has the key no more */
	const struct store_cron *cron; /* the schedule that it is of; NULL: none */
	int64_t incoming;              /* the message of a chat that it is of; 0: none */
	const struct store_chat *chat; /* where that was written; NULL: nowhere */
};
/* Writes a new run down, before it is started, or anybody is told its id. -EEXIST: that key has a run. */
void run_write_down(struct run *run, const struct run_writing *with, store_add_fn done, void *arg);
/* Whether it would end as RUN_SESSION_BUSY if it were started now. */
bool run_finds_busy(const struct run *run);
void run_start(struct run *run);
/* Ends it as cancelled; the agent is told. Nothing happens if it has ended. */
void run_cancel(struct run *run, const char *why);
struct run *run_ref(struct run *run);
void run_unref(struct run *run);

void run_subscribe(struct run *run, struct run_subscriber *subscriber);
void run_unsubscribe(struct run *run, struct run_subscriber *subscriber);
/* Flow control: while somebody has paused a run its agent gets no new credit. Counted. */
void run_pause(struct run *run);
void run_resume(struct run *run);

/* The run as the store has it, with what is known so far. Borrowed, for as long as nothing is done. */
void run_describe(const struct run *run, struct store_run *ret);
/* What its streams were told so far: event_log.h. */
struct frame_text run_log(const struct run *run);
const char *run_id(const struct run *run);
const char *run_session_id(const struct run *run);
struct agent *run_agent(const struct run *run);
enum run_status run_status(const struct run *run);
enum run_code run_code(const struct run *run);
const char *run_error(const struct run *run);         /* a line for people; NULL if it has none */
struct frame_text run_content(const struct run *run); /* so far */
struct frame_text run_files(const struct run *run);   /* of its answer: attachment.h */
/* The files in its folder are the caller's to remove, when it is over; or those of the next start of agentd. */
void run_keep_spool(struct run *run);

#endif
