/* media: getFile, then the file, then `done`; from the start again after trouble. */
#include "plugins/telegram/media.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/common/backoff.h"

#define TRIES     4
#define BYTES_MAX (32u << 20) /* of an attachment, and more than Telegram lets bots have */

struct telegram_media {
	const struct agentd_host *host; /* borrowed */
	struct telegram_api *api;       /* borrowed */
	struct telegram_call *call;
	struct agentd_timer *timer;
	struct backoff backoff;
	char *file_id;
	char name[256], path[TELEGRAM_PATH_MAX];
	void (*done)(void *arg, const struct telegram_fetched *fetched);
	void *arg; /* borrowed */
};

static void media_ask(void *arg);

void telegram_media_cancel(struct telegram_media *media)
{
	if (!media)
		return;
	telegram_call_cancel(media->call);
	media->host->timer_free(media->timer);
	free(media->file_id);
	free(media);
}

static void media_end(struct telegram_media *media, const char *error)
{
	struct telegram_fetched fetched = {
		.path = error ? NULL : media->path,
		.name = media->name[0] ? media->name : NULL,
		.error = error,
	};
	media->done(media->arg, &fetched);
	telegram_media_cancel(media);
}

/* Tries again, or not. */
static void media_fail(struct telegram_media *media, const struct telegram_outcome *outcome)
{
	uint64_t after_ms =
	    backoff_next_ms(&media->backoff, outcome->retry_after_ms, UINT32_MAX / 2);
	if (!telegram_is_trouble(outcome) || media->backoff.failures >= TRIES ||
	    media->host->timer_set(media->timer, after_ms) < 0)
		media_end(media, outcome->error);
}

static void on_fetched(void *arg, const struct telegram_outcome *outcome)
{
	struct telegram_media *media = arg;
	media->call = NULL;
	if (outcome->code == 200)
		media_end(media, NULL);
	else
		media_fail(media, outcome);
}

static void on_told(void *arg, const struct telegram_outcome *outcome)
{
	struct telegram_media *media = arg;
	const char *path = json_string_value(json_object_get(outcome->result, "file_path"));
	const char *base = path ? strrchr(path, '/') : NULL;
	media->call = NULL;
	if (outcome->code != 200) {
		media_fail(media, outcome);
		return;
	}
	if (!path || !*path) {
		media_end(media, "Telegram does not say where it is");
		return;
	}
	base = base ? base + 1 : path;
	if (strlen(base) < sizeof(media->name))
		snprintf(media->name, sizeof(media->name), "%s", base);
	if (media->host->spool(media->host, media->path, sizeof(media->path)) == 0)
		media->call =
		    telegram_api_fetch(media->api, path, media->path, BYTES_MAX, on_fetched, media);
	if (!media->call)
		media_end(media, "there is no place for it");
}

static void media_ask(void *arg)
{
	struct telegram_media *media = arg;
	media->call = telegram_api_call(media->api, "getFile",
	    json_pack("{s:s}", "file_id", media->file_id), 0, on_told, media);
	if (!media->call)
		media_end(media, "memory is out");
}

struct telegram_media *telegram_media_fetch(const struct agentd_host *host,
    struct telegram_api *api, const char *file_id, uint64_t retry_ms,
    void (*done)(void *arg, const struct telegram_fetched *fetched), void *arg)
{
	struct telegram_media *media = calloc(1, sizeof(*media));
	if (!media)
		return NULL;
	*media = (struct telegram_media){
		.host = host,
		.api = api,
		.timer = host->timer_new(host, media_ask, media),
		.backoff = { .min_ms = retry_ms, .max_ms = 5000 },
		.file_id = strdup(file_id),
		.done = done,
		.arg = arg,
	};
	/* By the timer, so that `done` is never called from here. */
	if (media->timer && media->file_id && host->timer_set(media->timer, 0) == 0)
		return media;
	telegram_media_cancel(media);
	return NULL;
}
