/* memory: a store that lasts as long as the process. */
#define HASH_NONFATAL_OOM 1
#include "daemon/store/store.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uthash.h>

#define SESSION_MESSAGES_MAX 2000        /* then the oldest turns go */
#define SESSION_BYTES_MAX    (16u << 20) /* the same */
#define STORE_BYTES_MAX      (64u << 20) /* then the sessions that were idle longest go */

/* The texts of the messages that came in one append, in one piece of memory. */
struct piece {
	struct piece *next;
	size_t count; /* messages whose texts are here */
};

#define FIRST_MESSAGES 2 /* most sessions have one turn: they take one piece of memory in all */

struct session {
	uint64_t created_wall_ms, updated_wall_ms;
	struct store_message *messages; /* `few`, or on the heap */
	size_t count, capacity, bytes;
	struct piece *first, **last;
	const char *id, *agent, *user; /* behind the struct */
	UT_hash_handle hh;
	TAILQ_ENTRY(session) by_use; /* longest idle first */
	struct store_message few[FIRST_MESSAGES];
	struct piece own; /* of the first append; its texts are behind the struct */
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

static void piece_free(struct session *session, struct piece *piece)
{
	if (piece != &session->own)
		free(piece);
}

static void session_free(struct session *session)
{
	struct piece *piece, *next;
	for (piece = session->first; piece; piece = next) {
		next = piece->next;
		piece_free(session, piece);
	}
	if (session->messages != session->few)
		free(session->messages);
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

static struct frame_text keep(char **room, struct frame_text text)
{
	if (!text.p)
		return text;
	struct frame_text kept = { *room, text.n };
	memcpy(*room, text.p, text.n);
	*room += text.n;
	return kept;
}

static const char *keep_str(char **room, const char *text)
{
	size_t n = strlen(text) + 1;
	char *kept = memcpy(*room, text, n);
	*room += n;
	return kept;
}

static size_t message_bytes(const struct store_message *message)
{
	return message->role.n + message->content.n + message->tool_calls.n +
	       message->tool_call_id.n + message->run_id.n;
}

static size_t append_bytes(const struct store_append *append)
{
	size_t bytes = 0;
	for (size_t i = 0; i < append->count; i++)
		bytes += message_bytes(&append->messages[i]);
	return bytes;
}

static int session_reserve(struct session *session, size_t more)
{
	size_t capacity = session->capacity;
	while (capacity < session->count + more)
		capacity *= 2;
	if (capacity == session->capacity)
		return 0;
	bool inside = session->messages == session->few;
	struct store_message *messages =
	    reallocarray(inside ? NULL : session->messages, capacity, sizeof(*messages));
	if (!messages)
		return -ENOMEM;
	if (inside)
		memcpy(messages, session->few, session->count * sizeof(*messages));
	session->messages = messages;
	session->capacity = capacity;
	return 0;
}

/* Takes the messages over, with their texts from `room` on. Room for the messages is reserved. */
static void session_take(
    struct session *session, struct piece *piece, char *room, const struct store_append *append)
{
	for (size_t i = 0; i < append->count; i++) {
		const struct store_message *message = &append->messages[i];
		session->messages[session->count++] = (struct store_message){
			.role = keep(&room, message->role),
			.content = keep(&room, message->content),
			.tool_calls = keep(&room, message->tool_calls),
			.tool_call_id = keep(&room, message->tool_call_id),
			.run_id = keep(&room, message->run_id),
			.at_wall_ms = message->at_wall_ms,
		};
		session->bytes += message_bytes(message);
	}
	piece->next = NULL;
	piece->count = append->count;
	*session->last = piece;
	session->last = &piece->next;
}

/* A session with its first messages. */
static struct session *session_new(struct store *store, const struct store_append *append)
{
	size_t names =
	    strlen(append->session_id) + strlen(append->agent) + strlen(append->user) + 3;
	struct session *session = malloc(sizeof(*session) + names + append_bytes(append));
	if (!session)
		return NULL;
	memset(session, 0, sizeof(*session));
	char *room = (char *)(session + 1);
	session->id = keep_str(&room, append->session_id);
	session->agent = keep_str(&room, append->agent);
	session->user = keep_str(&room, append->user);
	session->created_wall_ms = append->at_wall_ms;
	session->last = &session->first;
	session->messages = session->few;
	session->capacity = FIRST_MESSAGES;
	HASH_ADD_KEYPTR(hh, store->sessions, session->id, strlen(session->id), session);
	if (!session->hh.tbl) { /* uthash had no memory for it */
		session_free(session);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&store->by_use, session, by_use);
	if (session_reserve(session, append->count) < 0) {
		session_drop(store, session);
		return NULL;
	}
	session_take(session, &session->own, room, append);
	return session;
}

static int session_add(struct session *session, const struct store_append *append)
{
	struct piece *piece = malloc(sizeof(*piece) + append_bytes(append));
	if (!piece || session_reserve(session, append->count) < 0) {
		free(piece);
		return -ENOMEM;
	}
	session_take(session, piece, (char *)(piece + 1), append);
	return 0;
}

/* Drops the messages of the first append. */
static void session_drop_piece(struct session *session)
{
	struct piece *piece = session->first;
	for (size_t i = 0; i < piece->count; i++)
		session->bytes -= message_bytes(&session->messages[i]);
	session->count -= piece->count;
	memmove(session->messages, session->messages + piece->count,
	    session->count * sizeof(*session->messages));
	session->first = piece->next;
	if (!session->first)
		session->last = &session->first;
	piece_free(session, piece);
}

/* Keeps a session within its bounds. Whole turns go, so that no tool's answer is left without the
 * call before it; a good part of them, so that it is not done again at once. */
static void session_trim(struct session *session)
{
	if (session->count <= SESSION_MESSAGES_MAX && session->bytes <= SESSION_BYTES_MAX)
		return;
	while (session->first->next && (session->count > SESSION_MESSAGES_MAX * 3 / 4 ||
					   session->bytes > SESSION_BYTES_MAX * 3 / 4))
		session_drop_piece(session);
}

/* Lets go of the sessions that were idle longest; the newest stays, however large. */
static void store_trim(struct store *store)
{
	while (
	    HASH_COUNT(store->sessions) > 1 &&
	    (store->bytes > STORE_BYTES_MAX || HASH_COUNT(store->sessions) > store->max_sessions))
		session_drop(store, TAILQ_FIRST(&store->by_use));
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

void store_session_append(
    struct store *store, const struct store_append *append, store_done_fn done, void *arg)
{
	struct session *session = session_find(store, append->session_id);
	size_t before = session ? session->bytes : 0;
	int error = 0;
	if (session)
		error = session_add(session, append);
	else if (!(session = session_new(store, append)))
		error = -ENOMEM;
	if (error == 0) {
		session_trim(session);
		session->updated_wall_ms = append->at_wall_ms;
		store->bytes += session->bytes - before;
		TAILQ_REMOVE(&store->by_use, session, by_use);
		TAILQ_INSERT_TAIL(&store->by_use, session, by_use);
		store_trim(store);
	}
	done(arg, error);
}
