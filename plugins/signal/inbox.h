/*
 * inbox: what was received and is not in agentd's store yet. Signal does not have it any more, so it is kept
 * here and submitted, in order and as often as it takes.
 *
 * A message's attachments are fetched first. What cannot be fetched is left out, with a line in the log.
 */
#ifndef SIGNAL_INBOX_H
#define SIGNAL_INBOX_H

#include "api.h"
#include "envelope.h"

struct signal_inbox;

/* `less` is called each time that one more is dealt with. The host and the API are borrowed. NULL: memory is out. */
struct signal_inbox *signal_inbox_new(
    const struct agentd_host *host, struct signal_api *api, void (*less)(void *arg), void *arg);
void signal_inbox_free(struct signal_inbox *inbox);

/* Takes the message over. */
void signal_inbox_add(struct signal_inbox *inbox, struct signal_message *message);
bool signal_inbox_is_empty(const struct signal_inbox *inbox);
/* It takes more all the same: who can leave it where it is does so. */
bool signal_inbox_is_full(const struct signal_inbox *inbox);

#endif
