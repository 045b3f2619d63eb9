/* run: the life of a run, from run_create to run_end. Frames are wire.c's, places agent.c's. */
#include "daemon/run/run.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/run/agent.h"
#include "daemon/run/event_log.h"
#include "daemon/run/internal.h"
#include "daemon/run/spool.h"

#define INPUTS_MAX (256u << 20) /* bytes of the inputs of all runs: more are refused as overload */

const char *run_code_name(enum run_code code)
{
	static const char *const name[] = {
		[RUN_AGENT_FAILED] = "agent_failed",
		[RUN_AGENT_CRASHED] = "agent_crashed",
		[RUN_AGENT_UNAVAILABLE] = "agent_unavailable",
		[RUN_OVERLOADED] = "overloaded",
		[RUN_DRAINING] = "draining",
		[RUN_TIMEOUT] = "timeout",
		[RUN_STOPPED] = "run_cancelled",
		[RUN_SESSION_BUSY] = "session_busy",
		[RUN_SESSION_MISMATCH] = "session_mismatch",
		[RUN_NO_MEMORY] = "internal",
		[RUN_NOT_STORED] = "store_unavailable",
		[RUN_FORBIDDEN] = "forbidden",
		[RUN_INTERRUPTED] = "interrupted",
	};
	return code == RUN_OK ? NULL : name[code];
}

const char *run_status_name(enum run_status status)
{
	static const char *const name[] = {
		[RUN_QUEUED] = "queued",
		[RUN_RUNNING] = "running",
		[RUN_SUCCEEDED] = "succeeded",
		[RUN_FAILED] = "failed",
		[RUN_CANCELLED] = "cancelled",
	};
	return name[status];
}

/* Making. */

void run_remove_files(struct run *run)
{
	const struct spool *spool = run->runs->spool;
	if (spool && (run->durable || run->file_count) && !run->keeps_spool)
		spool_remove_run(spool, run->id);
	run->file_count = 0;
}

static void run_destroy(struct run *run)
{
	if (run->file_count) /* it was never begun */
		run_remove_files(run);
	event_del(&run->timer);
	struct runs *runs = run->runs;
	bool was_coming = run->is_coming;
	runs->coming_count -= was_coming;
	runs->input_bytes -= run->input.length + run->attachments.length;
	buf_done(&run->input);
	buf_done(&run->metadata);
	buf_done(&run->attachments);
	buf_done(&run->files);
	buf_done(&run->said);
	buf_done(&run->content);
	buf_done(&run->log);
	run_memory_done(&run->memory);
	free(run->error);
	free(run->usage);
	era_unref(run->era);
	free(run);
	if (was_coming)
		runs_check_idle(runs);
}

struct run *run_ref(struct run *run)
{
	run->refs++;
	return run;
}

void run_unref(struct run *run)
{
	if (run && --run->refs == 0)
		run_destroy(run);
}

void run_arm(struct run *run, int64_t after_ms)
{
	struct timeval after = { .tv_sec = after_ms / 1000, .tv_usec = after_ms % 1000 * 1000 };
	event_add(&run->timer, &after);
}

/* One timer: while the run waits it ends the waiting, while it runs it is the deadline, and when it
 * has ended and its agent does not let go of it, the agent's process is replaced. */
static void run_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct run *run = arg;
	const struct agent_settings *settings = agent_settings(run->agent);
	char why[128];
	if (run->ended) {
		if (!agent_replace(run))
			run_arm(run, agent_patience_ms(run->agent));
		return;
	}
	if (run->status == RUN_QUEUED) {
		snprintf(why, sizeof(why), "waited %.3g s for a place, longer than queue_timeout",
		    (double)settings->queue_timeout_ms / 1000);
		run_end(run, RUN_FAILED, RUN_OVERLOADED, why);
		return;
	}
	snprintf(why, sizeof(why), "no answer within %.3g s", (double)run->timeout_ms / 1000);
	run_end(run, RUN_FAILED, RUN_TIMEOUT, why);
}

static size_t size_of(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

/* NULL stays NULL. */
static const char *keep(char **room, const char *text)
{
	if (!text)
		return NULL;
	size_t n = strlen(text) + 1;
	char *kept = memcpy(*room, text, n);
	*room += n;
	return kept;
}

/* As it came, for as long as the run lives. */
static void keep_text(struct buf *buf, struct frame_text text)
{
	buf_reserve(buf, text.n);
	buf_add(buf, text.p, text.n);
}

static struct run *run_new(struct runs *runs, const struct run_request *request)
{
	const struct agent_settings *settings = agent_settings(request->agent);
	const char *user = request->user_id ? request->user_id : "";
	const char *session = request->session_id;
	uint64_t now = clock_wall_ms();
	char made[ID_SIZE];
	if (!session) {
		id_make(now, made);
		session = made;
	}
	size_t texts = size_of(session) + size_of(user) + size_of(request->source) +
		       size_of(request->claims) + size_of(request->traceparent) +
		       size_of(request->trigger);
	struct run *run = calloc(1, sizeof(*run) + texts);
	if (!run)
		return NULL;
	char *room = (char *)(run + 1);
	run->runs = runs;
	run->era = runs->era ? era_ref(runs->era) : NULL;
	run->refs = 1;
	run->agent = request->agent;
	run->number = ++runs->last_number;
	run->turn.owner = run;
	TAILQ_INIT(&run->subscribers);
	if (request->id)
		snprintf(run->id, sizeof(run->id), "%s", request->id);
	else
		id_make(now, run->id);
	run->session_is_new = !request->session_id;
	run->durable = request->durable;
	run->attempt = request->attempt ? request->attempt : 1;
	run->last_event = (run->attempt - 1) * EVENT_GAP;
	run->created_wall_ms = request->created_wall_ms ? request->created_wall_ms : now;
	run->session_id = keep(&room, session);
	run->user_id = keep(&room, user);
	run->source = keep(&room, request->source);
	run->claims = keep(&room, request->claims);
	run->traceparent = keep(&room, request->traceparent);
	run->trigger = keep(&room, request->trigger);
	run->reach = request->reach;
	run->owner = request->owner;
	keep_text(&run->input, request->input);
	keep_text(&run->metadata, request->metadata);
	keep_text(&run->attachments, request->attachments);
	runs->input_bytes += run->input.length + run->attachments.length;
	run->history = request->history;
	run->timeout_ms = settings->timeout_ms;
	if (request->timeout_ms > 0 && request->timeout_ms < run->timeout_ms)
		run->timeout_ms = request->timeout_ms;
	event_assign(&run->timer, runs->base, -1, 0, run_on_timer, run);
	if (run->input.failed || run->metadata.failed || run->attachments.failed) {
		run_destroy(run);
		return NULL;
	}
	return run;
}

/* Whether somebody else has the turn of a session that a run would go on with, as far as is known. Nobody
 * like that is told that it is busy, or interrupts its run. What has no run going is checked against the
 * store: on_session (http/api_run.c), add_work (store), run_on_history. */
static bool is_stranger(const struct session_turn *holder, enum run_reach reach,
    enum run_owner owner, const char *user_id, const char *source)
{
	if (!holder || reach == REACH_ALL || owner == RUN_OWNER_IS_USER)
		return false;
	const struct run *run = holder->owner;
	if (reach == REACH_SOURCE)
		return strcmp(run->source, source) != 0;
	return strcmp(run->user_id, user_id ? user_id : "") != 0;
}

static bool run_is_stranger(const struct run *run, const struct session_turn *holder)
{
	return is_stranger(holder, run->reach, run->owner, run->user_id, run->source);
}

const char *run_why_forbidden(const struct run *run)
{
	return run->reach == REACH_SOURCE ? "its session is of a chat or a trigger"
					  : "its session belongs to another user";
}

enum run_code run_create(struct runs *runs, const struct run_request *request, struct run **ret)
{
	if (runs->draining && !request->later)
		return RUN_DRAINING;
	enum run_code code = request->id ? RUN_OK : agent_admit(request->agent, request->durable);
	/* Those of the store must be taken, and have been within it. */
	if (code == RUN_OK && !request->id && runs->input_bytes + request->input.n > INPUTS_MAX)
		code = RUN_OVERLOADED;
	if (code != RUN_OK)
		return code;
	const struct session_turn *holder =
	    request->session_id ? session_holder(runs->sessions, request->session_id) : NULL;
	bool stranger =
	    is_stranger(holder, request->reach, request->owner, request->user_id, request->source);
	if (stranger && request->owner == RUN_OWNER_UNKNOWN)
		return RUN_FORBIDDEN;
	if (holder && !stranger && agent_settings(request->agent)->on_busy == ON_BUSY_REJECT)
		return RUN_SESSION_BUSY;
	struct run *run = run_new(runs, request);
	if (!run)
		return RUN_NO_MEMORY;
	/* Durable ones are left for the next start instead. */
	run->is_coming = !run->durable;
	runs->coming_count += run->is_coming;
	*ret = run;
	return RUN_OK;
}

int run_add_file(struct run *run, const void *bytes, size_t n, char **ret_path)
{
	char name[32];
	if (!run->runs->spool)
		return -ENOTSUP;
	snprintf(name, sizeof(name), "input-%zu", ++run->file_count);
	return spool_add(run->runs->spool, run->id, name, bytes, n, ret_path);
}

int run_attach(struct run *run, struct frame_text attachments)
{
	buf_add(&run->attachments, attachments.p, attachments.n);
	if (run->attachments.failed)
		return -ENOMEM;
	run->runs->input_bytes += attachments.n;
	return 0;
}

/* Waiting. */

/* on_busy: reject. One that comes again is not refused. */
static bool is_refused(const struct run *run, const struct session_turn *holder)
{
	return holder && agent_settings(run->agent)->on_busy == ON_BUSY_REJECT && !run->deaths &&
	       run->attempt == 1 && !run_is_stranger(run, holder);
}

bool run_finds_busy(const struct run *run)
{
	return is_refused(run, session_holder(run->runs->sessions, run->session_id));
}

void run_start(struct run *run)
{
	struct runs *runs = run->runs;
	run_ref(run);
	TAILQ_INSERT_TAIL(&runs->live, run, live);
	HASH_ADD_KEYPTR(by_id, runs->by_id, run->id, strlen(run->id), run);
	run->is_known = run->by_id.tbl; /* uthash may have had no memory */
	runs->live_count++;
	runs->coming_count -= run->is_coming;
	run->is_coming = false;
	agent_count(run->agent, run);
	records_begin(runs->records, run);

	struct session_turn *holder = session_holder(runs->sessions, run->session_id);
	bool stranger = run_is_stranger(run, holder);
	if (stranger && run->owner == RUN_OWNER_UNKNOWN) {
		run_end(run, RUN_FAILED, RUN_FORBIDDEN, run_why_forbidden(run));
		return;
	}
	if (stranger)
		holder = NULL; /* it waits, and when its turn comes the session says whose it is */
	if (is_refused(run, holder)) {
		run_end(
		    run, RUN_FAILED, RUN_SESSION_BUSY, "another run of its session was going on");
		return;
	}
	if (holder && agent_settings(run->agent)->on_busy == ON_BUSY_INTERRUPT)
		run_cancel(holder->owner, "interrupted by the next message of its session");
	bool now;
	if (session_enter(runs->sessions, &run->turn, run->session_id, &now) < 0) {
		run_end(run, RUN_FAILED, RUN_NO_MEMORY, "out of memory");
		return;
	}
	run_ref(run);
	if (now)
		agent_submit(run->agent, run);
	if (run->status == RUN_QUEUED && !run->durable)
		run_arm(run, agent_settings(run->agent)->queue_timeout_ms);
	run_unref(run);
}

void run_cancel(struct run *run, const char *why)
{
	run_end(run, RUN_CANCELLED, RUN_STOPPED, why);
}

/* The agent succeeded. */
void run_succeed(struct run *run, struct run_memory *memory)
{
	run_ref(run);
	run->memory = *memory;
	*memory = (struct run_memory){ 0 };
	run_leave_worker(run);
	run_end(run, RUN_SUCCEEDED, RUN_OK, NULL);
	run_unref(run);
}

/* Telling. */

static void run_tell(struct run *run, const struct run_event *event);

void run_emit(
    struct run *run, enum run_event_type type, struct frame_text name, struct frame_text text)
{
	struct run_event event = {
		.type = type, .id = ++run->last_event, .name = name, .text = text
	};
	event_log_add(&run->log, &event);
	run_tell(run, &event);
}

static void run_tell(struct run *run, const struct run_event *event)
{
	bool last = event->type == RUN_EVENT_ENDED || event->type == RUN_EVENT_LEFT;
	struct run_subscriber *subscriber = TAILQ_FIRST(&run->subscribers);
	while (subscriber) {
		struct run_subscriber *next = TAILQ_NEXT(subscriber, link);
		if (last)
			TAILQ_REMOVE(&run->subscribers, subscriber, link);
		subscriber->event(subscriber->arg, run, event);
		subscriber = next;
	}
}

static void run_log_end(const struct run *run)
{
	struct log_field fields[] = {
		{ "run_id", run->id, false },
		{ "agent", agent_settings(run->agent)->instance.name, false },
		{ "session_id", run->session_id, false },
		{ "source", run->source, false },
	};
	bool worth_it =
	    run->code != RUN_OK && run->code != RUN_STOPPED && run->code != RUN_OVERLOADED;
	log_with(worth_it ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG, fields, "run %s%s%s",
	    run_status_name(run->status), run->error ? ": " : "", run->error ? run->error : "");
}

/* It has no part in anything any more, but for who listens to it. */
static void run_go(struct run *run)
{
	struct runs *runs = run->runs;
	runs_leave_session(run);
	TAILQ_REMOVE(&runs->live, run, live);
	runs->live_count--;
}

void run_forget(struct run *run)
{
	if (run->is_known)
		HASH_DELETE(by_id, run->runs->by_id, run);
	run->is_known = false;
}

static void run_on_stored(struct run *run, int error)
{
	struct runs *runs = run->runs;
	if (run->told)
		return; /* it was left for later */
	if (error < 0 && run->status == RUN_SUCCEEDED) {
		/* Nobody may act on what is not written down: its session would not know of it. */
		run->status = RUN_FAILED;
		run->code = RUN_NOT_STORED;
		run->error = strdup("the result could not be stored");
	}
	run_go(run);
	run->told = true;
	run_remove_files(run);
	run_log_end(run);
	agent_tally(run);
	struct run_event event = { .type = RUN_EVENT_ENDED, .id = run->last_event };
	run_tell(run, &event);
	runs_check_idle(runs);
	run_unref(run);
}

/* The run has come to its end; who listens hears of it when that is written down. An answer that was
 * waited for until its deadline does not wait for the disk, too. */
void run_end(struct run *run, enum run_status status, enum run_code code, const char *error)
{
	if (run->ended)
		return;
	run->ended = true;
	run->status = status;
	run->code = code;
	run->finished_wall_ms = clock_wall_ms();
	run->ended_us = clock_monotonic_us();
	if (error && !run->error)
		run->error = strdup(error);
	event_del(&run->timer);
	agent_withdraw(run->agent, run);
	if (run->worker) { /* its place stays taken until the agent says FINISH */
		wire_send_cancel(run);
		run_arm(run, agent_patience_ms(run->agent));
		agent_keep(run);
	}
	struct run_event event = { .type = RUN_EVENT_ENDED, .id = ++run->last_event };
	event_log_add(&run->log, &event);
	if (status == RUN_SUCCEEDED)
		event_log_compact(&run->log, run_content(run));
	bool wait = run->durable || status == RUN_SUCCEEDED;
	records_end(run->runs->records, run, wait, run_on_stored);
}

/* agentd stops; the store has it, without its end, and it is begun again with the next start. */
void run_leave_for_later(struct run *run)
{
	struct runs *runs = run->runs;
	if (!run->ended) {
		run->ended = true;
		event_del(&run->timer);
		agent_withdraw(run->agent, run);
		if (run->worker)
			agent_keep(run);
	}
	run_go(run);
	run_forget(run);
	run_keep_spool(run);
	run->told = true;
	struct run_event event = { .type = RUN_EVENT_LEFT, .id = run->last_event };
	run_tell(run, &event);
	runs_check_idle(runs);
	run_unref(run);
}

void run_subscribe(struct run *run, struct run_subscriber *subscriber)
{
	TAILQ_INSERT_TAIL(&run->subscribers, subscriber, link);
}

void run_unsubscribe(struct run *run, struct run_subscriber *subscriber)
{
	TAILQ_REMOVE(&run->subscribers, subscriber, link);
}

void run_pause(struct run *run)
{
	run->paused++;
}

void run_resume(struct run *run)
{
	if (--run->paused == 0 && run->worker)
		wire_send_credit(run);
}

void run_describe(const struct run *run, struct store_run *ret)
{
	*ret = (struct store_run){
		.id = run->id,
		.agent = agent_settings(run->agent)->instance.name,
		.session_id = run->session_id,
		.user = run->user_id,
		.source = run->source,
		.trigger = run->trigger,
		.input = { run->input.data, run->input.length },
		.metadata = { run->metadata.data, run->metadata.length },
		.attachments = { run->attachments.length ? run->attachments.data : NULL,
		    run->attachments.length },
		.files = { run->files.length ? run->files.data : NULL, run->files.length },
		.history = run->history,
		.claims = { run->claims, run->claims ? strlen(run->claims) : 0 },
		.reach = run->reach,
		.timeout_ms = run->timeout_ms,
		.durable = run->durable,
		.status = run->status,
		.attempts = run->begun || !run->durable ? run->attempt : run->attempt - 1,
		.code = run_code_name(run->code),
		.content = { run->content.data, run->content.length },
		.error = { run->error, run->error ? strlen(run->error) : 0 },
		.usage = { run->usage, run->usage ? strlen(run->usage) : 0 },
		.events = run_log(run),
		.created_wall_ms = run->created_wall_ms,
		.started_wall_ms = run->started_wall_ms,
		.finished_wall_ms = run->finished_wall_ms,
	};
	if (run->status == RUN_SUCCEEDED) {
		ret->content = run_content(run);
		ret->messages = run->memory.messages;
		ret->message_count = run->memory.count;
	}
}

struct frame_text run_files(const struct run *run)
{
	return (struct frame_text){ run->files.data, run->files.length };
}

void run_keep_spool(struct run *run)
{
	run->keeps_spool = true;
}

char *run_spool(const struct run *run)
{
	return run->durable && run->runs->spool ? spool_of_run(run->runs->spool, run->id) : NULL;
}

int64_t run_history(const struct run *run)
{
	int64_t history = run->history ? run->history : agent_settings(run->agent)->history;
	return history < 0 ? 0 : history;
}

struct frame_text run_log(const struct run *run)
{
	return (struct frame_text){ run->log.data, run->log.length };
}

struct records *run_records(const struct run *run)
{
	return run->runs->records;
}

const char *run_id(const struct run *run)
{
	return run->id;
}

const char *run_session_id(const struct run *run)
{
	return run->session_id;
}

struct agent *run_agent(const struct run *run)
{
	return run->agent;
}

bool run_is_over(const struct run *run)
{
	return run->told;
}

enum run_status run_status(const struct run *run)
{
	return run->status;
}

enum run_code run_code(const struct run *run)
{
	return run->code;
}

const char *run_error(const struct run *run)
{
	return run->error;
}

struct frame_text run_content(const struct run *run)
{
	return (
	    struct frame_text){ run->content.data ? run->content.data : "", run->content.length };
}
