/* hook: a plugin that looks at messages and replies: its calls, and what it decides. */
#ifndef AGENTD_HOST_HOOK_H
#define AGENTD_HOST_HOOK_H

#include "agentd/plugin.h"
#include "daemon/base/frame.h"

/* A CALL. 0, -EPROTO, -ENOMEM. */
int hook_on_frame(const struct frame *frame);
/* The function for a stage; NULL: it has none. */
int (*hook_function(const struct agentd_hook_ops *ops, uint32_t stage))(
    void *self, struct agentd_call *call, const struct agentd_exchange *exchange);

/* Of the host table; any thread. */
int hook_edit(struct agentd_call *call, uint32_t what, struct agentd_text text);
void hook_decide(struct agentd_call *call, int verdict);

#endif
