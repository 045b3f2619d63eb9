/* exchange: one message on its way, as exchange.c (whose it is, and its ends) and exchange_run.c (hooks, the run, the
 * reply) share it. */
#ifndef AGENTD_CHAT_EXCHANGE_H
#define AGENTD_CHAT_EXCHANGE_H

#include "daemon/chat/internal.h"
#include "daemon/chat/message.h"

struct exchange {
	struct interface *interface; /* borrowed */
	struct terms *terms;
	struct lane *lane; /* borrowed */
	int64_t seq;
	struct message message;
	bool has_message;
	char *user_id; /* of its run */
	char session_id[ID_SIZE], run_id[ID_SIZE];
	struct buf text, metadata; /* for the run, as hooks have it */
	struct buf reply, files, error;
	const char *notice; /* borrowed: said instead of the reply; NULL: nothing is */
	int64_t reply_id;   /* once the store has it */

	/* What is waited for. */
	struct event timer;
	void (*next)(struct exchange *exchange); /* of the timer */
	enum message_stage stage;
	void (*after_hooks)(struct exchange *exchange);
	size_t hook;            /* which is asked, or is the next to be */
	struct hook_call *call; /* NULL: none */
	struct run *run;        /* a reference; NULL: there is none, or not any more */
	struct run_subscriber subscriber;
	bool is_subscribed;
};

/* exchange.c */
struct store *exchange_store(const struct exchange *exchange);
/* `next` comes in a while. */
void exchange_later(struct exchange *exchange, void (*next)(struct exchange *exchange), int64_t ms);
/* Whether the store has done it; else `again` is called in a while. */
bool exchange_has_done(
    struct exchange *exchange, int error, void (*again)(struct exchange *exchange));
/* All that came with it, and of it, is done with. */
void exchange_over(struct exchange *exchange);
/* It is over without a reply. */
void exchange_drop(struct exchange *exchange);
/* It is left for the next start of agentd. */
void exchange_leave(struct exchange *exchange);

/* exchange_run.c */
struct agent *exchange_agent(const struct exchange *exchange);
void exchange_hooks(
    struct exchange *exchange, enum message_stage stage, void (*next)(struct exchange *exchange));
void exchange_run(struct exchange *exchange);
/* Goes on behind its run. */
void exchange_follow(struct exchange *exchange);
void exchange_conclude(struct exchange *exchange, enum run_status status, struct frame_text content,
    struct frame_text files, const char *error);
/* `text` is borrowed, of the program or its terms. */
void exchange_say(struct exchange *exchange, const char *text);

#endif
