/* send: one sending for each reply, with a request under way or a timer that waits for the rate limit. */
#include "send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "parts.h"

/* agentd waits two minutes for `sent`: the last request must begin so early that it may take its minute. */
#define LAST_REQUEST_MS 55000
#define REQUEST_MS      60000

struct sending {
	struct discord_sender *sender; /* borrowed */
	struct sending *next;
	uint64_t reply;
	uint64_t begun_ms;
	struct discord_parts *parts;
	size_t part; /* the next, and how many Discord has taken */
	char path[64];
	struct discord_call *call;
	struct agentd_timer *timer;
};

struct discord_sender {
	const struct agentd_host *host; /* borrowed */
	struct discord_rest *rest;      /* borrowed */
	size_t most;
	struct sending *sendings;
};

static void sending_go_on(void *arg);

static void sending_free(struct sending *sending)
{
	struct sending **at = &sending->sender->sendings;
	while (*at && *at != sending)
		at = &(*at)->next;
	if (*at)
		*at = sending->next;
	discord_rest_cancel(sending->call);
	if (sending->timer)
		sending->sender->host->timer_free(sending->timer);
	discord_parts_free(sending->parts);
	free(sending);
}

/* The last thing that is done with it. */
static void sending_end(
    struct sending *sending, uint32_t status, uint64_t retry_after_ms, const char *error)
{
	const struct agentd_host *host = sending->sender->host;
	struct agentd_sent sent = {
		.size = sizeof(sent),
		.status = status,
		.parts = (uint32_t)sending->part,
		.retry_after_ms = retry_after_ms,
		.error = agentd_text(error, strlen(error)),
	};
	host->sent(host, sending->reply, &sent);
	sending_free(sending);
}

static uint64_t elapsed_ms(const struct sending *sending)
{
	const struct agentd_host *host = sending->sender->host;
	return host->now_ms(host) - sending->begun_ms;
}

/* Waits, or leaves that to agentd if it takes too long. */
static void sending_wait(struct sending *sending, uint64_t wait_ms, const char *error)
{
	if (wait_ms > LAST_REQUEST_MS || elapsed_ms(sending) + wait_ms > LAST_REQUEST_MS)
		sending_end(sending, AGENTD_RETRY, wait_ms, error);
	else
		sending->sender->host->timer_set(sending->timer, wait_ms);
}

/* Can that status become another by itself? 401 ends the process, which another takes up from here. */
static bool may_pass(unsigned status)
{
	return status == 0 || status == 401 || status == 408 || status >= 500;
}

static void on_answer(void *arg, const struct discord_answer *answer)
{
	struct sending *sending = arg;
	sending->call = NULL;
	if (!answer->error) {
		sending->part++;
		sending_go_on(sending);
	} else if (answer->status == 429) {
		sending_wait(sending, answer->retry_after_ms, answer->error);
	} else {
		sending_end(sending, may_pass(answer->status) ? AGENTD_RETRY : AGENTD_REJECTED, 0,
		    answer->error);
	}
}

/* The name of a file of the part that is none, or cannot be read; NULL: they all can. */
static const char *unreadable(const struct discord_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!http_can_send(files[i].path))
			return files[i].name;
	return NULL;
}

static void sending_request(struct sending *sending)
{
	size_t file_count;
	const struct discord_file *files =
	    discord_parts_files(sending->parts, sending->part, &file_count);
	const char *missing = unreadable(files, file_count);
	if (missing) {
		char error[300];
		snprintf(error, sizeof(error), "the file cannot be read: %.200s", missing);
		sending_end(sending, AGENTD_REJECTED, 0, error);
		return;
	}
	char *json = discord_parts_json(sending->parts, sending->part);
	if (json)
		sending->call =
		    discord_rest_send(sending->sender->rest, &(struct discord_request){
								 .method = "POST",
								 .path = sending->path,
								 .json = json,
								 .files = files,
								 .file_count = file_count,
								 .timeout_ms = REQUEST_MS,
								 .done = on_answer,
								 .arg = sending,
							     });
	free(json);
	if (!sending->call)
		sending_end(sending, AGENTD_RETRY, 0, "memory is out");
}

/* The next part, or the end. */
static void sending_go_on(void *arg)
{
	struct sending *sending = arg;
	uint64_t wait_ms = discord_rest_wait_ms(sending->sender->rest, sending->path);
	if (sending->part >= discord_parts_count(sending->parts))
		sending_end(sending, AGENTD_SENT, 0, "");
	else if (wait_ms || elapsed_ms(sending) > LAST_REQUEST_MS)
		sending_wait(sending, wait_ms, "Discord's rate limit");
	else
		sending_request(sending);
}

struct discord_sender *discord_sender_new(
    const struct agentd_host *host, struct discord_rest *rest, size_t most)
{
	struct discord_sender *sender = calloc(1, sizeof(*sender));
	if (sender)
		*sender = (struct discord_sender){ .host = host, .rest = rest, .most = most };
	return sender;
}

void discord_sender_free(struct discord_sender *sender)
{
	while (sender && sender->sendings)
		sending_free(sender->sendings);
	free(sender);
}

int discord_sender_send(struct discord_sender *sender, const struct agentd_reply *reply)
{
	const struct agentd_host *host = sender->host;
	struct sending *sending = calloc(1, sizeof(*sending));
	if (!sending)
		return -ENOMEM;
	*sending = (struct sending){
		.sender = sender,
		.next = sender->sendings,
		.reply = reply->id,
		.begun_ms = host->now_ms(host),
		.part = reply->parts,
		.timer = host->timer_new(host, sending_go_on, sending),
		.parts = discord_parts_new(reply, sender->most),
	};
	sender->sendings = sending;
	if (!sending->timer || !sending->parts) {
		sending_free(sending);
		return -ENOMEM;
	}
	if (!discord_is_id(reply->chat_id)) { /* it would be a part of the path */
		sending_end(sending, AGENTD_REJECTED, 0, "that is no channel of Discord");
		return 0;
	}
	snprintf(sending->path, sizeof(sending->path), "/channels/%.*s/messages",
	    (int)reply->chat_id.n, reply->chat_id.p);
	sending_go_on(sending);
	return 0;
}

static void on_typing_answer(void *arg, const struct discord_answer *answer)
{
	(void)arg;
	(void)answer; /* nobody misses it */
}

void discord_sender_typing(struct discord_sender *sender, struct agentd_text chat_id)
{
	char path[64];
	if (!discord_is_id(chat_id))
		return;
	snprintf(path, sizeof(path), "/channels/%.*s/typing", (int)chat_id.n, chat_id.p);
	if (discord_rest_wait_ms(sender->rest, path) == 0)
		discord_rest_send(sender->rest, &(struct discord_request){
						    .method = "POST",
						    .path = path,
						    .timeout_ms = 10000,
						    .done = on_typing_answer,
						});
}
