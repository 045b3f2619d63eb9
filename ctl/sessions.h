/* sessions: conversations, as people read them. */
#ifndef AGENTCTL_SESSIONS_H
#define AGENTCTL_SESSIONS_H

#include <jansson.h>

/* The last messages, at most so many; 0: all. */
void sessions_print_messages(const json_t *messages, size_t most);

#endif
