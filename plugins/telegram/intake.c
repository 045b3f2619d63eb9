/* intake: a list of messages in their order. Each goes when its file is there and none of its chat is before it. */
#include "plugins/telegram/intake.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/telegram/media.h"

#define ITEMS_MAX 200 /* agentd takes 256 that are on their way into the store */

struct item {
	struct telegram_intake *intake; /* borrowed */
	struct item *next;
	json_t *update; /* what the message borrows from */
	struct telegram_message message;
	struct telegram_media *media;                         /* on its way */
	char key[24], user_id[24], chat_id[24], reply_to[24]; /* as agentd has them */
	char message_id[48]; /* "55", or "55/7" in topic 7: so the answer finds its way there */
	char path[TELEGRAM_PATH_MAX], name[256], note[700];
	bool submitted;
	void (*done)(void *arg, int64_t update_id, int error);
	void *arg; /* borrowed */
};

struct telegram_intake {
	const struct agentd_host *host;     /* borrowed */
	struct telegram_api *api;           /* borrowed */
	const struct telegram_rules *rules; /* borrowed */
	uint64_t retry_ms;
	struct agentd_timer *soon;
	struct item *first, **last;
	size_t count;
};

static void intake_go_on(void *arg);

struct telegram_intake *telegram_intake_new(const struct agentd_host *host,
    struct telegram_api *api, const struct telegram_rules *rules, uint64_t retry_ms)
{
	struct telegram_intake *intake = calloc(1, sizeof(*intake));
	if (!intake)
		return NULL;
	*intake = (struct telegram_intake){ .host = host,
		.api = api,
		.rules = rules,
		.retry_ms = retry_ms,
		.last = &intake->first };
	intake->soon = host->timer_new(host, intake_go_on, intake);
	if (intake->soon)
		return intake;
	free(intake);
	return NULL;
}

static void item_free(struct item *item)
{
	telegram_media_cancel(item->media);
	json_decref(item->update);
	free(item);
}

void telegram_intake_free(struct telegram_intake *intake)
{
	if (!intake)
		return;
	for (struct item *item = intake->first, *next; item; item = next) {
		next = item->next;
		item_free(item);
	}
	intake->host->timer_free(intake->soon);
	free(intake);
}

/* Takes it out of the list, and tells. What agentd did not take is removed. */
static void item_end(struct item *item, int error)
{
	struct telegram_intake *intake = item->intake;
	struct item **at = &intake->first;
	while (*at != item)
		at = &(*at)->next;
	*at = item->next;
	if (intake->last == &item->next)
		intake->last = at;
	intake->count--;
	if (error < 0 && item->path[0])
		unlink(item->path);
	item->done(item->arg, item->message.update_id, error);
	item_free(item);
	intake->host->timer_set(intake->soon, 0); /* the next of its chat */
}

/* Those of a chat that are behind one that failed must come again, too, or they would overtake it. */
static void on_stored(void *arg, int error)
{
	struct item *item = arg;
	struct telegram_intake *intake = item->intake;
	int64_t chat_id = item->message.chat_id;
	item_end(item, error); /* its `done` takes nothing new */
	for (struct item *one = intake->first, *next; error < 0 && one; one = next) {
		next = one->next;
		if (one->message.chat_id == chat_id)
			item_end(one, error);
	}
}

static struct agentd_text text_of(const char *text)
{
	return agentd_text(text, text ? strlen(text) : 0);
}

/* What the agent is told of a file that it does not get: else it would answer as if there was none. */
static void item_note(struct item *item, const char *error)
{
	const struct telegram_file *file = &item->message.file;
	snprintf(item->note, sizeof(item->note), "[%s (%s) could not be fetched: %s]",
	    file->name ? file->name : "an attachment", file->mime_type, error);
}

/* The caller's; NULL: memory is out. */
static char *item_text(const struct item *item)
{
	struct agentd_text said = item->message.text;
	size_t note_n = strlen(item->note);
	char *text = malloc(said.n + note_n + 2);
	if (!text)
		return NULL;
	if (said.n)
		memcpy(text, said.p, said.n);
	text[said.n] = '\n';
	memcpy(text + said.n + (said.n > 0), item->note, note_n + 1);
	return text;
}

static int item_submit(struct item *item)
{
	const struct agentd_host *host = item->intake->host;
	const struct telegram_message *message = &item->message;
	char *raw = json_dumps(item->update, JSON_COMPACT);
	char *text = item->note[0] ? item_text(item) : NULL;
	struct agentd_attachment file = {
		.type = message->file.type,
		.name = text_of(message->file.name ? message->file.name : item->name),
		.mime_type = text_of(message->file.mime_type),
		.path = text_of(item->path),
	};
	struct agentd_incoming incoming = {
		.size = sizeof(incoming),
		.key = text_of(item->key),
		.user_id = text_of(item->user_id),
		.user_name = text_of(message->user_name),
		.chat_id = text_of(item->chat_id),
		.message_id = text_of(item->message_id),
		.reply_to = text_of(item->reply_to),
		.text = message->text,
		.raw = text_of(raw),
		.attachments = &file,
		.attachment_count = item->path[0] != '\0',
		.attachment_size = sizeof(file),
	};
	if (text)
		incoming.text =
		    agentd_text(text, message->text.n + (message->text.n > 0) + strlen(item->note));
	int error = host->submit(host, &incoming, on_stored, item);
	free(text);
	free(raw);
	return error;
}

static bool is_behind_another(const struct item *item)
{
	const struct item *one = item->intake->first;
	while (one != item && one->message.chat_id != item->message.chat_id)
		one = one->next;
	return one != item;
}

/* One that can go. False: there is none. */
static bool intake_submit_one(struct telegram_intake *intake)
{
	for (struct item *item = intake->first; item; item = item->next) {
		if (item->submitted || item->media || is_behind_another(item))
			continue;
		item->submitted = true;
		int error = item_submit(item);
		if (error == -EINVAL || error == -EMSGSIZE) {
			/* Another try would end the same, and hold up all others. */
			intake->host->log(intake->host, AGENTD_LOG_WARN,
			    "update %" PRId64 " is left out: agentd does not take it (%s)",
			    item->message.update_id, strerror(-error));
			if (item->path[0])
				unlink(item->path);
			error = 1;
		}
		if (error)
			on_stored(item, error < 0 ? error : 0);
		return true;
	}
	return false;
}

static void intake_go_on(void *arg)
{
	while (intake_submit_one(arg))
		;
}

static void on_fetched(void *arg, const struct telegram_fetched *fetched)
{
	struct item *item = arg;
	item->media = NULL; /* it frees itself */
	if (fetched->path)
		snprintf(item->path, sizeof(item->path), "%s", fetched->path);
	snprintf(item->name, sizeof(item->name), "%s", fetched->name ? fetched->name : "");
	if (!fetched->path)
		item_note(item, fetched->error);
	item->intake->host->timer_set(item->intake->soon, 0);
}

static void put_id(char to[24], int64_t id)
{
	snprintf(to, 24, "%" PRId64, id);
}

static void item_name(struct item *item)
{
	const struct telegram_message *message = &item->message;
	put_id(item->key, message->update_id);
	put_id(item->user_id, message->user_id);
	put_id(item->chat_id, message->chat_id);
	if (message->thread)
		snprintf(item->message_id, sizeof(item->message_id), "%" PRId64 "/%" PRId64,
		    message->message_id, message->thread);
	else
		snprintf(
		    item->message_id, sizeof(item->message_id), "%" PRId64, message->message_id);
	if (message->reply_to)
		put_id(item->reply_to, message->reply_to);
}

static int intake_add(struct telegram_intake *intake, json_t *update,
    const struct telegram_message *message, void (*done)(void *arg, int64_t update_id, int error),
    void *arg)
{
	struct item *item = calloc(1, sizeof(*item));
	if (!item)
		return -ENOMEM;
	*item = (struct item){ .intake = intake, .message = *message, .done = done, .arg = arg };
	item_name(item);
	if (message->file.id) {
		item->media = telegram_media_fetch(intake->host, intake->api, message->file.id,
		    intake->retry_ms, on_fetched, item);
		if (!item->media) {
			free(item);
			return -ENOMEM;
		}
	}
	item->update = json_incref(update);
	*intake->last = item;
	intake->last = &item->next;
	intake->count++;
	intake->host->timer_set(intake->soon, 0);
	return 0;
}

int telegram_intake_take(struct telegram_intake *intake, json_t *update,
    void (*done)(void *arg, int64_t update_id, int error), void *arg)
{
	struct telegram_message message;
	int is = telegram_update_read(update, intake->rules, &message);
	if (is == -EPERM) {
		int64_t id = -1;
		telegram_update_id(update, &id);
		intake->host->log(intake->host, AGENTD_LOG_INFO,
		    "update %" PRId64 " is left out: its user or chat is not allowed", id);
		return 1;
	}
	if (is <= 0)
		return is == 0 ? 1 : is;
	if (intake->count >= ITEMS_MAX)
		return -EAGAIN;
	return intake_add(intake, update, &message, done, arg);
}
