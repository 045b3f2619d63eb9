/*
 * inbox: a list in the order in which they came; each is in one of three states. Of a channel one is on its way at a
 * time: the next would overtake it if the store refused the first, and took that.
 */
#include "inbox.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#include "plugins/common/backoff.h"

#define WAIT_MIN_MS 500
#define WAIT_MAX_MS 30000

enum state {
	WAITING,
	SUBMITTED, /* and not answered */
	REFUSED,   /* by the store, for now */
};

struct entry {
	TAILQ_ENTRY(entry) link;
	struct discord_inbox *inbox; /* borrowed */
	enum state state;
	unsigned session;
	int64_t sequence;
	json_t *data;
	const char *channel; /* borrowed from that */
};

struct discord_inbox {
	const struct agentd_host *host;    /* borrowed */
	const struct discord_rules *rules; /* borrowed */
	TAILQ_HEAD(, entry) entries;
	size_t count;
	unsigned session;
	int64_t received; /* of this session */
	struct agentd_timer *timer;
	struct backoff backoff;
	bool is_waiting; /* for the timer */
	bool troubled;   /* and that has been said */
	void (*confirmed)(void *arg, int64_t sequence);
	void *arg; /* borrowed */
};

static void inbox_submit(struct discord_inbox *inbox);

static void entry_free(struct entry *entry)
{
	TAILQ_REMOVE(&entry->inbox->entries, entry, link);
	entry->inbox->count--;
	json_decref(entry->data);
	free(entry);
}

static void inbox_wait(struct discord_inbox *inbox)
{
	uint32_t chance = 0;
	if (inbox->is_waiting)
		return;
	inbox->is_waiting = true;
	if (getrandom(&chance, sizeof(chance), 0) < 0)
		chance = 0;
	inbox->host->timer_set(inbox->timer, backoff_next_ms(&inbox->backoff, 0, chance));
}

static void on_timer(void *arg)
{
	struct discord_inbox *inbox = arg;
	struct entry *entry;
	inbox->is_waiting = false;
	TAILQ_FOREACH (entry, &inbox->entries, link)
		if (entry->state == REFUSED)
			entry->state = WAITING;
	inbox_submit(inbox);
}

static void on_stored(void *arg, int error)
{
	struct entry *entry = arg;
	struct discord_inbox *inbox = entry->inbox;
	const struct agentd_host *host = inbox->host;
	if (error < 0) {
		entry->state = REFUSED;
		if (!inbox->troubled)
			host->log(host, AGENTD_LOG_WARN,
			    "messages of Discord cannot be stored: %s; they are kept and tried again",
			    strerror(-error));
		inbox->troubled = true;
		inbox_wait(inbox);
		return;
	}
	if (inbox->troubled)
		host->log(host, AGENTD_LOG_INFO, "messages of Discord are stored again");
	inbox->troubled = false;
	backoff_reset(&inbox->backoff);
	bool was_first = discord_inbox_confirmed(inbox) < entry->sequence;
	entry_free(entry);
	if (was_first && inbox->confirmed)
		inbox->confirmed(inbox->arg, discord_inbox_confirmed(inbox));
	inbox_submit(inbox);
}

/* One entry. 0: it is on its way, or can never be; -EAGAIN: not now. */
static int entry_submit(struct entry *entry)
{
	struct discord_inbox *inbox = entry->inbox;
	const struct agentd_host *host = inbox->host;
	struct discord_message message;
	int error = -EINVAL;
	if (discord_message_read(entry->data, inbox->rules, &message)) {
		char *raw = json_dumps(entry->data, JSON_COMPACT);
		message.incoming.raw = agentd_text(raw, raw ? strlen(raw) : 0);
		entry->state = SUBMITTED; /* before: it may be answered at once */
		error = host->submit(host, &message.incoming, on_stored, entry);
		if (error == -EMSGSIZE && raw) { /* then without what nobody may need */
			message.incoming.raw = agentd_text(NULL, 0);
			error = host->submit(host, &message.incoming, on_stored, entry);
		}
		free(raw);
	}
	if (error == 0)
		return 0;
	entry->state = WAITING;
	if (error != -EINVAL && error != -EMSGSIZE)
		return -EAGAIN;
	host->log(host, AGENTD_LOG_WARN, "message %s of Discord cannot be taken: %s",
	    json_string_value(json_object_get(entry->data, "id")), strerror(-error));
	entry_free(entry);
	return 0;
}

/* Whether one of its channel is before it. */
static bool entry_is_behind(const struct entry *entry)
{
	const struct entry *before = TAILQ_FIRST(&entry->inbox->entries);
	while (before != entry && strcmp(before->channel, entry->channel) != 0)
		before = TAILQ_NEXT(before, link);
	return before != entry;
}

static struct entry *inbox_next(const struct discord_inbox *inbox)
{
	struct entry *entry;
	TAILQ_FOREACH (entry, &inbox->entries, link)
		if (entry->state == WAITING && !entry_is_behind(entry))
			break;
	return entry;
}

/* All that may go, as far as agentd takes them now. From the front each time: an answer may come at once,
 * and change the list. */
static void inbox_submit(struct discord_inbox *inbox)
{
	struct entry *entry;
	while ((entry = inbox_next(inbox)))
		if (entry_submit(entry) < 0) {
			inbox_wait(inbox);
			return;
		}
}

struct discord_inbox *discord_inbox_new(
    const struct agentd_host *host, const struct discord_rules *rules)
{
	struct discord_inbox *inbox = calloc(1, sizeof(*inbox));
	if (!inbox)
		return NULL;
	inbox->host = host;
	inbox->rules = rules;
	inbox->backoff = (struct backoff){ .min_ms = WAIT_MIN_MS, .max_ms = WAIT_MAX_MS };
	TAILQ_INIT(&inbox->entries);
	inbox->timer = host->timer_new(host, on_timer, inbox);
	if (!inbox->timer) {
		free(inbox);
		return NULL;
	}
	return inbox;
}

void discord_inbox_free(struct discord_inbox *inbox)
{
	if (!inbox)
		return;
	while (!TAILQ_EMPTY(&inbox->entries))
		entry_free(TAILQ_FIRST(&inbox->entries));
	inbox->host->timer_free(inbox->timer);
	free(inbox);
}

void discord_inbox_begin(struct discord_inbox *inbox)
{
	inbox->session++;
	inbox->received = 0;
}

void discord_inbox_resume(struct discord_inbox *inbox, int64_t sequence)
{
	discord_inbox_begin(inbox);
	inbox->received = sequence;
}

void discord_inbox_watch(
    struct discord_inbox *inbox, void (*confirmed)(void *arg, int64_t sequence), void *arg)
{
	inbox->confirmed = confirmed;
	inbox->arg = arg;
}

int discord_inbox_take(struct discord_inbox *inbox, int64_t sequence, json_t *data)
{
	struct discord_message message;
	if (sequence <= inbox->received)
		return 0; /* sent again, and known */
	if (data && discord_message_read(data, inbox->rules, &message)) {
		if (inbox->count >= DISCORD_INBOX_MAX)
			return -ENOSPC;
		struct entry *entry = calloc(1, sizeof(*entry));
		if (!entry)
			return -ENOMEM;
		*entry = (struct entry){
			.inbox = inbox,
			.session = inbox->session,
			.sequence = sequence,
			.data = json_incref(data),
			.channel = json_string_value(json_object_get(data, "channel_id")),
		};
		TAILQ_INSERT_TAIL(&inbox->entries, entry, link);
		inbox->count++;
	}
	inbox->received = sequence;
	if (!inbox->troubled)
		inbox_submit(inbox);
	return 0;
}

bool discord_inbox_is_empty(const struct discord_inbox *inbox)
{
	return inbox->count == 0;
}

int64_t discord_inbox_confirmed(const struct discord_inbox *inbox)
{
	const struct entry *entry;
	TAILQ_FOREACH (entry, &inbox->entries, link)
		if (entry->session == inbox->session)
			return entry->sequence - 1;
	return inbox->received;
}
