/*
 * client: HTTP to one agentd, over its socket or the network. One exchange at a time, but for one
 * within on_interrupt of another.
 *
 * Functions return 0 or -1 without a word, and client_failure says why; those that say it themselves
 * return an exit code, and their comment says so.
 */
#ifndef AGENTCTL_CLIENT_H
#define AGENTCTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/base/buf.h"

struct client;

/* As the command line has it. NULL: as the environment has it, or as is usual. */
struct client_where {
	const char *socket, *url, *key_file;
};

/* Connects to nothing yet. Returns 0, or an exit code and has said why. */
int client_new(const struct client_where *where, struct client **ret_client);
void client_free(struct client *client);
/* The socket's path, or the URL. */
const char *client_address(const struct client *client);
/* Instead of a minute, for one whole exchange; streams have no limit. */
void client_set_timeout(struct client *client, long timeout_ms);

struct reply {
	long status;
	struct buf body;
	json_t *json; /* the body, if it is JSON */
};

void reply_done(struct reply *reply);

/* One exchange, whatever its status. `body` may be NULL. */
int client_exchange(struct client *client, const char *method, const char *path, const json_t *body,
    struct reply *ret_reply);
/* The same, for a reply that must be good. Returns 0, or an exit code and has said why. */
int client_call(struct client *client, const char *method, const char *path, const json_t *body,
    struct reply *ret_reply);

struct client_stream {
	const char *method, *path;
	const json_t *body; /* may be NULL */
	uint64_t after;     /* Last-Event-ID; 0: none */
	/* The bytes of an event stream; false ends the exchange, as a failure. */
	bool (*on_bytes)(void *arg, const char *bytes, size_t n);
	/* True: go on. */
	bool (*on_interrupt)(void *arg, int number);
	void *arg;
};

/* An exchange whose answer is a stream, which has ended when this returns 0; any other answer is in
 * the reply. */
int client_stream(
    struct client *client, const struct client_stream *stream, struct reply *ret_reply);

/* Why the last exchange failed, in one line. */
const char *client_failure(const struct client *client);
/* What the server says against it: "Not Found: there is no agent "x"". To be freed. */
char *client_problem(const struct reply *reply);
/* Whether it is a problem as agentd says it (RFC 9457). What else is refused is so by something else. */
bool client_is_problem(const struct reply *reply);
/* Says that what answers is no agentd, and returns the exit code of that. */
int client_say_stranger(const struct client *client, const struct reply *reply);

/* "/runs/" and an id, escaped, and "/cancel" or "". To be freed. */
char *client_path(const char *before, const char *id, const char *after);
/* ?name=value or &name=value; a value of NULL adds nothing. */
void client_add_query(struct buf *path, const char *name, const char *value);

#endif
