/*
 * wire: runs as frames to a host, and what the host says of them. Nothing that comes in is believed:
 * it is bounded, made UTF-8, and parsed before it is passed on. A frame that breaks a rule of
 * message.h costs the host its life; a plugin's slip (JSON that is none) costs a line in the log.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/message.h"
#include "daemon/run/agent.h"
#include "daemon/run/attachment.h"
#include "daemon/run/came.h"
#include "daemon/run/internal.h"

#define MESSAGES_MAX 1000 /* that a run adds to its session */
#define ERROR_MAX    4096 /* bytes of what the client reads of a failure */

static void put(struct frame_writer *writer, struct frame_text text)
{
	frame_put_text(writer, text.p, text.n);
}

static void put_history(
    struct frame_writer *writer, const struct run *run, const struct store_session *session)
{
	size_t cut = 0, count = session ? session->count : 0;
	if (session)
		cut = session_cut(session->messages, count, (size_t)run_history(run),
		    (size_t)agent_settings(run->agent)->instance.limits.history);
	frame_put_u32(writer, (uint32_t)(count - cut));
	for (size_t i = cut; i < count; i++) {
		put(writer, session->messages[i].role);
		put(writer, session->messages[i].content);
		put(writer, session->messages[i].tool_calls);
		put(writer, session->messages[i].tool_call_id);
	}
}

/* What came to its trigger; absent without one. */
static void put_came(struct frame_writer *writer, const struct came *came)
{
	put(writer, came->body);
	put(writer, came->raw);
	put(writer, came->headers);
	put(writer, came->timestamp);
}

int wire_send_run(struct run *run, const struct store_session *session)
{
	struct frame_text input = { run->input.data, run->input.length };
	struct came_read came = { 0 };
	int error = run->trigger ? came_read(input, &came) : 0;
	if (error < 0)
		return error;
	struct frame_writer writer =
	    child_begin(worker_child(run->worker), MESSAGE_RUN, run->number);
	frame_put_u32(&writer, run->attempt);
	frame_put_u64(&writer, clock_monotonic_ms() + (uint64_t)run->timeout_ms);
	frame_put_str(&writer, run->id);
	put(&writer, run->trigger ? (struct frame_text){ 0 } : input);
	frame_put_str(&writer, run->session_id);
	frame_put_str(&writer, run->user_id);
	frame_put_str(&writer, run->claims);
	frame_put_str(&writer, run->source);
	frame_put_str(&writer, run->trigger);
	frame_put_text(&writer, run->metadata.data, run->metadata.length);
	frame_put_str(&writer, run->traceparent);
	put_came(&writer, &came.came);
	char *spool = run_spool(run);
	frame_put_str(&writer, spool ? spool : "");
	put_history(&writer, run, session);
	attachments_put(
	    &writer, (struct frame_text){ run->attachments.data, run->attachments.length });
	free(spool);
	came_done(&came);
	return frame_end(&writer);
}

void wire_send_cancel(struct run *run)
{
	struct frame_writer writer =
	    child_begin(worker_child(run->worker), MESSAGE_CANCEL, run->number);
	frame_end(&writer);
}

/* Gives back what was spent, in portions, unless a reader of the run cannot follow. */
void wire_send_credit(struct run *run)
{
	if (run->debt < MESSAGE_WINDOW / 4 || (run->paused && !run->ended))
		return;
	struct frame_writer writer =
	    child_begin(worker_child(run->worker), MESSAGE_CREDIT, run->number);
	frame_put_u32(&writer, run->debt);
	frame_end(&writer);
	run->debt = 0;
}

static void complain(const struct run *run, const char *what)
{
	struct log_field fields[] = { { "run_id", run->id, false } };
	log_with(
	    LOG_LEVEL_WARN, fields, "%s: %s", agent_settings(run->agent)->instance.label, what);
}

/* Takes a host's spending into the books. -EPROTO: more than it had. */
static int charge(struct run *run, size_t length)
{
	run->debt += (uint32_t)length + MESSAGE_COST;
	return run->debt > MESSAGE_WINDOW ? -EPROTO : 0;
}

static int receive_delta(struct run *run, const struct frame *frame)
{
	const struct host_limits *limits = &agent_settings(run->agent)->instance.limits;
	if (frame->length > (size_t)limits->delta || charge(run, frame->length) < 0)
		return -EPROTO;
	if (!run->ended) {
		size_t before = run->content.length;
		buf_add_utf8(&run->content, &run->tail, frame->body, frame->length);
		if (run->content.failed) {
			run_end(run, RUN_FAILED, RUN_NO_MEMORY, "out of memory");
			return 0;
		}
		if (run->content.length > (size_t)limits->content) {
			run_end(run, RUN_FAILED, RUN_AGENT_FAILED,
			    "the answer is longer than limits.content");
			return 0;
		}
		run->has_deltas = true;
		struct frame_text none = { 0 }, text = { run->content.data + before,
			run->content.length - before };
		if (text.n)
			run_emit(run, RUN_EVENT_DELTA, none, text);
	}
	if (run->worker)
		wire_send_credit(run);
	return 0;
}

/* JSON of a plugin, as one line; NULL if it is not an object. `without` is a member that is ours to
 * say; NULL: none. */
static char *compact(struct frame_text text, const char *without)
{
	json_t *value = text.p ? json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL) : NULL;
	if (without && json_is_object(value))
		json_object_del(value, without);
	char *line = json_is_object(value) ? json_dumps(value, JSON_COMPACT) : NULL;
	json_decref(value);
	return line;
}

static int receive_event(struct run *run, const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	struct frame_text name = frame_get_text(&cursor), json = frame_get_text(&cursor);
	const struct host_limits *limits = &agent_settings(run->agent)->instance.limits;
	if (frame_end_fields(&cursor) < 0 || !name.n || name.n + json.n > (size_t)limits->event ||
	    charge(run, name.n + json.n) < 0)
		return -EPROTO;
	if (!run->ended) {
		char *line = compact(json, "type");
		if (line)
			run_emit(
			    run, RUN_EVENT_OTHER, name, (struct frame_text){ line, strlen(line) });
		else
			complain(run, "an event's JSON is not an object; it is left out");
		free(line);
	}
	if (run->worker)
		wire_send_credit(run);
	return 0;
}

/* What the handler of its trigger says. */
static int receive_input(struct run *run, const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	struct frame_text input = frame_get_text(&cursor), json = frame_get_text(&cursor);
	if (frame_end_fields(&cursor) < 0 || !run->trigger || run->is_said ||
	    input.n > MESSAGE_INPUT_MAX ||
	    json.n > (size_t)agent_settings(run->agent)->instance.limits.event)
		return -EPROTO;
	run->is_said = true;
	buf_add_utf8(&run->said, NULL, input.p, input.n);
	char *line = json.n ? compact(json, NULL) : NULL;
	if (line) {
		run->metadata.length = 0;
		buf_add_str(&run->metadata, line);
	} else if (json.n) {
		complain(run, "a handler's metadata is not a JSON object; it is left out");
	}
	free(line);
	if (run->said.failed || run->metadata.failed)
		run_end(run, RUN_FAILED, RUN_NO_MEMORY, "out of memory");
	return 0;
}

/* A text made UTF-8, in `texts`, which must have room for three times its length. */
static struct frame_text clean(struct buf *texts, struct frame_text text)
{
	size_t before = texts->length;
	if (!text.p)
		return text;
	buf_add_utf8(texts, NULL, text.p, text.n);
	return (struct frame_text){ texts->data + before, texts->length - before };
}

static bool role_is_known(struct frame_text role)
{
	static const char *const known[] = { "user", "assistant", "tool", "system" };
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (role.n == strlen(known[i]) && memcmp(role.p, known[i], role.n) == 0)
			return true;
	return false;
}

/* The memory of a run: what the agent was told, then what the plugin says, or else the content. Where a
 * handler did all itself, and told the agent nothing, there is nothing to remember. */

void run_memory_done(struct run_memory *memory)
{
	free(memory->messages);
	buf_done(&memory->texts);
	*memory = (struct run_memory){ 0 };
}

static void remember(const struct run *run, struct run_memory *memory, struct store_message message)
{
	message.run_id = (struct frame_text){ run->id, strlen(run->id) };
	memory->messages[memory->count++] = message;
}

/* Reads the messages of a FINISH. -EINVAL: a slip of the plugin's; -E2BIG: the same, and no more is read. */
static int read_memory(
    const struct run *run, struct frame_cursor *cursor, struct run_memory *memory)
{
	uint32_t count = frame_get_count(cursor, 4 * sizeof(uint32_t));
	int error = 0;
	if (count > MESSAGES_MAX)
		return -E2BIG;
	memory->messages = calloc(count + 2, sizeof(*memory->messages));
	if (!memory->messages ||
	    !buf_room(&memory->texts, 3 * (size_t)(cursor->end - cursor->p) + 1))
		return -ENOMEM;
	const struct buf *told = run->trigger ? &run->said : &run->input;
	remember(run, memory,
	    (struct store_message){
		.role = { "user", 4 }, .content = { told->data, told->length } });
	for (uint32_t i = 0; i < count; i++) {
		struct store_message message = { 0 };
		message.role = frame_get_text(cursor);
		message.content = clean(&memory->texts, frame_get_text(cursor));
		message.tool_calls = clean(&memory->texts, frame_get_text(cursor));
		message.tool_call_id = clean(&memory->texts, frame_get_text(cursor));
		if (cursor->bad || !message.role.p || !role_is_known(message.role)) {
			error = -EINVAL;
			continue; /* read on: whether the frame itself is whole is told at its end */
		}
		remember(run, memory, message);
	}
	return error;
}

/* The files of the answer. Those that cannot be are left out. */
static int read_files(struct run *run, struct frame_cursor *cursor)
{
	size_t left_out;
	char *spool = run_spool(run);
	run->files.length = 0;
	int error = attachments_read(cursor, spool, &run->files, &left_out);
	cursor->bad = cursor->bad || error == -EPROTO;
	if (error == 0 && left_out)
		complain(run,
		    "attachments of its answer are left out: each is a URL (http, https), or "
		    "a file in the spool folder of its run");
	free(spool);
	return error;
}

static void take_content(struct run *run, struct frame_text content)
{
	struct frame_text none = { 0 };
	if (!content.p) {
		size_t before = run->content.length;
		buf_end_utf8(&run->content, &run->tail);
		struct frame_text rest = { run->content.data + before,
			run->content.length - before };
		if (rest.n) /* a sequence that was cut, and never completed */
			run_emit(run, RUN_EVENT_DELTA, none, rest);
		return;
	}
	run->content.length = 0;
	run->tail.n = 0;
	buf_add_utf8(&run->content, NULL, content.p, content.n);
	/* Who reads a stream gets the whole text of every agent, also of one that does not stream. */
	if (!run->has_deltas && run->content.length)
		run_emit(run, RUN_EVENT_DELTA, none, run_content(run));
}

static void finish_without_memory(struct run *run)
{
	run_leave_worker(run);
	run_end(run, RUN_FAILED, RUN_NO_MEMORY, "out of memory");
}

static void finish_done(
    struct run *run, struct frame_text content, struct frame_text usage, struct run_memory *memory)
{
	take_content(run, content);
	if (run->content.failed) {
		finish_without_memory(run);
		return;
	}
	if (usage.n > (size_t)agent_settings(run->agent)->instance.limits.event)
		complain(run, "the usage is longer than limits.event; it is left out");
	else if (usage.n && !(run->usage = compact(usage, NULL)))
		complain(run, "the usage is not a JSON object; it is left out");
	if (run->trigger && !run->said.length)
		run_memory_done(memory);
	else if (memory->count == 1)
		remember(run, memory,
		    (struct store_message){
			.role = { "assistant", 9 }, .content = run_content(run) });
	run_succeed(run, memory);
}

static void finish_not_done(struct run *run, uint32_t status, struct frame_text error)
{
	struct buf why = { 0 };
	buf_add_utf8(&why, NULL, error.p, error.n < ERROR_MAX ? error.n : ERROR_MAX);
	char *text = buf_take(&why);
	bool said = text && text[0];
	run_leave_worker(run);
	if (status == AGENTD_CANCELLED)
		run_end(run, RUN_CANCELLED, RUN_STOPPED, said ? text : "the agent cancelled it");
	else
		run_end(
		    run, RUN_FAILED, RUN_AGENT_FAILED, said ? text : "the agent gave no reason");
	free(text);
}

static int receive_finish(struct run *run, const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	uint32_t status = frame_get_u32(&cursor);
	struct frame_text content = frame_get_text(&cursor);
	struct frame_text error = frame_get_text(&cursor);
	struct frame_text usage = frame_get_text(&cursor);
	struct run_memory memory = { 0 };
	int got = read_memory(run, &cursor, &memory);
	bool is_read = got == 0 || got == -EINVAL; /* else what follows is not looked at */
	if (is_read && read_files(run, &cursor) == -ENOMEM)
		got = -ENOMEM;
	if ((is_read && frame_end_fields(&cursor) < 0) || status > AGENTD_CANCELLED ||
	    content.n > (size_t)agent_settings(run->agent)->instance.limits.content) {
		run_memory_done(&memory);
		return -EPROTO;
	}
	if (run->ended) {
		run_leave_worker(run); /* its place is free at last */
	} else if (got == -ENOMEM) {
		finish_without_memory(run);
	} else if (got < 0) {
		const char *why = got == -EINVAL ? "a message of its result has no known role"
						 : "its result has more than 1000 messages";
		finish_not_done(run, AGENTD_FAILED, (struct frame_text){ why, strlen(why) });
	} else if (status == AGENTD_DONE) {
		finish_done(run, content, usage, &memory);
	} else {
		finish_not_done(run, status, error);
	}
	run_memory_done(&memory);
	return 0;
}

int wire_receive(struct runs *runs, struct worker *worker, const struct frame *frame)
{
	static int (*const receive[])(struct run * run, const struct frame *frame) = {
		[MESSAGE_INPUT] = receive_input,
		[MESSAGE_DELTA] = receive_delta,
		[MESSAGE_EVENT] = receive_event,
		[MESSAGE_FINISH] = receive_finish,
	};
	bool known = frame->type < sizeof(receive) / sizeof(receive[0]) && receive[frame->type];
	struct run *run = runs_find(runs, frame->run);
	if (!known)
		return -EPROTO; /* a word of other kinds of plugins */
	if (!run || run->worker != worker)
		return 0; /* late words of a run that is over */
	run_ref(run);
	int error = receive[frame->type](run, frame);
	run_unref(run);
	return error;
}
