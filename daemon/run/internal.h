/* internal: what the files of this room share. Nothing outside daemon/run/ includes it. */
#ifndef AGENTD_RUN_INTERNAL_H
#define AGENTD_RUN_INTERNAL_H

#define HASH_NONFATAL_OOM 1
#include <event2/event.h>
#include <event2/event_struct.h>
#include <uthash.h>

#include "daemon/base/buf.h"
#include "daemon/base/era.h"
#include "daemon/base/id.h"
#include "daemon/run/run.h"
#include "daemon/run/session.h"

#define EVENT_GAP 1000000000ull /* between the ids of what was said in two lives of agentd */

struct worker;

/* What a session will remember of a run. The texts are owned, or the run's. */
struct run_memory {
	struct store_message *messages;
	size_t count;
	struct buf texts;
};

/* Where a run waits in its agent. */
enum run_place { RUN_NOWHERE, RUN_IN_QUEUE, RUN_IN_SUSPECTS };

struct run {
	struct runs *runs; /* borrowed */
	struct era *era;   /* a reference; NULL: there is none */
	uint64_t number;   /* its name in frames */
	unsigned refs;
	char id[ID_SIZE];
	bool session_is_new;
	bool is_coming;      /* it has been made, and is to be started */
	bool durable;        /* tried again when its process dies, and waits as long as it must */
	bool keeps_spool;    /* somebody else removes what is in its folder */
	bool is_said;        /* its handler has spoken: of `said`, or of the metadata */
	struct agent *agent; /* borrowed; agents outlive runs */
	const char *session_id, *user_id, *source, *claims, *traceparent,
	    *trigger; /* the last three may be NULL; behind the struct, in the same piece of memory */
	struct buf input, metadata, attachments;
	struct buf files;  /* of its answer */
	size_t file_count; /* that came with its input, and are removed when it is over */
	int64_t history;   /* of run_request */
	struct buf said;   /* with a trigger: what its handler says that the agent is told */
	int64_t timeout_ms;
	uint64_t created_wall_ms, started_wall_ms, finished_wall_ms;
	uint64_t begun_us, ended_us; /* monotonic: of the last attempt; 0: there was none */

	enum run_reach reach;
	enum run_owner owner;
	enum run_status status;
	enum run_code code;
	unsigned attempt; /* from 1: the one that goes, or is the next */
	unsigned deaths;  /* of processes with it in them, in this life of agentd */
	unsigned paused;
	uint32_t debt; /* credit not given back to the host yet */
	bool ended;    /* its end has come */
	bool told;     /* and whoever listened has heard of it */
	bool is_known; /* it can be found by its id */
	bool begun;    /* it has been counted */
	bool asking;   /* the store is to answer before it goes out to its process */
	bool has_deltas;
	bool is_recorded, is_unrecorded; /* record.c: written down; live, and not written down */
	bool is_ready, counted;          /* counted: among its agent's waiting ones */
	enum run_place waits_in;
	struct utf8_tail tail;
	struct buf content;
	char *error, *usage;
	uint64_t last_event;
	struct buf log; /* event_log.h */
	struct run_memory memory;

	struct event timer; /* the wait, then the deadline, then the patience with one that ended */
	TAILQ_HEAD(, run_subscriber) subscribers;
	struct session_turn turn;
	TAILQ_ENTRY(run) ready;  /* runs.c: has just got its session's turn */
	TAILQ_ENTRY(run) queued; /* agent.c: waits for a place, see waits_in */
	struct worker *worker;   /* where it is in flight; stays set after its end until FINISH */
	TAILQ_ENTRY(run) in_flight;
	TAILQ_ENTRY(run) unrecorded;
	UT_hash_handle by_number; /* while it is in flight */
	UT_hash_handle by_id;     /* while it is live */
	TAILQ_ENTRY(run) live;
};

/* All that have not ended. */
struct runs {
	struct event_base *base; /* borrowed */
	struct store *store;     /* borrowed */
	struct spool *spool;     /* borrowed; may be NULL */
	struct era *era;         /* may be NULL */
	struct records *records;
	struct sessions *sessions;
	uint64_t last_number;
	struct run *in_flight;     /* by number */
	struct run *by_id;         /* those that have not ended */
	TAILQ_HEAD(, run) live;    /* that have not ended */
	TAILQ_HEAD(, run) ready;   /* whose session's turn has just come */
	struct event *ready_event; /* made active by hand: no recursion along a session's queue */
	size_t live_count;
	size_t
	    input_bytes; /* of all that there are: those that wait need memory for as long as they must */
	size_t coming_count; /* that begin once they are written down, also in a drain */
	bool draining, gives_up;
	void (*idle)(void *arg);
	void *idle_arg;
};

/* runs.c, called by run.c. */
void runs_leave_session(struct run *run); /* the next of its session has its turn, soon */
void runs_check_idle(struct runs *runs);  /* one has gone */

/* agent.c, called by run.c and dispatch.c. */
void agent_count(struct agent *agent, struct run *run);    /* from now it counts as waiting */
void agent_submit(struct agent *agent, struct run *run);   /* its session's turn came: wait here */
void agent_suspect(struct agent *agent, struct run *run);  /* its process died: try it alone */
void agent_withdraw(struct agent *agent, struct run *run); /* it waits no longer, here or before */
void agent_keep(struct run *run);    /* it has ended, and is in its process still */
void agent_release(struct run *run); /* it is out of its process */
void agent_tally(struct run *run);   /* its end is told */
/* How long a run may stay in its process after its end. */
int64_t agent_patience_ms(const struct agent *agent);
/* It stayed longer: another process takes over. False: not now, ask again. */
bool agent_replace(struct run *run);

/* agent.c, called by worker.c. */
struct runs *agent_runs(const struct agent *agent);
void agent_pump(struct agent *agent);             /* there may be a place for a run */
void agent_update(struct agent *agent);           /* processes that are to be others */
void agent_on_worker_gone(struct worker *worker); /* its process ended; its runs are not told yet */
void agent_on_worker_changed(struct worker *worker); /* may free it */
/* Of the process that serves until this one, its successor, is ready; 0: it is none, or nothing serves. */
unsigned agent_generation_before(const struct worker *worker);
void agent_emit(struct agent *agent, struct frame_text event, struct frame_text json,
    void (*done)(void *arg), void *done_arg);

/* worker.c, called by wire.c. */
struct child *worker_child(const struct worker *worker);

/* run.c, called by wire.c: the folder for the files of its answer, on the heap. NULL: it can have none. */
char *run_spool(const struct run *run);
/* How many messages of its session it is told. */
int64_t run_history(const struct run *run);

/* dispatch.c, called by agent.c, worker.c and run.c. */
void run_begin(struct run *run, struct worker *worker); /* it got a place */
void run_lost(struct run *run, const char *reason);     /* its process died */
void run_leave_worker(struct run *run);                 /* FINISH came, or it never went out */

/* run.c, called by the others. */
void run_remove_files(struct run *run); /* of its input and of its answer, with its folder */
void run_arm(struct run *run, int64_t after_ms); /* its timer */
void run_end(struct run *run, enum run_status status, enum run_code code, const char *error);
const char *run_why_forbidden(const struct run *run); /* for people: RUN_FORBIDDEN */
void run_leave_for_later(struct run *run); /* agentd stops; its next start goes on with it */

/* wire.c: runs as frames. */
int wire_send_run(struct run *run, const struct store_session *session);
int wire_receive(struct runs *runs, struct worker *worker, const struct frame *frame);
void wire_send_cancel(struct run *run);
void wire_send_credit(struct run *run);

/* runs.c and run.c, called by wire.c. */
struct run *runs_find(struct runs *runs, uint64_t number);
void run_emit(
    struct run *run, enum run_event_type type, struct frame_text name, struct frame_text text);
void run_succeed(struct run *run, struct run_memory *memory); /* takes the memory over */
void run_memory_done(struct run_memory *memory);

/* record.c: runs and the store. */
struct records;
struct records *records_new(struct event_base *base, struct store *store);
void records_free(struct records *records);
void records_begin(struct records *records, struct run *run); /* it is live */
/* Writes down how it ended; `stored` is called once that is sure. A durable run is tried until it
 * is. For others with wait == false, `stored` is called at once. */
void records_end(struct records *records, struct run *run, bool wait,
    void (*stored)(struct run *run, int error));
/* run.c, called by record.c: the store knows it, nobody needs to find it here. */
void run_forget(struct run *run);
struct store *records_store(const struct records *records);

/* run.c and runs.c, called by record.c and recover.c. */
struct records *run_records(const struct run *run);
struct records *runs_records(const struct runs *runs);

#endif
