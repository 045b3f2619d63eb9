/*
 * typing: that an answer is being worked on. It is taken back when the answer has gone out, since a request
 * that was still under way would show it after the answer.
 */
#ifndef SIGNAL_TYPING_H
#define SIGNAL_TYPING_H

#include "api.h"

struct signal_typing;

/* Both borrowed. NULL: memory is out. */
struct signal_typing *signal_typing_new(const struct agentd_host *host, struct signal_api *api);
void signal_typing_free(struct signal_typing *typing);

void signal_typing_show(struct signal_typing *typing, struct agentd_text chat_id);
void signal_typing_hide(struct signal_typing *typing, struct agentd_text chat_id);

#endif
