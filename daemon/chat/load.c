/*
 * load: what waits in the store when agentd starts: links, then replies, then messages, whose replies may be among
 * those.
 */
#include <errno.h>
#include <stdlib.h>

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
		log_warn("%zu messages and replies of interfaces that are not configured any more "
			 "wait in the store",
		    loading->strays);
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

static void on_replies(
    void *arg, int error, const struct store_reply *replies, size_t count, const char *next)
{
	(void)next;
	struct loading *loading = arg;
	for (size_t i = 0; error == 0 && i < count; i++) {
		struct interface *interface =
		    chats_interface_find(loading->chats, replies[i].interface);
		struct outbox_item item = { .id = replies[i].id,
			.chat_id = replies[i].chat_id,
			.run_id = replies[i].run_id,
			.attempts = replies[i].attempts,
			.parts = replies[i].parts,
			.next_wall_ms = replies[i].next_wall_ms };
		saw(loading->chats, replies[i].created_wall_ms); /* aside, too: it has its files */
		if (replies[i].aside)
			continue;
		if (interface)
			error = outbox_add(interface->outbox, &item);
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
	struct loading *loading = calloc(1, sizeof(*loading));
	if (!loading) {
		done(arg, -ENOMEM);
		return;
	}
	*loading = (struct loading){ .chats = chats, .done = done, .arg = arg };
	if (store_keeps_runs(chats->setup.store)) {
		identities_load(chats->identities, on_links, loading);
		return;
	}
	free(loading); /* interfaces need a store, so there are none */
	done(arg, 0);
}
