/*
 * store: sessions and their messages, behind calls that answer by callback.
 *
 * The callbacks are called once, on the loop's thread: later, or before the call returns, so the
 * caller must have nothing left to do after it. What a callback is given is borrowed for the call.
 *
 * memory.c keeps everything in this process and loses it with the process. It is bounded: the
 * sessions that were idle longest make room for new ones.
 */
#ifndef AGENTD_STORE_STORE_H
#define AGENTD_STORE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/base/frame.h" /* struct frame_text: borrowed bytes */

struct store;

/* A message of a session. Absent texts have p == NULL. */
struct store_message {
	struct frame_text role, content;
	struct frame_text tool_calls; /* JSON array */
	struct frame_text tool_call_id;
	struct frame_text run_id;
	uint64_t at_wall_ms;
};

struct store_session {
	const char *id, *agent, *user; /* user: "" for nobody in particular */
	uint64_t created_wall_ms, updated_wall_ms;
	const struct store_message *messages; /* oldest first */
	size_t count;
};

/* `session` is NULL if there is none of that id. error: 0 or -errno. */
typedef void (*store_session_fn)(void *arg, int error, const struct store_session *session);
typedef void (*store_done_fn)(void *arg, int error);

struct store *store_new_memory(size_t max_sessions);
/* Nothing may be under way. */
void store_free(struct store *store);

void store_session_get(struct store *store, const char *id, store_session_fn done, void *arg);

/* Adds messages to a session, all or none, and makes the session if it is new. */
struct store_append {
	const char *session_id, *agent, *user;
	const struct store_message *messages;
	size_t count;
	uint64_t at_wall_ms;
};
void store_session_append(
    struct store *store, const struct store_append *append, store_done_fn done, void *arg);

#endif
