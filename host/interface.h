/* interface: a plugin that speaks a platform: what agentd says to it, and what it asks for. */
#ifndef AGENTD_HOST_INTERFACE_H
#define AGENTD_HOST_INTERFACE_H

#include "agentd/plugin.h"
#include "daemon/base/frame.h"

/* Begins to receive. What its start returns. */
int interface_start(void);
/* Receives no more, if it still does. */
void interface_stop(void);
/* One of SUBMITTED, SEND, TYPING, STOP, HTTP. 0, -EPROTO, -ENOMEM. */
int interface_on_frame(const struct frame *frame);

/* Of the host table; any thread. */
int interface_submit(const struct agentd_host *host, const struct agentd_incoming *message,
    void (*done)(void *arg, int error), void *arg);
int interface_sent(const struct agentd_host *host, uint64_t reply, const struct agentd_sent *sent);
int interface_respond(const struct agentd_host *host, uint64_t request, uint32_t status,
    const char *content_type, struct agentd_text body);
int interface_spool(const struct agentd_host *host, char *path, size_t size);
void interface_stopped(const struct agentd_host *host);

#endif
