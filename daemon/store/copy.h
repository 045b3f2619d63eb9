/* copy: records that outlive the call they came with. */
#ifndef AGENTD_STORE_COPY_H
#define AGENTD_STORE_COPY_H

#include "daemon/store/store.h"

/* Bytes that the texts of a run take; its messages are not counted, nor copied. */
size_t copy_run_size(const struct store_run *run);
/* A copy whose texts lie in `*room`, which moves on behind them. */
void copy_run_into(char **room, struct store_run *into, const struct store_run *run);
/* A copy in one piece, to be freed. NULL: memory is out. */
struct store_run *copy_run(const struct store_run *run);
/* The same for how far a schedule has come. */
size_t copy_cron_size(const struct store_cron *cron);
void copy_cron_into(char **room, struct store_cron *into, const struct store_cron *cron);
/* The same for the session of a chat. */
size_t copy_chat_size(const struct store_chat *chat);
void copy_chat_into(char **room, struct store_chat *into, const struct store_chat *chat);
/* A text, moved to `*room`. */
void copy_text(char **room, struct frame_text *text);
/* The same for a string. NULL stays NULL. */
const char *copy_str(char **room, const char *text);

#endif
