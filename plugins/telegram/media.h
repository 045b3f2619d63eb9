/*
 * media: the file of a message, fetched into the spool, so that its URL, which has the token in it, goes no
 * further. Tried a few times; what cannot be had is said to be, and the message goes on without it.
 */
#ifndef TELEGRAM_MEDIA_H
#define TELEGRAM_MEDIA_H

#include "agentd/plugin.h"
#include "plugins/telegram/api.h"

#define TELEGRAM_PATH_MAX 1024

struct telegram_media;

struct telegram_fetched {
	const char *path;  /* NULL: it cannot be had */
	const char *name;  /* as the server calls it; NULL: it does not */
	const char *error; /* why it cannot be had */
};

/* `done` is called once, later; what it is given is borrowed, but the file is the caller's. NULL: memory is
 * out. `retry_ms`: the first delay. */
struct telegram_media *telegram_media_fetch(const struct agentd_host *host,
    struct telegram_api *api, const char *file_id, uint64_t retry_ms,
    void (*done)(void *arg, const struct telegram_fetched *fetched), void *arg);
/* Gives it up; `done` is not called. NULL is fine. */
void telegram_media_cancel(struct telegram_media *media);

#endif
