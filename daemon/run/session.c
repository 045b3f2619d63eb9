/* session: lanes of turns, and the cut of a history. */
#define HASH_NONFATAL_OOM 1
#include "daemon/run/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "daemon/base/message.h"

struct session_lane {
	TAILQ_HEAD(, session_turn) turns; /* the first has the turn */
	UT_hash_handle hh;
	char id[];
};

struct sessions {
	struct session_lane *lanes; /* those with somebody in them */
};

bool session_id_is_good(const char *id)
{
	size_t n = 0;
	for (; id[n]; n++)
		if ((unsigned char)id[n] < ' ' || id[n] == 0x7f || id[n] == '/' ||
		    n == MESSAGE_ID_MAX)
			return false;
	return n > 0 && strcmp(id, ".") != 0 && strcmp(id, "..") != 0;
}

struct sessions *sessions_new(void)
{
	return calloc(1, sizeof(struct sessions));
}

void sessions_free(struct sessions *sessions)
{
	free(sessions);
}

static struct session_lane *lane_find(const struct sessions *sessions, const char *id)
{
	struct session_lane *lane;
	HASH_FIND_STR(sessions->lanes, id, lane);
	return lane;
}

static struct session_lane *lane_new(struct sessions *sessions, const char *id)
{
	size_t n = strlen(id);
	struct session_lane *lane = calloc(1, sizeof(*lane) + n + 1);
	if (!lane)
		return NULL;
	memcpy(lane->id, id, n);
	TAILQ_INIT(&lane->turns);
	HASH_ADD_KEYPTR(hh, sessions->lanes, lane->id, n, lane);
	if (!lane->hh.tbl) { /* uthash had no memory for it */
		free(lane);
		return NULL;
	}
	return lane;
}

struct session_turn *session_holder(const struct sessions *sessions, const char *id)
{
	struct session_lane *lane = lane_find(sessions, id);
	return lane ? TAILQ_FIRST(&lane->turns) : NULL;
}

int session_enter(
    struct sessions *sessions, struct session_turn *turn, const char *id, bool *ret_now)
{
	struct session_lane *lane = lane_find(sessions, id);
	bool now = !lane;
	if (!lane && !(lane = lane_new(sessions, id)))
		return -ENOMEM;
	turn->lane = lane;
	TAILQ_INSERT_TAIL(&lane->turns, turn, link);
	*ret_now = now;
	return 0;
}

struct session_turn *session_leave(struct sessions *sessions, struct session_turn *turn)
{
	struct session_lane *lane = turn->lane;
	if (!lane)
		return NULL;
	bool held = TAILQ_FIRST(&lane->turns) == turn;
	TAILQ_REMOVE(&lane->turns, turn, link);
	turn->lane = NULL;
	struct session_turn *next = TAILQ_FIRST(&lane->turns);
	if (!next) {
		HASH_DEL(sessions->lanes, lane);
		free(lane);
	}
	return held ? next : NULL;
}

static bool is_tool(const struct store_message *message)
{
	return message->role.n == 4 && memcmp(message->role.p, "tool", 4) == 0;
}

static size_t message_bytes(const struct store_message *message)
{
	return message->role.n + message->content.n + message->tool_calls.n +
	       message->tool_call_id.n;
}

size_t session_cut(const struct store_message *messages, size_t count, size_t most, size_t bytes)
{
	if (most == 0)
		return count;
	size_t cut = count > most ? count - most : 0;
	while (cut > 0 && cut < count && is_tool(&messages[cut]))
		cut--;
	size_t sum = 0;
	for (size_t i = count; i > cut; i--) {
		sum += message_bytes(&messages[i - 1]);
		if (sum <= bytes)
			continue;
		cut = i;
		while (cut < count && is_tool(&messages[cut]))
			cut++;
		break;
	}
	return cut;
}
