/*
 * inbox: the messages that have come and are not in agentd's store yet, and how far the session has thereby
 * been confirmed.
 *
 * A session is resumed from the last event before the first message that is not stored: what is sent again
 * and still waits here is known by its sequence. What the store will not take now is submitted again.
 * There is room for so many; when it is full the gateway has to go, and come back.
 *
 * The loop thread only.
 */
#ifndef DISCORD_INBOX_H
#define DISCORD_INBOX_H

#include "event.h"

#define DISCORD_INBOX_MAX 1000

struct discord_inbox;

/* NULL: memory is out. `rules` is borrowed. */
struct discord_inbox *discord_inbox_new(
    const struct agentd_host *host, const struct discord_rules *rules);
void discord_inbox_free(struct discord_inbox *inbox);

/* A new session: sequences begin anew. What waits goes on waiting. */
void discord_inbox_begin(struct discord_inbox *inbox);
/* The session of an earlier process, of which all up to that event is dealt with. */
void discord_inbox_resume(struct discord_inbox *inbox, int64_t sequence);
/* `confirmed` is called each time that discord_inbox_confirmed has grown by a message that is stored now. */
void discord_inbox_watch(
    struct discord_inbox *inbox, void (*confirmed)(void *arg, int64_t sequence), void *arg);
/* An event of the session; `data` of a MESSAGE_CREATE, else NULL. 0; -ENOSPC: it is full; -ENOMEM: then it
 * has not been taken, and is to be sent again. */
int discord_inbox_take(struct discord_inbox *inbox, int64_t sequence, json_t *data);
/* The sequence from which to resume; 0: nothing has come. */
bool discord_inbox_is_empty(const struct discord_inbox *inbox);
int64_t discord_inbox_confirmed(const struct discord_inbox *inbox);

#endif
