/* memory: a store that lasts as long as the process. */
#define HASH_NONFATAL_OOM 1
#include "daemon/store/store.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uthash.h>

#include "daemon/store/backend.h"
#include "daemon/store/cursor.h"

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
	const char *source;            /* of all its turns; NULL: they have several. Likewise */
	UT_hash_handle hh;
	TAILQ_ENTRY(session) by_use; /* longest idle first */
	struct store_message few[FIRST_MESSAGES];
	struct piece own; /* of the first append; its texts are behind the struct */
};

struct memory_store {
	struct store store;
	size_t max_sessions, bytes;
	struct session *sessions;
	TAILQ_HEAD(by_use_list, session) by_use;
};

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

static void session_drop(struct memory_store *store, struct session *session)
{
	HASH_DEL(store->sessions, session);
	TAILQ_REMOVE(&store->by_use, session, by_use);
	store->bytes -= session->bytes;
	session_free(session);
}

static void memory_free(struct store *base)
{
	struct memory_store *store = (struct memory_store *)base;
	struct session *session;
	while ((session = TAILQ_FIRST(&store->by_use)))
		session_drop(store, session);
	free(store);
}

static struct store_session session_view(const struct session *session)
{
	return (struct store_session){
		.id = session->id,
		.agent = session->agent,
		.user = session->user,
		.created_wall_ms = session->created_wall_ms,
		.updated_wall_ms = session->updated_wall_ms,
	};
}

static struct session *session_find(struct memory_store *store, const char *id)
{
	struct session *session;
	HASH_FIND_STR(store->sessions, id, session);
	return session;
}

/* Whether all its turns have that source. */
static bool is_of(const struct session *session, const char *source)
{
	return session->source && strcmp(session->source, source) == 0;
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

static size_t run_bytes(const struct store_run *run)
{
	size_t bytes = 0;
	for (size_t i = 0; i < run->message_count; i++)
		bytes += message_bytes(&run->messages[i]);
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
    struct session *session, struct piece *piece, char *room, const struct store_run *run)
{
	for (size_t i = 0; i < run->message_count; i++) {
		const struct store_message *message = &run->messages[i];
		session->messages[session->count++] = (struct store_message){
			.role = keep(&room, message->role),
			.content = keep(&room, message->content),
			.tool_calls = keep(&room, message->tool_calls),
			.tool_call_id = keep(&room, message->tool_call_id),
			.run_id = keep(&room, message->run_id),
			.at_wall_ms = run->finished_wall_ms,
		};
		session->bytes += message_bytes(message);
	}
	piece->next = NULL;
	piece->count = run->message_count;
	*session->last = piece;
	session->last = &piece->next;
}

/* A session with its first messages. */
static struct session *session_new(struct memory_store *store, const struct store_run *run)
{
	size_t names = strlen(run->session_id) + strlen(run->agent) + strlen(run->user) +
		       strlen(run->source) + 4;
	struct session *session = malloc(sizeof(*session) + names + run_bytes(run));
	if (!session)
		return NULL;
	memset(session, 0, sizeof(*session));
	char *room = (char *)(session + 1);
	session->id = keep_str(&room, run->session_id);
	session->agent = keep_str(&room, run->agent);
	session->user = keep_str(&room, run->user);
	session->source = keep_str(&room, run->source);
	session->created_wall_ms = run->finished_wall_ms;
	session->last = &session->first;
	session->messages = session->few;
	session->capacity = FIRST_MESSAGES;
	HASH_ADD_KEYPTR(hh, store->sessions, session->id, strlen(session->id), session);
	if (!session->hh.tbl) { /* uthash had no memory for it */
		session_free(session);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&store->by_use, session, by_use);
	if (session_reserve(session, run->message_count) < 0) {
		session_drop(store, session);
		return NULL;
	}
	session_take(session, &session->own, room, run);
	return session;
}

static int session_add(struct session *session, const struct store_run *run)
{
	struct piece *piece = malloc(sizeof(*piece) + run_bytes(run));
	if (!piece || session_reserve(session, run->message_count) < 0) {
		free(piece);
		return -ENOMEM;
	}
	session_take(session, piece, (char *)(piece + 1), run);
	if (!is_of(session, run->source))
		session->source = NULL;
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
static void store_trim(struct memory_store *store)
{
	while (
	    HASH_COUNT(store->sessions) > 1 &&
	    (store->bytes > STORE_BYTES_MAX || HASH_COUNT(store->sessions) > store->max_sessions))
		session_drop(store, TAILQ_FIRST(&store->by_use));
}

static void memory_session_get(struct store *base, const char *id, const char *source, size_t most,
    size_t bytes, store_session_fn done, void *arg)
{
	(void)most; /* it is bounded as it is */
	(void)bytes;
	const struct session *session = session_find((struct memory_store *)base, id);
	if (!session) {
		done(arg, 0, NULL);
		return;
	}
	struct store_session found = session_view(session);
	found.is_of_source = source && is_of(session, source);
	found.messages = session->messages;
	found.count = session->count;
	done(arg, 0, &found);
}

static bool is_wanted(const struct session *session, const char *user, const char *source)
{
	return (!user || strcmp(session->user, user) == 0) && (!source || is_of(session, source));
}

/* Whole sessions, by number of those that are newer. */
static void memory_sessions_list(
    struct store *base, const struct store_page *page, store_sessions_fn done, void *arg)
{
	const struct memory_store *store = (const struct memory_store *)base;
	struct store_session *found = calloc(page->limit + 1, sizeof(*found));
	int64_t after = page->after ? cursor_read(page->after) : 0;
	size_t skip = after > 0 ? (size_t)after : 0, count = 0, nth = 0;
	char next[CURSOR_SIZE] = "";
	const struct session *session;
	if (!found || after < 0) {
		free(found);
		done(arg, found ? -EINVAL : -ENOMEM, NULL, 0, NULL);
		return;
	}
	TAILQ_FOREACH_REVERSE(session, &store->by_use, by_use_list, by_use)
	{
		if (!is_wanted(session, page->user, page->source) || nth++ < skip)
			continue;
		if (count == page->limit) {
			snprintf(next, sizeof(next), "%zu", skip + count);
			break;
		}
		found[count++] = session_view(session);
	}
	done(arg, 0, found, count, next[0] ? next : NULL);
	free(found);
}

static void memory_session_delete(struct store *base, const char *id, const char *user,
    const char *source, store_done_fn done, void *arg)
{
	struct memory_store *store = (struct memory_store *)base;
	struct session *session = session_find(store, id);
	bool may = session && is_wanted(session, user, source);
	if (may)
		session_drop(store, session);
	done(arg, may ? 0 : session ? -EPERM : -ENOENT);
}

static void memory_run_finish(
    struct store *base, const struct store_run *run, store_done_fn done, void *arg)
{
	struct memory_store *store = (struct memory_store *)base;
	if (run->message_count == 0) {
		done(arg, 0);
		return;
	}
	struct session *session = session_find(store, run->session_id);
	size_t before = session ? session->bytes : 0;
	int error = 0;
	if (session)
		error = session_add(session, run);
	else if (!(session = session_new(store, run)))
		error = -ENOMEM;
	if (error == 0) {
		session_trim(session);
		session->updated_wall_ms = run->finished_wall_ms;
		store->bytes += session->bytes - before;
		TAILQ_REMOVE(&store->by_use, session, by_use);
		TAILQ_INSERT_TAIL(&store->by_use, session, by_use);
		store_trim(store);
	}
	done(arg, error);
}

/* Runs are not kept. */

static void memory_run_add(
    struct store *store, const struct store_add *add, store_add_fn done, void *arg)
{
	(void)store;
	(void)add;
	done(arg, 0, NULL);
}

static void memory_key_find(
    struct store *store, struct frame_text key, store_add_fn done, void *arg)
{
	(void)store;
	(void)key;
	done(arg, 0, NULL);
}

static void memory_run_attempt(
    struct store *store, const char *id, unsigned attempts, store_done_fn done, void *arg)
{
	(void)store;
	(void)id;
	(void)attempts;
	done(arg, 0);
}

static void memory_run_get(struct store *store, const char *id, store_run_fn done, void *arg)
{
	(void)store;
	(void)id;
	done(arg, 0, NULL);
}

static void memory_runs_list(
    struct store *store, const struct store_page *page, store_runs_fn done, void *arg)
{
	(void)store;
	(void)page;
	done(arg, 0, NULL, 0, NULL);
}

static void memory_runs_unfinished(struct store *store, store_runs_fn done, void *arg)
{
	(void)store;
	done(arg, 0, NULL, 0, NULL);
}

struct store *store_new_memory(size_t max_sessions)
{
	static const struct store_ops ops = {
		.keeps_runs = false,
		.free = memory_free,
		.run_add = memory_run_add,
		.key_find = memory_key_find,
		.run_finish = memory_run_finish,
		.run_attempt = memory_run_attempt,
		.run_get = memory_run_get,
		.runs_list = memory_runs_list,
		.runs_unfinished = memory_runs_unfinished,
		.session_get = memory_session_get,
		.sessions_list = memory_sessions_list,
		.session_delete = memory_session_delete,
	};
	struct memory_store *store = calloc(1, sizeof(*store));
	if (!store)
		return NULL;
	store->store.ops = &ops;
	store->max_sessions = max_sessions;
	TAILQ_INIT(&store->by_use);
	return &store->store;
}
