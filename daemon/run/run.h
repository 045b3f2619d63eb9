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
struct event_base;
struct run;
struct runs;

enum run_status { RUN_QUEUED, RUN_RUNNING, RUN_SUCCEEDED, RUN_FAILED, RUN_CANCELLED };

/* Why a run failed, or was not even made. */
enum run_code {
	RUN_OK,
	RUN_AGENT_FAILED,      /* the plugin said so */
	RUN_AGENT_CRASHED,     /* its process died */
	RUN_AGENT_UNAVAILABLE, /* its process is down and not about to serve */
	RUN_OVERLOADED,        /* the queue is full, or the wait was too long */
	RUN_DRAINING,          /* agentd is stopping */
	RUN_TIMEOUT,           /* the deadline */
	RUN_STOPPED,           /* somebody cancelled it */
	RUN_SESSION_BUSY,      /* on_busy: reject */
	RUN_SESSION_MISMATCH,  /* the session belongs to another agent */
	RUN_NO_MEMORY,
};

const char *run_status_name(enum run_status status);

/* What is asked for. All borrowed for run_create. Texts are UTF-8; absent ones NULL. */
struct run_request {
	struct agent *agent;
	struct frame_text input;
	const char *session_id; /* NULL: a new session */
	const char *user_id;
	const char *source;
	struct frame_text metadata; /* JSON object */
	int64_t timeout_ms;         /* 0: the agent's; longer than the agent's: the agent's */
	/* It waits as long as it must, whatever state the agent is in; if the agent's process dies
	 * with it, it is tried once more, in a process of its own. */
	bool durable;
};

enum run_event_type {
	RUN_EVENT_STARTED,
	RUN_EVENT_DELTA,     /* text: what was added to the content */
	RUN_EVENT_RESTARTED, /* text: the number of the attempt; what was said before is void */
	RUN_EVENT_OTHER,     /* name and text (a JSON object): what the agent reports */
	RUN_EVENT_ENDED,     /* the last; the subscriber is out of the list before it is called */
};

struct run_event {
	enum run_event_type type;
	unsigned id;                  /* counts up from 1 within the run */
	struct frame_text name, text; /* borrowed for the call */
};

/* Lives in its owner. Its callback may unsubscribe itself, and nothing else. */
struct run_subscriber {
	void (*event)(void *arg, struct run *run, const struct run_event *event);
	void *arg;
	TAILQ_ENTRY(run_subscriber) link;
};

struct runs *runs_new(struct event_base *base, struct store *store);
void runs_free(struct runs *runs); /* after every run has ended */
/* Refuses new runs from now on. `idle` (may be NULL) is called once none is left, maybe before this
 * returns; it takes the place of an earlier one. */
void runs_drain(struct runs *runs, void (*idle)(void *arg), void *arg);
/* Ends all that are left. */
void runs_cancel_all(struct runs *runs, enum run_code code, const char *why);
size_t runs_live(const struct runs *runs);

/* RUN_OK and a run, with a reference for the caller; or why not. */
enum run_code run_create(struct runs *runs, const struct run_request *request, struct run **ret);
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

const char *run_id(const struct run *run);
const char *run_session_id(const struct run *run);
struct agent *run_agent(const struct run *run);
enum run_status run_status(const struct run *run);
enum run_code run_code(const struct run *run);
const char *run_error(const struct run *run);         /* a line for people; NULL if it has none */
struct frame_text run_content(const struct run *run); /* so far */
const char *run_usage(const struct run *run);         /* JSON object; NULL if there is none */

#endif
