/*
 * chats: what people write on platforms, and what they are answered. An interface, a plugin in a process of
 * its own, speaks the platform; all that is the same for all of them is here:
 *
 *	inbox → who may write → hooks → who it is → session → run → hooks → outbox
 *
 * A message is in the store before its interface confirms it; it has one run, and one reply, which is in the
 * store until the platform has taken it. So whatever ends, and whenever, each message is answered; a reply
 * that a platform had taken just before a crash may be sent twice.
 *
 * One thread. What is asked of the store is answered by callback, as there.
 */
#ifndef AGENTD_CHAT_CHATS_H
#define AGENTD_CHAT_CHATS_H

#include "daemon/auth/auth.h"
#include "daemon/chat/identity.h"
#include "daemon/conf/settings.h"
#include "daemon/proc/child.h"
#include "daemon/run/registry.h"
#include "daemon/run/run.h"
#include "daemon/store/store.h"

struct chats;
struct interface;
struct hook;
struct spool;
struct era;

/* What a config has of it: borrowed from the era, of which references are taken. */
struct chats_config {
	struct era *era;
	const struct settings *settings;
	struct image *const
	    *images; /* of the interfaces, then of the hooks; references are taken */
	struct auth *auth;
	unsigned view; /* proc/edition.h */
};

/* All borrowed. */
struct chats_setup {
	struct chats_config config;
	struct event_base *base;
	int host_fd;
	struct store *store;
	struct runs *runs; /* recovered already */
	struct registry *registry;
	struct spool *spool;        /* NULL without a store that keeps runs */
	void (*changed)(void *arg); /* some process of it is gone or came */
	/* A plugin emits an event: `from` is how the log calls it; `done` as in agent.h. */
	void (*emit)(void *arg, const char *from, struct frame_text event, struct frame_text json,
	    void (*done)(void *arg), void *done_arg);
	void *arg;
};

/* NULL: memory is out. */
struct chats *chats_new(const struct chats_setup *setup);
/* Goes by another config from now on, which the registry has been given already. What goes on ends by the config that
 * it began with. Processes that are as good as new ones go on; else a hook's go on until the new one is ready, and an
 * interface's end before the new one is started, and are started again if that does not get ready. While agentd
 * stops nothing is changed. 0 or -ENOMEM: nothing has changed. */
int chats_apply(struct chats *chats, const struct chats_config *config);
void chats_free(struct chats *chats); /* once the store is closed; kills what still lives */
/* Reads what waits in the store; `done` says whether that worked. Then chats_start. */
void chats_load(struct chats *chats, void (*done)(void *arg, int error), void *arg);
/* After that: when the oldest of what it has read was written; if nothing waits, when agentd was started. */
uint64_t chats_oldest_wall_ms(const struct chats *chats);
void chats_start(struct chats *chats);
/* agentd stops: interfaces receive no more, and what has no run yet waits for the next start. */
void chats_drain(struct chats *chats);
/* No run is left: replies that are due are sent, then the processes end. */
void chats_stop(struct chats *chats);
bool chats_are_down(const struct chats *chats);

/* Sends the answer of a run, which is in the store, to a chat (cron's `deliver`). `done` once that is in the
 * store too: until that can be done it is tried again. -ESHUTDOWN: agentd ends before. */
void chats_deliver(struct chats *chats, const char *interface, const char *chat_id,
    const char *run_id, store_done_fn done, void *arg);

/* Interfaces and hooks, in the order of the config; NULL past the last, or if there is none of that name. */
struct interface *chats_interface_at(const struct chats *chats, size_t i);
struct interface *chats_interface_find(const struct chats *chats, const char *name);
struct hook *chats_hook_at(const struct chats *chats, size_t i);
struct hook *chats_hook_find(const struct chats *chats, const char *name);
struct identities *chats_identities(const struct chats *chats);

const struct interface_settings *interface_settings(const struct interface *interface);
const struct descriptor *interface_descriptor(const struct interface *interface);
/* Ends its process, and starts it again; one that has failed, or waits, at once. */
void interface_restart(struct interface *interface);

/* What people are shown. */
struct interface_view {
	enum state state;
	unsigned generation, restarts;
	pid_t pid; /* 0: there is no process */
	const struct child_exit *last_exit;
	uint64_t retry_at_wall_ms;
	/* Messages, since agentd was started: that came, and were answered; and runs or replies that failed. */
	uint64_t received, answered, failed;
	size_t
	    waiting; /* messages without an answer, and replies that the platform has not taken */
};
void interface_look(const struct interface *interface, struct interface_view *ret);

const struct hook_settings *hook_settings(const struct hook *hook);
const struct descriptor *hook_descriptor(const struct hook *hook);
void hook_restart(struct hook *hook);
struct hook_view {
	enum state state;
	unsigned generation, restarts;
	pid_t pid;
	const struct child_exit *last_exit;
	uint64_t retry_at_wall_ms;
	uint64_t calls;
	size_t waiting; /* calls */
};
void hook_look(const struct hook *hook, struct hook_view *ret);

/* Requests to an interface's paths. */
struct interface_request {
	const char *method, *path, *query; /* query: NULL, there is none */
	struct frame_text headers;         /* JSON object, names in lower case */
	struct frame_text body;
};
struct interface_answer {
	unsigned status;
	const char *content_type; /* NULL: it gave none within its time, or its process has ended */
	struct frame_text body;
};
struct interface_call;
/* Which interface has that path, and whether for that method; NULL: none has it. */
struct interface *chats_interface_of_path(
    const struct chats *chats, const char *path, const char *method, bool *ret_allowed);
/* `done` is called once, later. NULL: memory is out, or it is not there to be asked; `done` is not called. */
struct interface_call *interface_ask(struct interface *interface,
    const struct interface_request *request,
    void (*done)(void *arg, const struct interface_answer *answer), void *arg);
/* Nobody wants to know any more. */
void interface_call_drop(struct interface_call *call);

/* Replies that have not been taken: tried again now; and thrown away. 0; -ENOENT: there is none of that id;
 * or of the store. */
void chats_reply_retry(struct chats *chats, int64_t id, store_done_fn done, void *arg);
void chats_reply_delete(struct chats *chats, int64_t id, store_done_fn done, void *arg);

#endif
