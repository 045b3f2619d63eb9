/*
 * auth: who is asking? One call for HTTP, webhooks and chat messages, over the providers of the config.
 *
 * auth_new reads the keys that are in files, so that `agentd -t` finds what is wrong with them. A file
 * that changes is read again, at most once a second; what a URL has is got after auth_start, every 15
 * minutes, and when a token names a key that is not among those at hand (four times in four minutes). A new
 * set of keys takes the place of the old one whole; one that cannot be read leaves the old one.
 *
 * One thread.
 */
#ifndef AGENTD_AUTH_AUTH_H
#define AGENTD_AUTH_AUTH_H

#include <stdint.h>
#include <sys/queue.h>

#include "daemon/auth/principal.h"
#include "daemon/conf/settings.h"

struct auth;
struct event_base;
struct ucred;

/* What is known of who is asking. All borrowed. */
struct auth_request {
	const char *platform; /* "http", "telegram", … */
	/* The nth value of a header, from 0; NULL: it has none. The member is NULL for chats. */
	const char *(*header)(const void *arg, const char *name, unsigned nth);
	const void *arg;
	const char *user_id, *username, *chat_id; /* of a chat; else NULL */
};

enum auth_verdict {
	AUTH_KNOWN,
	AUTH_ANONYMOUS,   /* it does not say who it is */
	AUTH_REFUSED,     /* it says so, and that is not so */
	AUTH_LATER,       /* keys are being got: auth_wait, and ask again */
	AUTH_UNAVAILABLE, /* the keys cannot be got */
	AUTH_NO_MEMORY,
};

/* Gets what a URL has. `done` is called once, later: with bytes, or with why there are none. */
struct auth_fetcher {
	struct fetch *(*start)(void *arg, const char *url,
	    void (*done)(void *arg, const char *bytes, size_t length, const char *error),
	    void *done_arg); /* NULL: no memory, or no process; `done` is not called */
	void (*stop)(struct fetch *fetch); /* before it is done; `done` is not called */
	void *arg;
};

/* Mistakes go to `errors`. NULL: memory is out. `settings` is borrowed. */
struct auth *auth_new(const struct settings *settings, struct conf_errors *errors);
void auth_free(struct auth *auth);
/* Has what another has, which goes on meanwhile: who has taken all of his rate there has done so here, and what a URL
 * has is not waited for, if that has got it already. Before auth_start. What waits for the other's keys is woken by
 * that, and must be done with before it is freed. */
void auth_inherit(struct auth *auth, const struct auth *before);
/* Begins to get keys from where they are. 0 or -errno. */
int auth_start(struct auth *auth, struct event_base *base, const struct auth_fetcher *fetcher);

/* *ret_who is a reference, if it is known; *ret_why, else, says why not, for people: a constant. */
enum auth_verdict auth_ask(struct auth *auth, const struct provider_settings *provider,
    const struct auth_request *request, struct principal **ret_who, const char **ret_why);

/* The same of who is at the other end of the control socket. `again`: it was let in by the auth before this one. */
enum auth_verdict auth_ask_peer(struct auth *auth, const struct ucred *peer, bool again,
    struct principal **ret_who, const char **ret_why);

/* Who wants to ask again once keys have come, or could not be got. Lives in its owner. */
struct auth_wait {
	void (*again)(void *arg); /* once; the wait is over */
	void *arg;
	TAILQ_ENTRY(auth_wait) link;
};
void auth_wait(struct auth *auth, struct auth_wait *wait);
void auth_wait_stop(struct auth *auth, struct auth_wait *wait);

/* One request of a principal, out of its rate. False: too many; the next in *ret_after_s seconds. */
bool auth_take(struct auth *auth, const struct principal *who, unsigned *ret_after_s);

#endif
