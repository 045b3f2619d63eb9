/* chat: a conversation in one session. */
#ifndef AGENTCTL_CHAT_H
#define AGENTCTL_CHAT_H

#include "ctl/client.h"

/* Until whoever talks leaves. `agent` NULL: the default one; `session` NULL: a new one. `returns`: the
 * session will still be there afterwards. Returns the exit code, and has said why. */
int chat_talk(struct client *client, const char *agent, const char *session, bool returns);

#endif
