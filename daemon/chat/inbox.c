/*
 * inbox: messages into the store, and out of it one after another for each who writes somewhere (a lane), up to
 * max_concurrent_requests at once. Only their numbers wait in memory. There is a place for each before the store has it:
 * one that is acknowledged is not left behind for want of memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/chat/internal.h"
#include "daemon/chat/message.h"
#include "daemon/run/agent.h"

/* The place of a message that no exchange has begun with. */
struct entry {
	struct lane *lane; /* borrowed */
	int64_t seq;       /* once the store has it: then it is one of the lane's */
	STAILQ_ENTRY(entry) link;
};

struct lane {
	STAILQ_HEAD(, entry) entries;
	size_t coming;            /* places of messages that the store does not have yet */
	struct exchange *current; /* what goes on with the message before those; NULL: nothing */
	bool is_ready;
	TAILQ_ENTRY(lane) ready;
	UT_hash_handle hh;
	size_t key_length;
	char key[]; /* the user, a NUL, the chat */
};

/* Lanes. */

static struct lane *lane_get(struct interface *interface, const char *user_id, const char *chat_id)
{
	struct lane *lane;
	struct buf key = { 0 };
	buf_add(&key, user_id, strlen(user_id) + 1);
	buf_add_str(&key, chat_id);
	if (key.failed) {
		buf_done(&key);
		return NULL;
	}
	HASH_FIND(hh, interface->lanes, key.data, key.length, lane);
	if (!lane && (lane = calloc(1, sizeof(*lane) + key.length))) {
		STAILQ_INIT(&lane->entries);
		lane->key_length = key.length;
		memcpy(lane->key, key.data, key.length);
		HASH_ADD_KEYPTR(hh, interface->lanes, lane->key, lane->key_length, lane);
		if (!lane->hh.tbl) { /* memory was out */
			free(lane);
			lane = NULL;
		}
	}
	buf_done(&key);
	return lane;
}

static void lane_free(struct interface *interface, struct lane *lane)
{
	struct entry *entry;
	while ((entry = STAILQ_FIRST(&lane->entries))) {
		STAILQ_REMOVE_HEAD(&lane->entries, link);
		interface->waiting--;
		free(entry);
	}
	if (lane->is_ready)
		TAILQ_REMOVE(&interface->ready, lane, ready);
	HASH_DEL(interface->lanes, lane);
	free(lane);
}

/* Has it wait for its turn, if there is something to do; else there is no need for it. */
static void lane_check(struct interface *interface, struct lane *lane)
{
	if (lane->current || lane->is_ready)
		return;
	if (STAILQ_EMPTY(&lane->entries)) {
		if (!lane->coming)
			lane_free(interface, lane);
		return;
	}
	lane->is_ready = true;
	TAILQ_INSERT_TAIL(&interface->ready, lane, ready);
}

/* A place, for entry_put or entry_drop. NULL: memory is out. */
static struct entry *entry_new(
    struct interface *interface, const char *user_id, const char *chat_id)
{
	struct lane *lane = lane_get(interface, user_id, chat_id);
	struct entry *entry = lane ? malloc(sizeof(*entry)) : NULL;
	if (entry) {
		*entry = (struct entry){ .lane = lane };
		lane->coming++;
	} else if (lane) {
		lane_check(interface, lane);
	}
	return entry;
}

static void entry_put(struct interface *interface, struct entry *entry, int64_t seq)
{
	struct lane *lane = entry->lane;
	lane->coming--;
	entry->seq = seq;
	STAILQ_INSERT_TAIL(&lane->entries, entry, link);
	interface->waiting++;
	if (lane->current)
		exchange_interrupt(lane->current);
	lane_check(interface, lane);
}

/* The store has not taken it. */
static void entry_drop(struct interface *interface, struct entry *entry)
{
	struct lane *lane = entry->lane;
	lane->coming--;
	free(entry);
	lane_check(interface, lane);
}

/* The first of the lanes that wait. False: it has to be tried again. */
static bool begin(struct interface *interface, struct lane *lane)
{
	struct entry *entry = STAILQ_FIRST(&lane->entries);
	struct exchange *exchange = exchange_new(interface, lane, entry->seq);
	if (!exchange)
		return false;
	TAILQ_REMOVE(&interface->ready, lane, ready);
	lane->is_ready = false;
	STAILQ_REMOVE_HEAD(&lane->entries, link);
	interface->waiting--;
	free(entry);
	lane->current = exchange;
	interface->active++;
	exchange_begin(exchange);
	return true;
}

void inbox_pump(struct interface *interface)
{
	const struct chats *chats = interface->chats;
	size_t most = (size_t)interface->settings->max_concurrent_requests;
	struct timeval again = { .tv_sec = CHAT_AGAIN_MS / 1000 };
	while (chats->started && !chats->draining && !interface->is_leaving &&
	       interface->active < most && !TAILQ_EMPTY(&interface->ready))
		if (!begin(interface, TAILQ_FIRST(&interface->ready))) {
			event_add(&interface->pump_again, &again);
			return;
		}
}

void inbox_on_over(struct exchange *exchange)
{
	struct lane *lane = exchange_lane(exchange);
	struct interface *interface = exchange_interface(exchange);
	lane->current = NULL;
	interface->active--;
	exchange_free(exchange);
	lane_check(interface, lane);
	inbox_pump(interface);
	interface_check_idle(interface);
}

void inbox_put_back(struct exchange *exchange, int64_t seq)
{
	struct lane *lane = exchange_lane(exchange);
	struct interface *interface = exchange_interface(exchange);
	bool stays = interface->is_leaving && !interface->chats->draining;
	struct entry *entry = stays ? malloc(sizeof(*entry)) : NULL;
	if (entry) { /* else it is taken up with the next start */
		*entry = (struct entry){ .lane = lane, .seq = seq };
		STAILQ_INSERT_HEAD(&lane->entries, entry, link);
		interface->waiting++;
	}
	inbox_on_over(exchange);
}

int inbox_take_up(struct interface *interface, const struct store_incoming *incoming)
{
	struct entry *entry = entry_new(interface, incoming->user_id, incoming->chat_id);
	if (!entry)
		return -ENOMEM;
	entry_put(interface, entry, incoming->seq);
	return 0;
}

void inbox_drain(struct interface *interface)
{
	struct lane *lane, *next;
	HASH_ITER (hh, interface->lanes, lane, next)
		if (lane->current)
			exchange_drain(lane->current);
}

void inbox_done(struct interface *interface)
{
	struct lane *lane, *next;
	HASH_ITER (hh, interface->lanes, lane, next) {
		if (lane->current) {
			exchange_free(lane->current);
			lane->current = NULL;
			interface->active--;
		}
		lane_free(interface, lane);
	}
}

/* Messages on their way into the store. */

struct submission {
	struct interface *interface; /* borrowed */
	unsigned generation;         /* of the process that waits for an answer */
	uint64_t number;
	struct entry *entry; /* owned until the store has answered; NULL: it has */
	struct message message;
};

static void submission_free(struct submission *submission)
{
	if (submission->entry)
		entry_drop(submission->interface, submission->entry);
	message_done(&submission->message);
	free(submission);
}

static void answer(const struct submission *submission, int error)
{
	struct interface *interface = submission->interface;
	if (child_generation(interface->child) != submission->generation ||
	    !child_pid(interface->child))
		return; /* it is gone; the platform gives the message to the next */
	interface->submitting--;
	struct frame_writer writer =
	    child_begin(interface->child, MESSAGE_SUBMITTED, submission->number);
	frame_put_u32(&writer, (uint32_t)-error);
	frame_end(&writer);
}

static void submission_end(struct submission *submission, int error)
{
	struct interface *interface = submission->interface;
	interface->storing--;
	chats_note(interface->chats, interface_label(interface), error);
	answer(submission, error);
	submission_free(submission);
	inbox_pump(interface);
	interface_check_idle(interface);
}

/* It was stored before, and its files came with it then: those of now go, unless the first has the same, and waits for
 * its turn. If that cannot be found out they stay until they are old. */
static void on_known(void *arg, int error, const struct store_incoming *incoming)
{
	struct submission *submission = arg;
	struct message first = { 0 };
	if (error == 0 && incoming)
		error = message_decode(incoming->body, &first);
	if (error == 0)
		message_remove_files(&submission->message, incoming ? &first : NULL,
		    submission->interface->chats->setup.spool);
	message_done(&first);
	submission_end(submission, 0);
}

static void on_stored(void *arg, int error, int64_t seq)
{
	struct submission *submission = arg;
	struct interface *interface = submission->interface;
	if (error == -EEXIST && message_has_files(&submission->message)) {
		store_incoming_get(interface->chats->setup.store, seq, on_known, submission);
		return;
	}
	if (error == 0) {
		interface->received++;
		entry_put(interface, submission->entry, seq);
		submission->entry = NULL;
	}
	submission_end(submission, error == -EEXIST ? 0 : error);
}

static int submission_send(struct submission *submission)
{
	const struct message *message = &submission->message;
	struct interface *interface = submission->interface;
	struct buf body = { 0 };
	submission->entry = entry_new(interface, message->user_id, message->chat_id);
	int error = submission->entry ? message_encode(message, &body) : -ENOMEM;
	struct store_incoming incoming = {
		.interface = interface_name(interface),
		.key = message->key,
		.user_id = message->user_id,
		.chat_id = message->chat_id,
		.body = { body.data, body.length },
		.at_wall_ms = clock_wall_ms(),
	};
	if (error == 0) {
		interface->storing++;
		store_incoming_add(interface->chats->setup.store, &incoming, on_stored, submission);
	}
	buf_done(&body);
	return error;
}

int inbox_on_submit(struct interface *interface, const struct frame *frame)
{
	size_t left_out = 0;
	if (interface->submitting >= MESSAGE_SUBMISSIONS)
		return -EPROTO;
	struct submission *submission = calloc(1, sizeof(*submission));
	if (!submission)
		return -ENOMEM;
	*submission = (struct submission){ .interface = interface,
		.generation = child_generation(interface->child),
		.number = frame->run };
	int error = message_read(frame, interface->spool, &submission->message, &left_out);
	if (error == 0 && left_out)
		log_warn(
		    "%s: %zu attachments of a message are left out: each is a URL (http, https), "
		    "or a file of host->spool",
		    interface_label(interface), left_out);
	interface->submitting++;
	if (error == 0)
		error = submission_send(submission);
	if (error < 0) {
		interface->submitting--;
		submission_free(submission);
	}
	return error;
}
