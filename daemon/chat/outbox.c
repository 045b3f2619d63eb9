/*
 * outbox: replies that an interface's platform has not taken, in their order for each chat, several chats at
 * once. Their texts are in the store, and are read when they are sent. What the platform refuses for now is tried
 * again later, what it refuses for good, or too often, is kept aside for an operator.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/chat/internal.h"
#include "daemon/run/attachment.h"
#include "daemon/run/spool.h"

#define AT_ONCE     64     /* replies of an interface on their way to the platform */
#define SEND_MS     120000 /* until one must have been taken, or not */
#define BACKOFF_MS  1000
#define BACKOFF_MAX 300000
#define WHY_MAX     170 /* bytes of what is said of one, before they are made UTF-8 */
#define ASKED_MIN   100 /* each try is written down */
#define ASKED_MAX   86400000

enum outgoing_state { OUT_WAITS, OUT_READING, OUT_SENDING, OUT_WRITING };

struct outgoing {
	struct outlet *outlet; /* borrowed */
	int64_t id;
	uint64_t number; /* of its try, while it is sent */
	enum outgoing_state state;
	unsigned attempts;
	uint64_t next_wall_ms;  /* not before */
	uint32_t parts;         /* of it that the platform has taken */
	bool is_unwanted;       /* it is to be gone, whatever becomes of it */
	struct store_reply put; /* WRITING: what is written down of its try */
	bool is_taken;          /* WRITING: that it is to be deleted */
	char *error;            /* WRITING: why it failed */
	TAILQ_ENTRY(outgoing) link, sending;
	char run_id[ID_SIZE]; /* "": it is of none */
};

/* A chat. */
struct outlet {
	struct outbox *outbox; /* borrowed */
	TAILQ_HEAD(outgoing_list, outgoing) queue;
	struct event timer; /* until the first may be sent, or must have been taken */
	bool is_ready;      /* the first may be sent */
	TAILQ_ENTRY(outlet) ready;
	UT_hash_handle hh;
	char chat_id[];
};

struct outbox {
	struct interface *interface; /* borrowed */
	struct outlet *outlets;
	TAILQ_HEAD(, outlet) ready;
	TAILQ_HEAD(, outgoing) sending;
	size_t busy; /* replies that are read, sent, or written */
	size_t count;
	uint64_t last_number;
	bool pumping;
};

static void outlet_check(struct outlet *outlet);
static void outgoing_write(struct outgoing *outgoing);

struct outbox *outbox_new(struct interface *interface)
{
	struct outbox *outbox = calloc(1, sizeof(*outbox));
	if (!outbox)
		return NULL;
	outbox->interface = interface;
	TAILQ_INIT(&outbox->ready);
	TAILQ_INIT(&outbox->sending);
	return outbox;
}

static struct store *store_of(const struct outbox *outbox)
{
	return outbox->interface->chats->setup.store;
}

/* Chats. */

static void arm(struct outlet *outlet, uint64_t ms)
{
	struct timeval after = { .tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000) };
	event_add(&outlet->timer, &after);
}

static void outlet_unready(struct outlet *outlet)
{
	if (outlet->is_ready)
		TAILQ_REMOVE(&outlet->outbox->ready, outlet, ready);
	outlet->is_ready = false;
}

static void outlet_free(struct outlet *outlet)
{
	struct outbox *outbox = outlet->outbox;
	struct outgoing *outgoing;
	while ((outgoing = TAILQ_FIRST(&outlet->queue))) {
		TAILQ_REMOVE(&outlet->queue, outgoing, link);
		free(outgoing->error);
		free(outgoing);
	}
	outlet_unready(outlet);
	event_del(&outlet->timer);
	HASH_DEL(outbox->outlets, outlet);
	free(outlet);
}

void outbox_free(struct outbox *outbox)
{
	struct outlet *outlet, *next;
	if (!outbox)
		return;
	HASH_ITER (hh, outbox->outlets, outlet, next)
		outlet_free(outlet);
	free(outbox);
}

/* The interface has not said what became of it. */
static void on_too_long(struct outgoing *outgoing);

static void outlet_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct outlet *outlet = arg;
	struct outbox *outbox = outlet->outbox;
	struct outgoing *first = TAILQ_FIRST(&outlet->queue);
	if (first->state == OUT_SENDING)
		on_too_long(first);
	else if (first->state == OUT_WRITING)
		outgoing_write(first);
	else
		outlet_check(outlet);
	outbox_pump(outbox);
}

static struct outlet *outlet_get(struct outbox *outbox, const char *chat_id)
{
	struct outlet *outlet;
	size_t n = strlen(chat_id);
	HASH_FIND(hh, outbox->outlets, chat_id, n, outlet);
	if (outlet || !(outlet = calloc(1, sizeof(*outlet) + n + 1)))
		return outlet;
	outlet->outbox = outbox;
	TAILQ_INIT(&outlet->queue);
	memcpy(outlet->chat_id, chat_id, n);
	event_assign(
	    &outlet->timer, outbox->interface->chats->setup.base, -1, 0, outlet_on_timer, outlet);
	HASH_ADD_KEYPTR(hh, outbox->outlets, outlet->chat_id, n, outlet);
	if (!outlet->hh.tbl) { /* memory was out */
		free(outlet);
		return NULL;
	}
	return outlet;
}

/* What is to be done with the first of its replies: nothing, if there is none; wait; or send it. */
static void outlet_check(struct outlet *outlet)
{
	struct outgoing *first = TAILQ_FIRST(&outlet->queue);
	uint64_t now = clock_wall_ms();
	if (!first) {
		outlet_free(outlet);
	} else if (first->state != OUT_WAITS || outlet->is_ready) {
		return;
	} else if (first->next_wall_ms > now) {
		arm(outlet, first->next_wall_ms - now);
	} else {
		event_del(&outlet->timer);
		outlet->is_ready = true;
		TAILQ_INSERT_TAIL(&outlet->outbox->ready, outlet, ready);
	}
}

static void set_state(struct outgoing *outgoing, enum outgoing_state state)
{
	struct outbox *outbox = outgoing->outlet->outbox;
	outbox->busy -= outgoing->state != OUT_WAITS;
	outbox->busy += state != OUT_WAITS;
	if (outgoing->state == OUT_SENDING)
		TAILQ_REMOVE(&outbox->sending, outgoing, sending);
	if (state == OUT_SENDING)
		TAILQ_INSERT_TAIL(&outbox->sending, outgoing, sending);
	outgoing->state = state;
}

/* Out of memory, whatever the store has. */
static void outgoing_forget(struct outgoing *outgoing)
{
	struct outlet *outlet = outgoing->outlet;
	struct outbox *outbox = outlet->outbox;
	set_state(outgoing, OUT_WAITS);
	if (TAILQ_FIRST(&outlet->queue) == outgoing) {
		outlet_unready(outlet);
		event_del(&outlet->timer);
	}
	TAILQ_REMOVE(&outlet->queue, outgoing, link);
	outbox->count--;
	free(outgoing->error);
	free(outgoing);
	outlet_check(outlet);
	interface_check_idle(outbox->interface);
}

static struct outgoing *find(const struct outbox *outbox, int64_t id)
{
	struct outlet *outlet, *next;
	struct outgoing *outgoing;
	HASH_ITER (hh, outbox->outlets, outlet, next)
		TAILQ_FOREACH (outgoing, &outlet->queue, link)
			if (outgoing->id == id)
				return outgoing;
	return NULL;
}

/* In the order of their ids, which is that in which they were written. */
static void insert(struct outlet *outlet, struct outgoing *outgoing)
{
	struct outgoing *before = TAILQ_LAST(&outlet->queue, outgoing_list);
	while (before && (before->id > outgoing->id && before->state == OUT_WAITS))
		before = TAILQ_PREV(before, outgoing_list, link);
	if (before) {
		TAILQ_INSERT_AFTER(&outlet->queue, before, outgoing, link);
		return;
	}
	outlet_unready(outlet); /* another is the first now */
	TAILQ_INSERT_HEAD(&outlet->queue, outgoing, link);
}

int outbox_add(struct outbox *outbox, const struct outbox_item *item)
{
	struct outlet *outlet = outlet_get(outbox, item->chat_id);
	struct outgoing *outgoing = NULL;
	if (!outlet)
		return -ENOMEM;
	TAILQ_FOREACH (outgoing, &outlet->queue, link)
		if (outgoing->id == item->id) {
			outgoing->is_unwanted = false; /* it was to be taken out, for this */
			return 0;
		}
	if ((outgoing = calloc(1, sizeof(*outgoing)))) {
		outgoing->outlet = outlet;
		outgoing->id = item->id;
		outgoing->attempts = item->attempts;
		outgoing->parts = item->parts;
		outgoing->next_wall_ms = item->next_wall_ms;
		snprintf(outgoing->run_id, sizeof(outgoing->run_id), "%s",
		    item->run_id ? item->run_id : "");
		insert(outlet, outgoing);
		outbox->count++;
	}
	outlet_check(outlet);
	outbox_pump(outbox);
	return outgoing ? 0 : -ENOMEM;
}

void outbox_remove(struct outbox *outbox, int64_t id)
{
	struct outgoing *outgoing = find(outbox, id);
	if (outgoing && outgoing->state == OUT_WAITS)
		outgoing_forget(outgoing);
	else if (outgoing)
		outgoing->is_unwanted = true; /* when it has been answered */
	outbox_pump(outbox);
}

/* What became of a try is written down before the next: a reply that is taken is no reply any more. */

static void on_put(void *arg, int error)
{
	struct outgoing *outgoing = arg;
	struct outlet *outlet = outgoing->outlet;
	struct outbox *outbox = outlet->outbox;
	struct interface *interface = outbox->interface;
	if (error == -ENOENT) /* an operator was faster */
		error = 0, outgoing->is_unwanted = true;
	chats_note(interface->chats, interface_label(interface), error);
	if (error < 0) {
		arm(outlet, CHAT_AGAIN_MS);
		return;
	}
	interface->answered += outgoing->is_taken;
	if (outgoing->is_taken && outgoing->run_id[0])
		spool_remove_run(interface->chats->setup.spool, outgoing->run_id);
	if (outgoing->is_taken || outgoing->put.aside || outgoing->is_unwanted) {
		outgoing_forget(outgoing);
	} else {
		free(outgoing->error);
		outgoing->error = NULL;
		outgoing->next_wall_ms = outgoing->put.next_wall_ms;
		set_state(outgoing, OUT_WAITS);
		outlet_check(outlet);
		interface_check_idle(interface);
	}
	outbox_pump(outbox);
}

static void outgoing_write(struct outgoing *outgoing)
{
	struct store *store = store_of(outgoing->outlet->outbox);
	set_state(outgoing, OUT_WRITING);
	event_del(&outgoing->outlet->timer);
	if (outgoing->is_taken)
		store_reply_delete(store, outgoing->id, on_put, outgoing);
	else
		store_reply_put(store, &outgoing->put, on_put, outgoing);
}

static uint64_t backoff_ms(unsigned attempts)
{
	uint64_t delay = BACKOFF_MS;
	for (unsigned i = 1; i < attempts && delay < BACKOFF_MAX; i++)
		delay *= 2;
	return delay < BACKOFF_MAX ? delay : BACKOFF_MAX;
}

/* How long a platform wants to be left alone, within reason. */
static uint64_t heed(uint64_t asked_ms)
{
	uint64_t most = asked_ms < ASKED_MAX ? asked_ms : ASKED_MAX;
	return most > ASKED_MIN ? most : ASKED_MIN;
}

/* What is tried again when the platform says so does not count as failed. */
static void outgoing_fail(
    struct outgoing *outgoing, uint32_t status, uint64_t asked_ms, struct frame_text why)
{
	struct interface *interface = outgoing->outlet->outbox->interface;
	struct buf clean = { 0 };
	buf_add_utf8(&clean, NULL, why.p, why.n < WHY_MAX ? why.n : WHY_MAX);
	free(outgoing->error);
	outgoing->error = buf_take(&clean);
	const char *error = outgoing->error ? outgoing->error : "it failed";
	outgoing->attempts += asked_ms == 0 || status == AGENTD_REJECTED;
	bool aside = status == AGENTD_REJECTED ||
		     outgoing->attempts >= (unsigned)interface->settings->max_attempts;
	uint64_t wait_ms = asked_ms ? heed(asked_ms) : backoff_ms(outgoing->attempts);
	outgoing->put = (struct store_reply){
		.id = outgoing->id,
		.attempts = outgoing->attempts,
		.parts = outgoing->parts,
		.error = { error, strlen(error) },
		.next_wall_ms = clock_wall_ms() + wait_ms,
		.aside = aside,
	};
	struct log_field fields[] = {
		{ "run_id", outgoing->run_id[0] ? outgoing->run_id : NULL, false },
	};
	interface->failed += aside;
	if (aside)
		log_with(LOG_LEVEL_ERROR, fields,
		    "%s: reply %" PRId64 " to chat %s is kept aside: %s (see agentctl outbox)",
		    interface_label(interface), outgoing->id, outgoing->outlet->chat_id, error);
	else
		log_with(LOG_LEVEL_INFO, fields,
		    "%s: reply %" PRId64 " to chat %s is sent again in %.3g s: %s",
		    interface_label(interface), outgoing->id, outgoing->outlet->chat_id,
		    (double)wait_ms / 1000, error);
	outgoing_write(outgoing);
}

static void fail_with(struct outgoing *outgoing, const char *why)
{
	outgoing_fail(outgoing, AGENTD_RETRY, 0, (struct frame_text){ why, strlen(why) });
}

static void on_too_long(struct outgoing *outgoing)
{
	fail_with(outgoing, "the interface did not say what became of it");
}

/* Sending. */

static void outgoing_send(struct outgoing *outgoing, const struct store_reply *reply)
{
	struct outbox *outbox = outgoing->outlet->outbox;
	outgoing->number = ++outbox->last_number;
	set_state(outgoing, OUT_SENDING);
	arm(outgoing->outlet, SEND_MS);
	struct frame_writer writer =
	    child_begin(outbox->interface->child, MESSAGE_SEND, outgoing->number);
	frame_put_u32(&writer, outgoing->parts);
	frame_put_str(&writer, reply->chat_id);
	frame_put_str(&writer, reply->reply_to ? reply->reply_to : "");
	frame_put_text(&writer, reply->text.p ? reply->text.p : "", reply->text.n);
	attachments_put(&writer, reply->files);
	frame_end(&writer); /* what could not be written is not taken in time */
}

static void on_read(void *arg, int error, const struct store_reply *reply)
{
	struct outgoing *outgoing = arg;
	struct outlet *outlet = outgoing->outlet;
	struct outbox *outbox = outlet->outbox;
	chats_note(outbox->interface->chats, interface_label(outbox->interface), error);
	if (error == 0 && (!reply || reply->aside || outgoing->is_unwanted)) {
		outgoing_forget(outgoing);
	} else if (error < 0) {
		outgoing->next_wall_ms = clock_wall_ms() + CHAT_AGAIN_MS;
		set_state(outgoing, OUT_WAITS);
		outlet_check(outlet);
	} else if (!interface_is_up(outbox->interface)) {
		set_state(outgoing, OUT_WAITS);
		outlet_check(outlet);
	} else {
		outgoing_send(outgoing, reply);
	}
	interface_check_idle(outbox->interface);
	outbox_pump(outbox);
}

void outbox_pump(struct outbox *outbox)
{
	struct outlet *outlet;
	if (outbox->pumping)
		return; /* the loop below goes on */
	outbox->pumping = true;
	while (interface_is_up(outbox->interface) && outbox->busy < AT_ONCE &&
	       (outlet = TAILQ_FIRST(&outbox->ready))) {
		struct outgoing *first = TAILQ_FIRST(&outlet->queue);
		outlet_unready(outlet);
		set_state(first, OUT_READING);
		store_reply_get(store_of(outbox), first->id, on_read, first);
	}
	outbox->pumping = false;
}

static struct outgoing *find_sending(const struct outbox *outbox, uint64_t number)
{
	struct outgoing *outgoing;
	TAILQ_FOREACH (outgoing, &outbox->sending, sending)
		if (outgoing->number == number)
			return outgoing;
	return NULL;
}

int outbox_on_sent(struct outbox *outbox, const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	uint32_t status = frame_get_u32(&cursor), parts = frame_get_u32(&cursor);
	uint64_t asked_ms = frame_get_u64(&cursor);
	struct frame_text why = frame_get_text(&cursor);
	if (frame_end_fields(&cursor) < 0 || status > AGENTD_REJECTED)
		return -EPROTO;
	struct outgoing *outgoing = find_sending(outbox, frame->run);
	if (!outgoing)
		return 0; /* it was given up */
	outgoing->parts = parts;
	outgoing->is_taken = status == AGENTD_SENT;
	if (outgoing->is_taken)
		outgoing_write(outgoing);
	else
		outgoing_fail(outgoing, status, asked_ms, why);
	return 0;
}

void outbox_on_gone(struct outbox *outbox, const char *reason)
{
	struct outgoing *outgoing;
	while ((outgoing = TAILQ_FIRST(&outbox->sending)))
		fail_with(outgoing, reason);
}

size_t outbox_waiting(const struct outbox *outbox)
{
	return outbox->count;
}

bool outbox_is_busy(const struct outbox *outbox)
{
	return outbox->busy > 0 || !TAILQ_EMPTY(&outbox->ready);
}

bool outbox_awaits(const struct outbox *outbox)
{
	return outbox->busy > 0;
}
