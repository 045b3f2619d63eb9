/* reply: one part after another; what has no answer yet is in a list. */
#include "reply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload.h"
#include "plugins/common/split.h"
#include "verdict.h"

#define FILE_MAX_BYTES (32u << 20)
/* No part is begun later than that: with the last one's timeout it is still within two minutes. */
#define BEGIN_MS   50000
#define TIMEOUT_MS 60000

struct file {
	char *name, *mime_type, *path, *url;
};

struct reply {
	struct signal_replies *replies; /* borrowed */
	uint64_t id, began_ms;
	char *chat_id, *quote, *text;
	struct agentd_text rest; /* of the text: what has not been sent */
	struct file *files;
	size_t file_count, file;
	uint32_t parts; /* that the API has taken */
	struct http_call *call;
	struct reply *next;
};

struct signal_replies {
	struct signal_replies_setup setup;
	struct reply *first; /* owned, and all behind it */
};

static void reply_send_next(struct reply *reply);

struct signal_replies *signal_replies_new(const struct signal_replies_setup *setup)
{
	struct signal_replies *replies = calloc(1, sizeof(*replies));
	if (replies)
		replies->setup = *setup;
	return replies;
}

static void reply_free(struct reply *reply)
{
	http_cancel(reply->call);
	for (size_t i = 0; i < reply->file_count; i++) {
		free(reply->files[i].name);
		free(reply->files[i].mime_type);
		free(reply->files[i].path);
		free(reply->files[i].url);
	}
	free(reply->files);
	free(reply->chat_id);
	free(reply->quote);
	free(reply->text);
	free(reply);
}

void signal_replies_free(struct signal_replies *replies)
{
	if (!replies)
		return;
	while (replies->first) {
		struct reply *reply = replies->first;
		replies->first = reply->next;
		reply_free(reply);
	}
	free(replies);
}

static char *copy_of(struct agentd_text text)
{
	return strndup(text.n ? text.p : "", text.n);
}

static struct reply *reply_new(struct signal_replies *replies, const struct agentd_reply *given)
{
	struct reply *reply = calloc(1, sizeof(*reply));
	if (!reply)
		return NULL;
	reply->replies = replies;
	reply->id = given->id;
	reply->began_ms = replies->setup.host->now_ms(replies->setup.host);
	reply->chat_id = copy_of(given->chat_id);
	reply->quote = copy_of(given->reply_to);
	reply->text = malloc(given->text.n + 1);
	reply->files = calloc(given->attachment_count + 1, sizeof(*reply->files));
	bool whole = reply->chat_id && reply->quote && reply->text && reply->files;
	for (size_t i = 0; whole && i < given->attachment_count; i++) {
		const struct agentd_attachment *attachment =
		    (const struct agentd_attachment *)(const void *)((const char *)
									 given->attachments +
								     i * given->attachment_size);
		struct file *file = &reply->files[reply->file_count++];
		file->name = copy_of(attachment->name);
		file->mime_type = copy_of(attachment->mime_type);
		file->path = copy_of(attachment->path);
		file->url = copy_of(attachment->url);
		whole = file->name && file->mime_type && file->path && file->url;
	}
	if (!whole) {
		reply_free(reply);
		return NULL;
	}
	if (given->text.n)
		memcpy(reply->text, given->text.p, given->text.n);
	reply->rest = agentd_text(reply->text, given->text.n);
	return reply;
}

/* Says what became of it, and forgets it. */
static void reply_end(struct reply *reply, uint32_t status, uint64_t retry_ms, const char *error)
{
	struct signal_replies *replies = reply->replies;
	struct reply **place = &replies->first;
	struct agentd_sent sent = {
		.size = sizeof(sent),
		.status = status,
		.parts = reply->parts,
		.retry_after_ms = retry_ms,
		.error = agentd_text(error, strlen(error)),
	};
	signal_typing_hide(
	    replies->setup.typing, agentd_text(reply->chat_id, strlen(reply->chat_id)));
	replies->setup.host->sent(replies->setup.host, reply->id, &sent);
	while (*place != reply)
		place = &(*place)->next;
	*place = reply->next;
	reply_free(reply);
}

static void on_answer(void *arg, const struct http_answer *answer)
{
	struct reply *reply = arg;
	char why[SIGNAL_WHY_SIZE];
	signal_api_succeeded(answer, why);
	reply->call = NULL;
	uint32_t verdict = signal_verdict(answer->status, why);
	if (verdict != AGENTD_SENT) {
		reply_end(reply, verdict,
		    signal_verdict_retry_ms(http_answer_header(answer, "Retry-After")), why);
		return;
	}
	reply->parts++;
	reply_send_next(reply);
}

static void reply_post(struct reply *reply, struct signal_payload *payload)
{
	payload->number = reply->replies->setup.number;
	payload->recipient = reply->chat_id;
	if (reply->parts == 0)
		payload->quote = agentd_text(reply->quote, strlen(reply->quote));
	char *json = signal_payload_new(payload);
	struct signal_api_request request = {
		.path = "/v2/send",
		.json = json,
		.timeout_ms = TIMEOUT_MS,
		.done = on_answer,
		.arg = reply,
	};
	reply->call = json ? signal_api_send(reply->replies->setup.api, &request) : NULL;
	free(json);
	if (!reply->call)
		reply_end(reply, AGENTD_RETRY, 0, "memory is out");
}

/* The whole of a file; NULL: `ret_why` says why not, and is NULL if memory is out. */
static char *file_read(const char *path, size_t *ret_n, const char **ret_why)
{
	struct stat stat_buf;
	char *bytes = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	*ret_why = "cannot be read";
	if (fd >= 0 && fstat(fd, &stat_buf) == 0 && S_ISREG(stat_buf.st_mode)) {
		if (stat_buf.st_size > FILE_MAX_BYTES)
			*ret_why = "has more than 32 MiB";
		else if (!(bytes = malloc((size_t)stat_buf.st_size + 1)))
			*ret_why = NULL;
	}
	for (*ret_n = 0; bytes && *ret_n < (size_t)stat_buf.st_size;) {
		ssize_t n = read(fd, bytes + *ret_n, (size_t)stat_buf.st_size - *ret_n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			free(bytes);
			bytes = NULL;
		} else {
			*ret_n += (size_t)n;
		}
	}
	if (fd >= 0)
		close(fd);
	return bytes;
}

static void reply_send_file(struct reply *reply, const struct file *file)
{
	const char *why;
	char error[SIGNAL_WHY_SIZE];
	struct signal_payload payload = { .file_name = file->name, .mime_type = file->mime_type };
	if (!*file->path) {
		payload.text = agentd_text(file->url, strlen(file->url));
		reply_post(reply, &payload);
		return;
	}
	char *bytes = file_read(file->path, &payload.bytes_n, &why);
	if (!bytes && !why) {
		reply_end(reply, AGENTD_RETRY, 0, "memory is out");
		return;
	}
	if (!bytes) {
		snprintf(error, sizeof(error), "the file %.100s of the answer %s", file->name, why);
		reply_end(reply, AGENTD_REJECTED, 0, error);
		return;
	}
	payload.bytes = bytes;
	reply_post(reply, &payload);
	free(bytes);
}

/* Sends the next part, or says that there are no more. */
static void reply_send_next(struct reply *reply)
{
	const struct signal_replies_setup *setup = &reply->replies->setup;
	struct agentd_text part = split_next(&reply->rest, setup->max_bytes, SPLIT_BYTES);
	if (!part.n && reply->file == reply->file_count)
		reply_end(reply, AGENTD_SENT, 0, "");
	else if (setup->host->now_ms(setup->host) - reply->began_ms > BEGIN_MS)
		reply_end(reply, AGENTD_RETRY, 1, "it takes long: the rest is another try's");
	else if (part.n)
		reply_post(reply, &(struct signal_payload){ .text = part });
	else
		reply_send_file(reply, &reply->files[reply->file++]);
}

/* Past the parts that an earlier try has sent. */
static void reply_skip(struct reply *reply, uint32_t parts)
{
	size_t max_bytes = reply->replies->setup.max_bytes;
	for (; reply->parts < parts; reply->parts++) {
		if (split_next(&reply->rest, max_bytes, SPLIT_BYTES).n)
			continue;
		if (reply->file == reply->file_count)
			break;
		reply->file++;
	}
}

int signal_replies_send(struct signal_replies *replies, const struct agentd_reply *given)
{
	struct reply *reply = reply_new(replies, given);
	if (!reply)
		return -ENOMEM;
	reply->next = replies->first;
	replies->first = reply;
	reply_skip(reply, given->parts);
	reply_send_next(reply);
	return 0;
}
