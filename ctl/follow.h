/*
 * follow: a run from its request to its end, as a stream. A connection that is cut is made again, and
 * goes on where it was (Last-Event-ID); Ctrl-C cancels the run.
 */
#ifndef AGENTCTL_FOLLOW_H
#define AGENTCTL_FOLLOW_H

#include <jansson.h>

#include "ctl/client.h"

struct follow_event {
	uint64_t id;
	const char *name, *text; /* borrowed; text is the JSON as it came */
	const json_t *data;      /* borrowed; the same, read */
};

/* Whoever looks on. NULL: nobody. */
struct follow_view {
	void (*on_event)(void *arg, const struct follow_event *event);
	void *arg;
	void (*on_note)(
	    void *arg); /* before follow says something itself; NULL: that disturbs nothing */
};

enum follow_end {
	FOLLOW_LOST,    /* nothing was heard of its end: client_failure says why */
	FOLLOW_REFUSED, /* there is no run */
	FOLLOW_SUCCEEDED,
	FOLLOW_FAILED,
	FOLLOW_CANCELLED,
};

struct follow {
	enum follow_end end;
	bool interrupted;          /* by Ctrl-C or a signal */
	char *run_id, *session_id; /* NULL until the run began */
	struct reply reply;        /* the answer, or what was said against it */
};

/* POST /run with this body, to which "stream" is added. */
void follow_run(
    struct client *client, json_t *body, const struct follow_view *view, struct follow *ret_follow);
/* A run that there is, from the event behind `after`. Ctrl-C leaves it alone. */
void follow_events(struct client *client, const char *run_id, uint64_t after,
    const struct follow_view *view, struct follow *ret_follow);
void follow_done(struct follow *follow);

/* Says why it did not succeed, if so, as JSON too. Returns the exit code. */
int follow_say(const struct follow *follow, const struct client *client);

#endif
