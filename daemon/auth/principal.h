/*
 * principal: who is asking, as auth found it. It is the user of the runs that it makes, and sees its own
 * runs and sessions only, unless it is an admin; or, where there is no auth, what came by HTTP.
 *
 * Reference counted, immutable once made, one thread.
 */
#ifndef AGENTD_AUTH_PRINCIPAL_H
#define AGENTD_AUTH_PRINCIPAL_H

#include <stdbool.h>

#include "daemon/conf/settings.h"

/* The source of the runs that POST /run makes. Those of chats and triggers are called otherwise. */
#define SOURCE_HTTP "http"

/* Whose runs and sessions it sees, goes on with, and ends. */
enum principal_sight {
	SEES_OWN,
	SEES_HTTP, /* everybody's that came by HTTP; none of chats and triggers */
	SEES_ALL,
};

struct principal {
	const char *provider; /* borrowed from the settings; "" for who came without one */
	const char *label;    /* borrowed: the name of its key, for the log; NULL: it has none */
	const char *user_id;  /* NULL: nobody in particular, since there is no auth */
	const char *claims;   /* what else its token says, a JSON object; NULL: it has none */
	bool admin;           /* may use the operator's routes, and sees everything */
	enum principal_sight sight;
	const struct schema_list *agents; /* borrowed: those that it may use; NULL or empty: all */
	struct rate rate;
	unsigned refs; /* private */
};

/* A copy of `from`, with texts of its own where they are not borrowed. NULL: memory is out. */
struct principal *principal_new(const struct principal *from);
struct principal *principal_ref(struct principal *principal);
void principal_unref(struct principal *principal);

bool principal_may_use(const struct principal *principal, const char *agent);
/* Whether what belongs to a user ("" or NULL: to nobody in particular) is its to see. `source`: of the run, or
 * of all turns of the session; NULL: they have several. */
bool principal_may_see(const struct principal *principal, const char *user_id, const char *source);

#endif
