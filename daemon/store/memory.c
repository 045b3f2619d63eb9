/* memory: a store that lasts as long as the process. */
#define HASH_NONFATAL_OOM 1
#include "daemon/store/store.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uthash.h>

#define SESSION_MESSAGES_MAX 2000        /* then the older half goes */
#define SESSION_BYTES_MAX    (16u << 20) /* the same */
#define STORE_BYTES_MAX      (64u << 20) /* then the sessions that were idle longest go */

struct session {
	char *id, *agent, *user;
	uint64_t created_wall_ms, updated_wall_ms;
	struct store_message *messages; /* each in one piece of memory with its texts */
	char **texts;                   /* that piece, for each message */
	size_t count, capacity, bytes;
	UT_hash_handle hh;
	TAILQ_ENTRY(session) by_use; /* longest idle first */
};

struct store {
	size_t max_sessions, bytes;
	struct session *sessions;
	TAILQ_HEAD(, session) by_use;
};

struct store *store_new_memory(size_t max_sessions)
{
	struct store *store = calloc(1, sizeof(*store));
	if (!store)
		return NULL;
	store->max_sessions = max_sessions;
	TAILQ_INIT(&store->by_use);
	return store;
}

static void session_free(struct session *session)
{
	for (size_t i = 0; i < session->count; i++)
		free(session->texts[i]);
	free(session->texts);
	free(session->messages);
	free(session->id);
	free(session->agent);
	free(session->user);
	free(session);
}

static void session_drop(struct store *store, struct session *session)
{
	HASH_DEL(store->sessions, session);
	TAILQ_REMOVE(&store->by_use, session, by_use);
	store->bytes -= session->bytes;
	session_free(session);
}

void store_free(struct store *store)
{
	if (!store)
		return;
	struct session *session;
	while ((session = TAILQ_FIRST(&store->by_use)))
		session_drop(store, session);
	free(store);
}

static struct session *session_find(struct store *store, const char *id)
{
	struct session *session;
	HASH_FIND_STR(store->sessions, id, session);
	return session;
}

static struct session *session_new(struct store *store, const struct store_append *append)
{
	struct session *session = calloc(1, sizeof(*session));
	if (!session)
		return NULL;
	session->id = strdup(append->session_id);
	session->agent = strdup(append->agent);
	session->user = strdup(append->user);
	session->created_wall_ms = append->at_wall_ms;
	if (!session->id || !session->agent || !session->user) {
		session_free(session);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, store->sessions, session->id, strlen(session->id), session);
	if (!session->hh.tbl) { /* uthash had no memory for it */
		session_free(session);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&store->by_use, session, by_use);
	if (HASH_COUNT(store->sessions) > store->max_sessions)
		session_drop(store, TAILQ_FIRST(&store->by_use));
	return session;
}

static struct frame_text keep(char **room, struct frame_text text)
{
	if (!text.p)
		return text;
	struct frame_text kept = { *room, text.n };
	memcpy(*room, text.p, text.n);
	*room += text.n;
	return kept;
}

static size_t message_bytes(const struct store_message *message)
{
	return message->role.n + message->content.n + message->tool_calls.n +
	       message->tool_call_id.n + message->run_id.n;
}

static int session_add(struct session *session, const struct store_message *message)
{
	size_t i = session->count;
	char *texts = malloc(message_bytes(message) + 1);
	if (!texts)
		return -ENOMEM;
	char *room = texts;
	session->texts[i] = texts;
	session->messages[i] = (struct store_message){
		.role = keep(&room, message->role),
		.content = keep(&room, message->content),
		.tool_calls = keep(&room, message->tool_calls),
		.tool_call_id = keep(&room, message->tool_call_id),
		.run_id = keep(&room, message->run_id),
		.at_wall_ms = message->at_wall_ms,
	};
	session->count++;
	session->bytes += message_bytes(message);
	return 0;
}

static int session_reserve(struct session *session, size_t more)
{
	size_t capacity = session->capacity ? session->capacity : 4;
	while (capacity < session->count + more)
		capacity *= 2;
	if (capacity == session->capacity)
		return 0;
	void *messages = reallocarray(session->messages, capacity, sizeof(*session->messages));
	if (!messages)
		return -ENOMEM;
	session->messages = messages;
	void *texts = reallocarray(session->texts, capacity, sizeof(*session->texts));
	if (!texts)
		return -ENOMEM;
	session->texts = texts;
	session->capacity = capacity;
	return 0;
}

void store_session_get(struct store *store, const char *id, store_session_fn done, void *arg)
{
	const struct session *session = session_find(store, id);
	if (!session) {
		done(arg, 0, NULL);
		return;
	}
	struct store_session found = {
		.id = session->id,
		.agent = session->agent,
		.user = session->user,
		.created_wall_ms = session->created_wall_ms,
		.updated_wall_ms = session->updated_wall_ms,
		.messages = session->messages,
		.count = session->count,
	};
	done(arg, 0, &found);
}

static bool is_tool(const struct store_message *message)
{
	return message->role.n == 4 && memcmp(message->role.p, "tool", 4) == 0;
}

static void session_drop_first(struct session *session, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		session->bytes -= message_bytes(&session->messages[i]);
		free(session->texts[i]);
	}
	session->count -= n;
	memmove(session->texts, session->texts + n, session->count * sizeof(*session->texts));
	memmove(
	    session->messages, session->messages + n, session->count * sizeof(*session->messages));
}

/* Keeps a session within its bounds. A tool's answer goes with the call before it. */
static void session_trim(struct session *session)
{
	while (session->count > SESSION_MESSAGES_MAX ||
	       (session->bytes > SESSION_BYTES_MAX && session->count > 1)) {
		size_t old = session->count / 2;
		while (old < session->count && is_tool(&session->messages[old]))
			old++;
		session_drop_first(session, old);
	}
}

static int append_all(struct session *session, const struct store_append *append)
{
	size_t before = session->count;
	int error = session_reserve(session, append->count);
	for (size_t i = 0; error == 0 && i < append->count; i++)
		error = session_add(session, &append->messages[i]);
	while (error < 0 && session->count > before) {
		session->count--;
		session->bytes -= message_bytes(&session->messages[session->count]);
		free(session->texts[session->count]);
	}
	return error;
}

void store_session_append(
    struct store *store, const struct store_append *append, store_done_fn done, void *arg)
{
	struct session *session = session_find(store, append->session_id);
	bool is_new = !session;
	if (is_new)
		session = session_new(store, append);
	size_t before = session ? session->bytes : 0;
	int error = session ? append_all(session, append) : -ENOMEM;
	if (error < 0 && session && is_new) {
		session_drop(store, session);
	} else if (error == 0) {
		session_trim(session);
		session->updated_wall_ms = append->at_wall_ms;
		store->bytes += session->bytes - before;
		TAILQ_REMOVE(&store->by_use, session, by_use);
		TAILQ_INSERT_TAIL(&store->by_use, session, by_use);
		while (store->bytes > STORE_BYTES_MAX && TAILQ_FIRST(&store->by_use) != session)
			session_drop(store, TAILQ_FIRST(&store->by_use));
	}
	done(arg, error);
}
