/*
 * errand: what is done with replies outside of any conversation: an operator has one tried again, or throws it
 * away; and the answer of a schedule is delivered.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/chat/internal.h"
#include "daemon/run/spool.h"

struct errand {
	struct chats *chats;                /* borrowed */
	char *interface, *chat_id, *run_id; /* of its reply; run_id: NULL, it is of none */
	int64_t id;                         /* of its reply */
	struct event again;
	store_done_fn done;
	void *arg;
	TAILQ_ENTRY(errand) link;
};

static void delivery_begin(struct errand *errand);

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	delivery_begin(arg);
}

static struct errand *errand_new(struct chats *chats, int64_t id, store_done_fn done, void *arg)
{
	struct errand *errand = calloc(1, sizeof(*errand));
	if (!errand) {
		done(arg, -ENOMEM);
		return NULL;
	}
	*errand = (struct errand){ .chats = chats, .id = id, .done = done, .arg = arg };
	event_assign(&errand->again, chats->setup.base, -1, 0, on_timer, errand);
	TAILQ_INSERT_TAIL(&chats->errands, errand, link);
	return errand;
}

static void errand_end(struct errand *errand, int error)
{
	TAILQ_REMOVE(&errand->chats->errands, errand, link);
	event_del(&errand->again);
	errand->done(errand->arg, error);
	free(errand->interface);
	free(errand->chat_id);
	free(errand->run_id);
	free(errand);
}

void errands_free(struct chats *chats)
{
	struct errand *errand;
	while ((errand = TAILQ_FIRST(&chats->errands)))
		errand_end(errand, -ESHUTDOWN);
}

/* Its reply is in the store, and is to be sent. */
static void errand_send(struct errand *errand)
{
	struct interface *interface = chats_interface_any(errand->chats, errand->interface);
	struct outbox_item item = {
		.id = errand->id, .chat_id = errand->chat_id, .run_id = errand->run_id
	};
	errand_end(errand, interface ? outbox_add(interface->outbox, &item) : 0);
}

/* False: there is none, and the errand is over. */
static bool errand_read(struct errand *errand, int error, const struct store_reply *reply)
{
	if (error < 0 || !reply) {
		errand_end(errand, error < 0 ? error : -ENOENT);
		return false;
	}
	errand->interface = strdup(reply->interface);
	errand->chat_id = strdup(reply->chat_id);
	errand->run_id = reply->run_id ? strdup(reply->run_id) : NULL;
	if (errand->interface && errand->chat_id && (errand->run_id || !reply->run_id))
		return true;
	errand_end(errand, -ENOMEM);
	return false;
}

/* Once more. */

static void on_retried(void *arg, int error)
{
	struct errand *errand = arg;
	struct interface *interface = chats_interface_any(errand->chats, errand->interface);
	if (error < 0) {
		errand_end(errand, error);
		return;
	}
	if (interface) /* it may be waiting, for later */
		outbox_remove(interface->outbox, errand->id);
	errand_send(errand);
}

static void on_read_to_retry(void *arg, int error, const struct store_reply *reply)
{
	struct errand *errand = arg;
	if (!errand_read(errand, error, reply))
		return;
	struct store_reply again = *reply;
	again.aside = false;
	again.attempts = 0;
	again.next_wall_ms = 0;
	store_reply_put(errand->chats->setup.store, &again, on_retried, errand);
}

void chats_reply_retry(struct chats *chats, int64_t id, store_done_fn done, void *arg)
{
	struct errand *errand = errand_new(chats, id, done, arg);
	if (errand)
		store_reply_get(chats->setup.store, id, on_read_to_retry, errand);
}

/* Never. */

static void on_deleted(void *arg, int error)
{
	struct errand *errand = arg;
	struct interface *interface = chats_interface_any(errand->chats, errand->interface);
	if (error == 0 && interface)
		outbox_remove(interface->outbox, errand->id);
	if (error == 0 && errand->run_id)
		spool_remove_run(errand->chats->setup.spool, errand->run_id);
	errand_end(errand, error);
}

static void on_read_to_delete(void *arg, int error, const struct store_reply *reply)
{
	struct errand *errand = arg;
	if (errand_read(errand, error, reply))
		store_reply_delete(errand->chats->setup.store, errand->id, on_deleted, errand);
}

void chats_reply_delete(struct chats *chats, int64_t id, store_done_fn done, void *arg)
{
	struct errand *errand = errand_new(chats, id, done, arg);
	if (errand)
		store_reply_get(chats->setup.store, id, on_read_to_delete, errand);
}

/* Deliveries: the run is read from the store, and its answer becomes a reply there. */

/* Whether the store has done it; else the whole is tried again, unless agentd ends. */
static bool delivery_goes_on(struct errand *errand, int error)
{
	struct timeval after = { .tv_sec = CHAT_AGAIN_MS / 1000 };
	chats_note(errand->chats, errand->interface, error);
	if (error == -ESHUTDOWN)
		errand_end(errand, error);
	else if (error < 0)
		event_add(&errand->again, &after);
	return error >= 0;
}

static void on_delivered(void *arg, int error, int64_t id)
{
	struct errand *errand = arg;
	if (!delivery_goes_on(errand, error == -EEXIST ? 0 : error))
		return;
	errand->id = id;
	errand_send(errand);
}

static void on_run_read(void *arg, int error, const struct store_run *run)
{
	struct errand *errand = arg;
	if (!delivery_goes_on(errand, error))
		return;
	if (!run || (!run->content.n && !run->files.n)) {
		errand_end(errand, 0); /* nothing to say is nothing to send */
		return;
	}
	struct store_reply reply = {
		.interface = errand->interface,
		.chat_id = errand->chat_id,
		.run_id = errand->run_id,
		.text = run->content.p ? run->content : (struct frame_text){ "", 0 },
		.files = run->files,
		.created_wall_ms = clock_wall_ms(),
	};
	store_reply_add(errand->chats->setup.store, &reply, 0, on_delivered, errand);
}

static void delivery_begin(struct errand *errand)
{
	store_run_get(errand->chats->setup.store, errand->run_id, on_run_read, errand);
}

void chats_deliver(struct chats *chats, const char *interface, const char *chat_id,
    const char *run_id, store_done_fn done, void *arg)
{
	struct errand *errand = errand_new(chats, 0, done, arg);
	if (!errand)
		return;
	errand->interface = strdup(interface);
	errand->chat_id = strdup(chat_id);
	errand->run_id = strdup(run_id);
	if (errand->interface && errand->chat_id && errand->run_id)
		delivery_begin(errand);
	else
		errand_end(errand, -ENOMEM);
}
