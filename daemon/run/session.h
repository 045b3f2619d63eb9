/*
 * session: one run at a time for each session, in the order of arrival; and how much of a session's
 * history goes along with a run. Both pure: they know nothing of runs, clocks or processes.
 */
#ifndef AGENTD_RUN_SESSION_H
#define AGENTD_RUN_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "daemon/store/store.h"

struct sessions;
struct session_lane;

/* A place in a session's order. Lives in its owner, zero-initialised. */
struct session_turn {
	struct session_lane *lane; /* NULL: in no order */
	void *owner;
	TAILQ_ENTRY(session_turn) link;
};

struct sessions *sessions_new(void);
void sessions_free(struct sessions *sessions); /* every lane must be empty */

/* Whether it can name a session: up to 256 bytes that can be a part of the path of /sessions/{id}. */
bool session_id_is_good(const char *id);
#define SESSION_ID_RULE \
	"must have 1 to 256 bytes, no \"/\" and no control character, and not be \".\" or \"..\""

/* Who has the turn in a session; NULL: nobody. */
struct session_turn *session_holder(const struct sessions *sessions, const char *id);
/* Queues up. *ret_now says whether it has the turn at once. 0, or -ENOMEM. */
int session_enter(
    struct sessions *sessions, struct session_turn *turn, const char *id, bool *ret_now);
/* Leaves, waiting or not. Returns who has the turn because of it; NULL if nobody new has. */
struct session_turn *session_leave(struct sessions *sessions, struct session_turn *turn);

/*
 * How many of the first messages to leave out, so that at most `most` messages of at most `bytes`
 * bytes remain. A tool's answer never comes without the call before it: for the count the cut moves
 * earlier (a few messages more), for the bytes later.
 */
size_t session_cut(const struct store_message *messages, size_t count, size_t most, size_t bytes);

#endif
