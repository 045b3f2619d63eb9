/*
 * send: a reply as parts, one after the other: its text, then its files. What Telegram has taken is counted,
 * so that another try begins behind it.
 */
#ifndef TELEGRAM_SEND_H
#define TELEGRAM_SEND_H

#include "plugins/telegram/api.h"
#include "plugins/telegram/config.h"

struct telegram_sender;

/* NULL: memory is out. What is given is borrowed. */
struct telegram_sender *telegram_sender_new(
    const struct agentd_host *host, const struct telegram_config *config, struct telegram_api *api);
/* What is still to be sent is given up; nobody is told. NULL is fine. */
void telegram_sender_free(struct telegram_sender *sender);

/* As those of agentd_interface_ops. */
int telegram_send(struct telegram_sender *sender, const struct agentd_reply *reply);
void telegram_send_typing(struct telegram_sender *sender, struct agentd_text chat_id);

#endif
