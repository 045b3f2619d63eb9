/* chat: a conversation in one session. */
#ifndef AGENTCTL_CHAT_H
#define AGENTCTL_CHAT_H

#include "ctl/arguments.h"
#include "ctl/client.h"

/* Until whoever talks leaves. `agent` NULL: the default one; `session` NULL: a new one. `again`: the options by
 * which the session can be gone on with afterwards; NULL: it will not be there. Returns the exit code, and has
 * said why. */
int chat_talk(
    struct client *client, const char *agent, const char *session, const struct arguments *again);

#endif
