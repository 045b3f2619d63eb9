/*
 * load: what waits in the store when agentd starts: links, then replies, then messages, whose replies may be among
 * those. And what waits there for an interface that comes later.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/chat/internal.h"

struct loading {
	struct chats *chats;
	void (*done)(void *arg, int error);
	void *arg;
	size_t strays; /* of interfaces that there are no more */
};

static void loading_end(struct loading *loading, int error)
{
	if (error == 0 && loading->strays)
		log_warn("%zu %s of interfaces that are not configured any more %s in the store",
		    loading->strays,
		    loading->strays == 1 ? "message or reply" : "messages and replies",
		    loading->strays == 1 ? "waits" : "wait");
	loading->done(loading->arg, error);
	free(loading);
}

static void saw(struct chats *chats, uint64_t wall_ms)
{
	if (wall_ms < chats->oldest_wall_ms)
		chats->oldest_wall_ms = wall_ms;
}

/* The files of its answer are there until its reply has been taken, and its turn may be long in coming. */
static void keep_files(struct chats *chats, const struct store_incoming *incoming)
{
	struct run *run =
	    incoming->run_id ? runs_find_live(chats->setup.runs, incoming->run_id) : NULL;
	if (run)
		run_keep_spool(run);
}

static void on_messages(void *arg, int error, const struct store_incoming *incomings, size_t count)
{
	struct loading *loading = arg;
	for (size_t i = 0; error == 0 && i < count; i++) {
		struct interface *interface =
		    chats_interface_find(loading->chats, incomings[i].interface);
		saw(loading->chats, incomings[i].at_wall_ms);
		keep_files(loading->chats, &incomings[i]);
		if (interface)
			error = inbox_take_up(interface, &incomings[i]);
		else
			loading->strays++;
	}
	loading_end(loading, error);
}

static int add_reply(struct interface *interface, const struct store_reply *reply)
{
	struct outbox_item item = { .id = reply->id,
		.chat_id = reply->chat_id,
		.run_id = reply->run_id,
		.attempts = reply->attempts,
		.parts = reply->parts,
		.next_wall_ms = reply->next_wall_ms };
	return outbox_add(interface->outbox, &item);
}

static void on_replies(
    void *arg, int error, const struct store_reply *replies, size_t count, const char *next)
{
	(void)next;
	struct loading *loading = arg;
	for (size_t i = 0; error == 0 && i < count; i++) {
		struct interface *interface =
		    chats_interface_find(loading->chats, replies[i].interface);
		saw(loading->chats, replies[i].created_wall_ms); /* aside, too: it has its files */
		if (replies[i].aside)
			continue;
		if (interface)
			error = add_reply(interface, &replies[i]);
		else
			loading->strays++;
	}
	if (error == 0)
		store_incoming_list(loading->chats->setup.store, on_messages, loading);
	else
		loading_end(loading, error);
}

static void on_links(void *arg, int error)
{
	struct loading *loading = arg;
	if (error == 0)
		store_replies_all(loading->chats->setup.store, on_replies, loading);
	else
		loading_end(loading, error);
}

void chats_load(struct chats *chats, void (*done)(void *arg, int error), void *arg)
{
	if (!store_keeps_runs(chats->setup.store)) { /* interfaces need one, so there are none */
		done(arg, 0);
		return;
	}
	struct loading *loading = calloc(1, sizeof(*loading));
	if (!loading) {
		done(arg, -ENOMEM);
		return;
	}
	*loading = (struct loading){ .chats = chats, .done = done, .arg = arg };
	identities_load(chats->identities, on_links, loading);
}

/* Of one interface. What cannot wait in memory is taken up with the next start. */

static void interface_on_loaded(struct interface *interface, int error)
{
	struct chats *chats = interface->chats;
	struct timeval after = { .tv_sec = CHAT_AGAIN_MS / 1000 };
	chats_note(chats, interface_label(interface), error);
	if (error < 0 && error != -ESHUTDOWN) {
		event_add(&interface->load_again, &after);
		return;
	}
	interface->is_loading = false;
	if (error == 0 && !chats->draining && !interface->is_leaving)
		interface_start(interface);
	interface_check_idle(interface);
}

static void on_its_messages(
    void *arg, int error, const struct store_incoming *incomings, size_t count)
{
	struct interface *interface = arg;
	for (size_t i = 0; error == 0 && i < count; i++)
		if (strcmp(incomings[i].interface, interface_name(interface)) == 0)
			inbox_take_up(interface, &incomings[i]);
	interface_on_loaded(interface, error);
}

static void on_its_replies(
    void *arg, int error, const struct store_reply *replies, size_t count, const char *next)
{
	(void)next;
	struct interface *interface = arg;
	for (size_t i = 0; error == 0 && i < count; i++)
		if (!replies[i].aside &&
		    strcmp(replies[i].interface, interface_name(interface)) == 0)
			add_reply(interface, &replies[i]);
	if (error == 0)
		store_incoming_list(interface->chats->setup.store, on_its_messages, interface);
	else
		interface_on_loaded(interface, error);
}

void interface_load(struct interface *interface)
{
	interface->is_loading = true;
	store_replies_all(interface->chats->setup.store, on_its_replies, interface);
}
