/* inbox: a queue, of which the first is worked on: its files, one after another, then the message. */
#include "inbox.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/common/backoff.h"

#define FILE_MAX_BYTES    (32u << 20) /* as host->spool has it */
#define FILE_TRIES        3
#define WAITING_MAX_BYTES (64u << 20) /* then it is full */

struct signal_inbox {
	const struct agentd_host *host; /* borrowed */
	struct signal_api *api;         /* borrowed */
	void (*less)(void *arg);
	void *arg; /* borrowed */
	struct agentd_timer *timer;
	struct signal_message *first, **end; /* owned */
	size_t bytes;
	/* Of the first. */
	size_t file;    /* the attachment that is fetched */
	unsigned tries; /* of it */
	char path[PATH_MAX];
	struct http_call *call;
	struct backoff backoff;
};

static void inbox_go_on(struct signal_inbox *inbox);

static void on_timer(void *arg)
{
	inbox_go_on(arg);
}

struct signal_inbox *signal_inbox_new(
    const struct agentd_host *host, struct signal_api *api, void (*less)(void *arg), void *arg)
{
	struct signal_inbox *inbox = calloc(1, sizeof(*inbox));
	if (!inbox)
		return NULL;
	inbox->host = host;
	inbox->api = api;
	inbox->less = less;
	inbox->arg = arg;
	inbox->end = &inbox->first;
	inbox->backoff = (struct backoff){ .min_ms = 100, .max_ms = 10000 };
	inbox->timer = host->timer_new(host, on_timer, inbox);
	if (!inbox->timer) {
		free(inbox);
		return NULL;
	}
	return inbox;
}

void signal_inbox_free(struct signal_inbox *inbox)
{
	if (!inbox)
		return;
	http_cancel(inbox->call);
	while (inbox->first) {
		struct signal_message *message = inbox->first;
		inbox->first = message->next;
		signal_message_free(message);
	}
	inbox->host->timer_free(inbox->timer);
	free(inbox);
}

bool signal_inbox_is_empty(const struct signal_inbox *inbox)
{
	return !inbox->first;
}

bool signal_inbox_is_full(const struct signal_inbox *inbox)
{
	return inbox->bytes >= WAITING_MAX_BYTES;
}

static size_t message_bytes(const struct signal_message *message)
{
	return sizeof(*message) + message->text_n + strlen(message->raw) +
	       message->attachment_count * 1024;
}

void signal_inbox_add(struct signal_inbox *inbox, struct signal_message *message)
{
	bool idle = !inbox->first;
	message->next = NULL;
	*inbox->end = message;
	inbox->end = &message->next;
	inbox->bytes += message_bytes(message);
	if (idle)
		inbox_go_on(inbox);
}

/* The first is dealt with: in the store, or nothing that it will ever take. */
static void inbox_shift(struct signal_inbox *inbox)
{
	struct signal_message *message = inbox->first;
	inbox->bytes -= message_bytes(message);
	inbox->first = message->next;
	if (!inbox->first)
		inbox->end = &inbox->first;
	inbox->file = 0;
	inbox->tries = 0;
	backoff_reset(&inbox->backoff);
	signal_message_free(message);
	if (inbox->first)
		inbox->host->timer_set(inbox->timer, 0);
	inbox->less(inbox->arg);
}

static void inbox_wait(struct signal_inbox *inbox)
{
	uint32_t chance = (uint32_t)inbox->host->now_ms(inbox->host) * 2654435761u;
	inbox->host->timer_set(inbox->timer, backoff_next_ms(&inbox->backoff, 0, chance));
}

/* The file is there, or will not be. */
static void inbox_next_file(struct signal_inbox *inbox)
{
	inbox->file++;
	inbox->tries = 0;
	backoff_reset(&inbox->backoff);
	inbox->host->timer_set(inbox->timer, 0);
}

static void inbox_give_up_file(struct signal_inbox *inbox, const char *why)
{
	inbox->host->log(inbox->host, AGENTD_LOG_WARN, "message %s: attachment %s is left out: %s",
	    inbox->first->key, inbox->first->attachments[inbox->file].id, why);
	inbox_next_file(inbox);
}

static void on_file(void *arg, const struct http_answer *answer)
{
	struct signal_inbox *inbox = arg;
	struct signal_attachment *attachment = &inbox->first->attachments[inbox->file];
	char why[SIGNAL_WHY_SIZE];
	struct stat stat_buf;
	inbox->call = NULL;
	if (!signal_api_succeeded(answer, why)) {
		bool passing =
		    answer->status == 0 || answer->status >= 500 || answer->status == 429;
		unlink(inbox->path);
		if (passing && ++inbox->tries < FILE_TRIES)
			inbox_wait(inbox);
		else
			inbox_give_up_file(inbox, why);
		return;
	}
	attachment->path = stat(inbox->path, &stat_buf) == 0 ? strdup(inbox->path) : NULL;
	if (!attachment->path) {
		unlink(inbox->path);
		inbox_give_up_file(inbox, "it could not be written");
		return;
	}
	attachment->bytes = (uint64_t)stat_buf.st_size;
	inbox_next_file(inbox);
}

static void inbox_fetch(struct signal_inbox *inbox)
{
	const struct signal_attachment *attachment = &inbox->first->attachments[inbox->file];
	struct signal_api_request request = {
		.path = "/v1/attachments/{id}",
		.id = attachment->id,
		.answer_max = FILE_MAX_BYTES,
		.save_to = inbox->path,
		.done = on_file,
		.arg = inbox,
	};
	if (attachment->bytes > FILE_MAX_BYTES) {
		inbox_give_up_file(inbox, "it has more than 32 MiB");
		return;
	}
	int error = inbox->host->spool(inbox->host, inbox->path, sizeof(inbox->path));
	if (error < 0) {
		inbox_give_up_file(inbox, strerror(-error));
		return;
	}
	inbox->call = signal_api_send(inbox->api, &request);
	if (!inbox->call)
		inbox_wait(inbox);
}

static void on_stored(void *arg, int error)
{
	struct signal_inbox *inbox = arg;
	if (error == 0) {
		inbox_shift(inbox);
		return;
	}
	inbox->host->log(inbox->host, AGENTD_LOG_WARN,
	    "message %s is not stored (%s): it is kept and submitted again", inbox->first->key,
	    strerror(-error));
	inbox_wait(inbox);
}

/* It is refused for what it is, and would be again. */
static void inbox_refused(struct signal_inbox *inbox, int error)
{
	struct signal_message *message = inbox->first;
	inbox->host->log(inbox->host, AGENTD_LOG_ERROR, "message %s is dropped: %s", message->key,
	    error == -EMSGSIZE ? "it has more than 256 KiB" : strerror(-error));
	for (size_t i = 0; i < message->attachment_count; i++)
		if (message->attachments[i].path)
			unlink(message->attachments[i].path);
	inbox_shift(inbox);
}

static struct agentd_text text_of(const char *text)
{
	return agentd_text(text, strlen(text));
}

static void inbox_submit(struct signal_inbox *inbox)
{
	static const char missing[] = "(an attachment that could not be fetched)";
	const struct signal_message *message = inbox->first;
	struct agentd_attachment files[SIGNAL_ATTACHMENTS_MAX] = { 0 };
	size_t count = 0;
	for (size_t i = 0; i < message->attachment_count; i++) {
		const struct signal_attachment *attachment = &message->attachments[i];
		if (attachment->path)
			files[count++] = (struct agentd_attachment){
				.type = attachment->type,
				.bytes = attachment->bytes,
				.name = text_of(attachment->name),
				.mime_type = text_of(attachment->mime_type),
				.path = text_of(attachment->path),
			};
	}
	struct agentd_incoming incoming = {
		.size = sizeof(incoming),
		.key = text_of(message->key),
		.user_id = text_of(message->user_id),
		.user_name = text_of(message->user_name),
		.chat_id = text_of(message->chat_id),
		.message_id = text_of(message->key),
		.reply_to = text_of(message->reply_to),
		.text = agentd_text(message->text, message->text_n),
		.raw = text_of(message->raw),
		.attachments = files,
		.attachment_count = count,
		.attachment_size = sizeof(files[0]),
	};
	if (!message->text_n && !count) /* somebody waits for an answer all the same */
		incoming.text = agentd_text(missing, sizeof(missing) - 1);
	int error = inbox->host->submit(inbox->host, &incoming, on_stored, inbox);
	if (error == -EINVAL || error == -EMSGSIZE)
		inbox_refused(inbox, error);
	else if (error < 0)
		inbox_wait(inbox);
}

static void inbox_go_on(struct signal_inbox *inbox)
{
	if (inbox->file < inbox->first->attachment_count)
		inbox_fetch(inbox);
	else
		inbox_submit(inbox);
}
