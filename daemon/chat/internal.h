/* internal: what the files of this room share. Nothing outside daemon/chat/ includes it. */
#ifndef AGENTD_CHAT_INTERNAL_H
#define AGENTD_CHAT_INTERNAL_H

#define HASH_NONFATAL_OOM 1
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>
#include <uthash.h>

#include "daemon/auth/rate.h"
#include "daemon/base/id.h"
#include "daemon/base/message.h"
#include "daemon/chat/chats.h"
#include "daemon/proc/emissions.h"
#include "daemon/proc/edition.h"

#define CHAT_AGAIN_MS \
	1000 /* until what the store, or an agent's queue, has refused is tried again */

struct errand;
struct message;
struct exchange;
struct lane;
struct hook_process;
struct outbox;

/* terms.c */
struct terms {
	unsigned refs;
	struct era *era;
	const struct interface_settings *settings; /* borrowed from the era, as is auth */
	struct auth *auth;
	size_t hook_count;
	struct hook *hooks[]; /* references, in the order in which they are asked */
};
/* Its hooks are among `hooks`. NULL: memory is out. */
struct terms *terms_new(const struct chats_config *config,
    const struct interface_settings *settings, struct hook *const *hooks, size_t count);
struct terms *terms_ref(struct terms *terms);
void terms_unref(struct terms *terms); /* NULL is fine */

struct chats {
	struct chats_setup setup;
	struct interface **interfaces; /* in the order of the config */
	size_t interface_count;
	struct hook **hooks;
	size_t hook_count;
	TAILQ_HEAD(, interface) leaving; /* the config has them no more, but something uses them */
	TAILQ_HEAD(, hook) leaving_hooks;
	struct identities *identities;
	struct rates *rates;
	struct event *sweep;
	struct event *reap; /* something that leaves may be over */
	TAILQ_HEAD(, errand) errands;
	uint64_t
	    oldest_wall_ms; /* of what the store had when it was loaded: older files are nobody's */
	bool started, draining, stopping, hooks_stopped;
	bool failing; /* the store could not write */
};

struct interface {
	struct chats *chats;                       /* borrowed */
	struct terms *terms;                       /* of messages that come from now on */
	const struct interface_settings *settings; /* borrowed from its terms */
	char *source;                              /* of its runs */
	char *spool;                               /* the folder of what comes in */
	struct edition *edition;                   /* of its process */
	struct edition *next;       /* of that which is started once it is down; NULL: none */
	struct edition *former;     /* to go back to if it does not get ready; NULL: none */
	struct terms *former_terms; /* likewise */
	bool has_served;            /* a process of its edition has been READY */
	bool is_leaving;            /* the config has it no more */
	bool is_loading;            /* what the store has for it is not here yet */
	unsigned generations;
	struct child *child;
	struct child_exit last_exit;
	struct emissions emissions;
	bool restarting; /* it is to come up again once it is down */
	bool receiving;  /* messages may come from its process */
	bool stopped;    /* its process has said that it receives no more */
	uint64_t received, answered, failed;
	size_t submitting; /* messages of its process on their way into the store */
	size_t storing;    /* those of any that it had */

	/* inbox.c */
	struct lane *lanes;       /* by who writes where */
	TAILQ_HEAD(, lane) ready; /* that have a message, and nothing going on */
	struct event pump_again;  /* memory was out */
	size_t active;            /* exchanges */
	size_t waiting;           /* messages that no exchange has begun with */

	struct outbox *outbox;
	TAILQ_HEAD(, interface_call) calls;
	uint64_t last_call;
	struct event load_again;
	TAILQ_ENTRY(interface) link; /* while it leaves */
};

/* chats.c. Says once that the store does not work, and once that it does again. */
void chats_note(struct chats *chats, const char *label, int error);
/* Its state changed, or something of it is over. */
void chats_changed(struct chats *chats);
void chats_arm_sweep(struct chats *chats);
/* Looks, later, whether what leaves is over. */
void chats_reap_soon(struct chats *chats);
/* Also one that leaves. NULL: none. */
struct interface *chats_interface_any(const struct chats *chats, const char *name);

/* apply.c */
void chats_reap(struct chats *chats);

/* load.c. Takes up what the store has for it, and starts it. */
void interface_load(struct interface *interface);

/* errand.c */
void errands_free(struct chats *chats);

/* interface.c */
/* NULL: memory is out. */
struct interface *interface_new(struct chats *chats, struct terms *terms, struct edition *edition);
void interface_free(struct interface *interface);
void interface_start(struct interface *interface);
void interface_drain(struct interface *interface); /* receives no more */
void interface_stop(struct interface *interface);
/* The config has it no more: it receives nothing more, and messages without a run are left in the store. */
void interface_leave(struct interface *interface);
/* Whether nothing uses one that leaves. */
bool interface_is_over(const struct interface *interface);
bool interface_is_down(const struct interface *interface);
/* Its process borrows from its edition, or is to be of it when it is started. */
void interface_rebind(struct interface *interface);
/* What its process goes by, which may be those of an older config. */
const struct interface_settings *interface_process_settings(const struct interface *interface);
/* Whether replies can be sent. */
bool interface_is_up(const struct interface *interface);
/* Something is over: it may be that nothing keeps its process any more. */
void interface_check_idle(struct interface *interface);
void interface_type(struct interface *interface, const char *chat_id);
const char *interface_label(const struct interface *interface);
const char *interface_name(const struct interface *interface);

/* renew.c. It goes by another config from now on. */
void interface_configure(struct interface *interface, struct terms *terms, struct edition *edition);
void interface_on_renewal(struct interface *interface); /* the state of its process changed */
void interface_forget_renewal(struct interface *interface);

/* inbox.c */
int inbox_on_submit(struct interface *interface, const struct frame *frame);
/* One that the store had. -ENOMEM. */
int inbox_take_up(struct interface *interface, const struct store_incoming *incoming);
void inbox_pump(struct interface *interface);
/* The exchange is over: what waits behind it comes. It is gone when this returns. */
void inbox_on_over(struct exchange *exchange);
/* The same, but the message is left for later: it waits here, if its interface leaves and may come back, else in the
 * store, for the next start of agentd. */
void inbox_put_back(struct exchange *exchange, int64_t seq);
/* agentd stops, or the interface leaves: messages without a run are left. */
void inbox_drain(struct interface *interface);
void inbox_done(struct interface *interface);

/* exchange.c. NULL: memory is out. */
struct exchange *exchange_new(struct interface *interface, struct lane *lane, int64_t seq);
void exchange_free(struct exchange *exchange);
void exchange_begin(struct exchange *exchange);
/* Leaves it, if it waits for what may not come any more, and has no run. */
void exchange_drain(struct exchange *exchange);
struct lane *exchange_lane(const struct exchange *exchange);
struct interface *exchange_interface(const struct exchange *exchange);
/* The next message of its lane has come: with `on_busy: interrupt` its run is cancelled. */
void exchange_interrupt(struct exchange *exchange);

/* outbox.c */
struct outbox *outbox_new(struct interface *interface);
void outbox_free(struct outbox *outbox);
/* A reply that is in the store. One that is known already is not added again. */
struct outbox_item {
	int64_t id;
	const char *chat_id, *run_id; /* run_id: NULL, it is of none */
	unsigned attempts, parts;
	uint64_t next_wall_ms; /* not before */
};
int outbox_add(struct outbox *outbox, const struct outbox_item *item);
void outbox_remove(struct outbox *outbox, int64_t id);
/* Its process can be written to. */
void outbox_pump(struct outbox *outbox);
int outbox_on_sent(struct outbox *outbox, const struct frame *frame);
void outbox_on_gone(struct outbox *outbox, const char *reason);
size_t outbox_waiting(const struct outbox *outbox);
/* Whether something is being sent, or is about to be. */
bool outbox_is_busy(const struct outbox *outbox);
/* Whether an answer of the store, or of the process, is waited for. */
bool outbox_awaits(const struct outbox *outbox);

/* hook.c */
struct hook_call;
/* What came of it: 0, AGENTD_REFUSE, or negative; -ESHUTDOWN: agentd stops, and it could not be asked. Texts are
 * absent if they are to stay as they were. */
typedef void (*hook_fn)(
    void *arg, int64_t verdict, struct frame_text text, struct frame_text metadata);
/* NULL: memory is out. */
struct hook *hook_new(
    struct chats *chats, const struct hook_settings *settings, struct edition *edition);
void hook_free(struct hook *hook);
/* Counts the terms that it is in. */
struct hook *hook_ref(struct hook *hook);
void hook_unref(struct hook *hook);
bool hook_has(const struct hook *hook, enum message_stage stage);
const char *hook_label(const struct hook *hook);
/* Asks it, once it is there to be asked. `put` writes the fields behind the stage; it may be called twice. NULL:
 * memory is out. */
struct hook_call *hook_ask(struct hook *hook, enum message_stage stage,
    void (*put)(void *arg, struct frame_writer *writer), hook_fn done, void *arg);
void hook_call_drop(struct hook_call *call);
/* It may be that one can be asked, or that a process is done. */
void hook_pump(struct hook *hook);

struct hook {
	struct chats *chats; /* borrowed */
	unsigned refs;
	bool is_leaving;                      /* the config has it no more */
	const struct hook_settings *settings; /* borrowed from its edition's era */
	struct edition *edition;              /* as the config has it now */
	unsigned generations;
	unsigned restarts; /* of processes that it has no more */
	struct child_exit last_exit;
	TAILQ_HEAD(, hook_process) processes;
	struct hook_process *serving;   /* borrowed */
	struct hook_process *successor; /* borrowed; takes its place once it is READY. NULL: none */
	uint64_t calls, last_call;
	TAILQ_HEAD(hook_call_list, hook_call) waiting;
	size_t waiting_count;
	TAILQ_ENTRY(hook) link; /* while it leaves */
};

/* hook_process.c */
struct hook_process {
	struct hook *hook; /* borrowed */
	struct edition *edition;
	struct child *child;
	struct emissions emissions;
	struct hook_call_list asked;
	bool restarting;
	bool is_late;       /* a successor that was not ready at once */
	bool is_retired;    /* it ends what it was asked, and goes */
	const char *reason; /* of that, or of the restart */
	TAILQ_ENTRY(hook_process) link;
};
/* Of the hook, but it does not serve. NULL: memory is out. */
struct hook_process *hook_process_new(struct hook *hook, struct edition *edition);
void hook_process_free(struct hook_process *process);
void hook_processes_free(struct hook *hook);
void hook_start(struct hook *hook);
void hook_drain(struct hook *hook); /* agentd stops: nobody waits for one that is not there */
void hook_stop(struct hook *hook);
bool hook_is_down(const struct hook *hook);
void hook_check_idle(struct hook *hook);
/* Whether the process that serves, or is about to, is of such an edition. */
bool hook_has_process_of(const struct hook *hook, const struct edition *edition);
/* It is of another config from now on. Its processes are, if they are alike; else hook_succeed is to follow. */
void hook_configure(
    struct hook *hook, const struct hook_settings *settings, struct edition *edition);
/* The process, of hook_process_new, is to serve once it is ready. */
void hook_succeed(struct hook *hook, struct hook_process *successor);
/* hook.c, called there: DECIDE; and what it was asked is lost. */
int hook_on_decide(struct hook_process *process, const struct frame *frame);
void hook_on_lost(struct hook_process *process);

#endif
