/*
 * interface: messages that go up, replies and requests that come down. What waits for an answer, on
 * either side, is in a table by its number, so that nothing is answered twice.
 */
#include "host/interface.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/id.h"
#include "daemon/base/message.h"
#include "host/chat.h"
#include "host/internal.h"

#define ERROR_MAX 512 /* bytes of what is said of a reply */

/* A message on its way into the store, a reply on its way to the platform, or a request. */
struct waiting {
	uint64_t number;
	void (*done)(void *arg, int error); /* of a message */
	void *arg;
	UT_hash_handle hh;
};

/* Under the host's lock. */
static struct waiting *submissions, *replies, *requests;
static uint64_t last_submission;

/* Locked by the caller. False: memory is out. */
static bool wait_for(struct waiting **table, const struct waiting *given)
{
	struct waiting *waiting = malloc(sizeof(*waiting));
	if (!waiting)
		return false;
	*waiting = *given;
	HASH_ADD(hh, *table, number, sizeof(waiting->number), waiting);
	return true;
}

/* Locked by the caller. False: nothing of that number waits. */
static bool wait_over(struct waiting **table, uint64_t number, struct waiting *ret)
{
	struct waiting *waiting;
	HASH_FIND(hh, *table, &number, sizeof(number), waiting);
	if (!waiting)
		return false;
	if (ret)
		*ret = *waiting;
	HASH_DEL(*table, waiting);
	free(waiting);
	return true;
}

/* Messages. */

static bool is_id(struct agentd_text text, bool required)
{
	return text.n <= MESSAGE_ID_MAX && (text.n || !required) &&
	       (!text.n || !memchr(text.p, '\0', text.n));
}

static bool is_in_spool(struct agentd_text path)
{
	size_t n = host.setup->spool ? strlen(host.setup->spool) : 0;
	return n && path.n > n + 1 && memcmp(path.p, host.setup->spool, n) == 0 &&
	       path.p[n] == '/' && !memchr(path.p + n + 1, '/', path.n - n - 1);
}

static int check_attachments(const struct agentd_incoming *message, size_t *bytes)
{
	if (message->attachment_count > MESSAGE_ATTACHMENTS_MAX)
		return -EMSGSIZE;
	for (size_t i = 0; i < message->attachment_count; i++) {
		struct agentd_attachment one =
		    chat_attachment_at(message->attachments, i, message->attachment_size);
		if (one.type > AGENTD_VIDEO || (one.path.n == 0) == (one.url.n == 0) ||
		    (one.path.n && !is_in_spool(one.path)) || one.name.n > MESSAGE_ID_MAX ||
		    one.mime_type.n > MESSAGE_ID_MAX)
			return -EINVAL;
		*bytes += one.name.n + one.mime_type.n + one.path.n + one.url.n;
	}
	return 0;
}

/* What agentd would refuse. `raw` is what it can do without. */
static int check_incoming(struct agentd_incoming *message)
{
	bool ids = is_id(message->key, true) && is_id(message->user_id, true) &&
		   is_id(message->chat_id, true) && is_id(message->message_id, false) &&
		   is_id(message->reply_to, false) && is_id(message->user_name, false);
	size_t bytes = message->text.n + 6 * MESSAGE_ID_MAX;
	if (!ids || (!message->text.n && !message->attachment_count))
		return -EINVAL;
	int error = check_attachments(message, &bytes);
	if (error < 0)
		return error;
	if (bytes + message->raw.n > MESSAGE_SUBMIT_MAX)
		message->raw = agentd_text(NULL, 0);
	if (bytes > MESSAGE_SUBMIT_MAX)
		return -EMSGSIZE;
	return chat_sync_files(
	    message->attachments, message->attachment_count, message->attachment_size);
}

int interface_submit(const struct agentd_host *self, const struct agentd_incoming *theirs,
    void (*done)(void *arg, int error), void *arg)
{
	(void)self;
	struct agentd_incoming message = { 0 };
	if (!services_is_kind(AGENTD_INTERFACE))
		return -ENOSYS;
	if (load_copy(&message, sizeof(message), theirs, theirs->size) < 0)
		return -E2BIG;
	int error = check_incoming(&message);
	if (error < 0)
		return error;
	pthread_mutex_lock(&host.lock);
	struct waiting waiting = { .number = ++last_submission, .done = done, .arg = arg };
	if (HASH_COUNT(submissions) >= MESSAGE_SUBMISSIONS)
		error = -EAGAIN;
	else if (!wait_for(&submissions, &waiting))
		error = -ENOMEM;
	if (error == 0) {
		struct frame_writer writer = frame_begin(&host.out, MESSAGE_SUBMIT, waiting.number);
		chat_put_incoming(&writer, &message);
		error = frame_end(&writer);
		services_wake();
		if (error < 0)
			wait_over(&submissions, waiting.number, NULL);
	}
	pthread_mutex_unlock(&host.lock);
	return error;
}

static int on_submitted(const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	int error = -(int)frame_get_u32(&cursor);
	struct waiting waiting;
	if (frame_end_fields(&cursor) < 0)
		return -EPROTO;
	pthread_mutex_lock(&host.lock);
	bool found = wait_over(&submissions, frame->run, &waiting);
	pthread_mutex_unlock(&host.lock);
	if (!found)
		return -EPROTO;
	if (waiting.done)
		waiting.done(waiting.arg, error);
	return 0;
}

int interface_spool(const struct agentd_host *self, char *path, size_t size)
{
	(void)self;
	char id[ID_SIZE];
	if (!host.setup->spool)
		return -ENOSYS;
	id_make(clock_wall_ms(), id);
	int n = snprintf(path, size, "%s/%s", host.setup->spool, id);
	return n > 0 && (size_t)n < size ? 0 : -ENOSPC;
}

/* Replies. */

static int put_sent(uint64_t reply, const struct agentd_sent *sent)
{
	struct agentd_text error = sent->error;
	if (error.n > ERROR_MAX)
		error.n = ERROR_MAX;
	struct frame_writer writer = frame_begin(&host.out, MESSAGE_SENT, reply);
	frame_put_u32(&writer, sent->status > AGENTD_REJECTED ? AGENTD_RETRY : sent->status);
	frame_put_u32(&writer, sent->parts);
	frame_put_u64(&writer, sent->retry_after_ms);
	chat_put_text(&writer, error);
	services_wake();
	return frame_end(&writer);
}

int interface_sent(const struct agentd_host *self, uint64_t reply, const struct agentd_sent *theirs)
{
	(void)self;
	struct agentd_sent sent = { 0 };
	if (load_copy(&sent, sizeof(sent), theirs, theirs->size) < 0)
		return -E2BIG;
	pthread_mutex_lock(&host.lock);
	int error = wait_over(&replies, reply, NULL) ? put_sent(reply, &sent) : -EALREADY;
	pthread_mutex_unlock(&host.lock);
	return error;
}

static int on_send(const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	struct agentd_reply reply = { .size = sizeof(reply),
		.id = frame->run,
		.attachment_size = sizeof(struct agentd_attachment) };
	reply.parts = frame_get_u32(&cursor);
	reply.chat_id = chat_get_text(&cursor);
	reply.reply_to = chat_get_text(&cursor);
	reply.text = chat_get_text(&cursor);
	struct agentd_attachment *rows = chat_get_attachments(&cursor, &reply.attachment_count);
	int error = rows ? frame_end_fields(&cursor) : -ENOMEM;
	reply.attachments = rows;
	if (error == 0) {
		struct waiting waiting = { .number = reply.id };
		pthread_mutex_lock(&host.lock);
		error = wait_for(&replies, &waiting) ? 0 : -ENOMEM;
		pthread_mutex_unlock(&host.lock);
	}
	if (error == 0 && host.plugin->interface.send(host.self, &reply) < 0) {
		struct agentd_sent failed = { .size = sizeof(failed),
			.status = AGENTD_RETRY,
			.parts = reply.parts,
			.error = agentd_text("the plugin could not begin to send it", 37) };
		interface_sent(NULL, reply.id, &failed);
	}
	free(rows);
	return error;
}

static int on_typing(const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	struct agentd_text chat_id = chat_get_text(&cursor);
	if (frame_end_fields(&cursor) < 0)
		return -EPROTO;
	if (host.plugin->interface.typing)
		host.plugin->interface.typing(host.self, chat_id);
	return 0;
}

/* Requests. */

static int put_response(
    uint64_t request, uint32_t status, const char *content_type, struct agentd_text body)
{
	struct frame_writer writer = frame_begin(&host.out, MESSAGE_RESPOND, request);
	frame_put_u32(&writer, status);
	frame_put_str(&writer, content_type ? content_type : "text/plain");
	chat_put_text(&writer, body);
	services_wake();
	return frame_end(&writer);
}

int interface_respond(const struct agentd_host *self, uint64_t request, uint32_t status,
    const char *content_type, struct agentd_text body)
{
	(void)self;
	if (status < 200 || status > 599)
		return -EINVAL;
	pthread_mutex_lock(&host.lock);
	int error = wait_over(&requests, request, NULL)
			? put_response(request, status, content_type, body)
			: -EALREADY;
	pthread_mutex_unlock(&host.lock);
	return error;
}

static int on_http(const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	struct agentd_http_request request = { .size = sizeof(request), .id = frame->run };
	request.method = chat_get_text(&cursor);
	request.path = chat_get_text(&cursor);
	request.query = chat_get_text(&cursor);
	request.headers = chat_get_text(&cursor);
	request.body = chat_get_text(&cursor);
	if (frame_end_fields(&cursor) < 0 || !host.plugin->interface.http)
		return -EPROTO;
	struct waiting waiting = { .number = request.id };
	pthread_mutex_lock(&host.lock);
	bool waits = wait_for(&requests, &waiting);
	pthread_mutex_unlock(&host.lock);
	if (!waits)
		return -ENOMEM;
	if (host.plugin->interface.http(host.self, &request) < 0)
		interface_respond(NULL, request.id, 503, NULL, agentd_text("", 0));
	return 0;
}

/* Its life. */

int interface_start(void)
{
	return host.plugin->interface.start(host.self);
}

void interface_stopped(const struct agentd_host *self)
{
	static bool said;
	(void)self;
	if (said || !services_is_kind(AGENTD_INTERFACE))
		return;
	said = true;
	pthread_mutex_lock(&host.lock);
	struct frame_writer writer = frame_begin(&host.out, MESSAGE_STOPPED, 0);
	frame_end(&writer);
	services_wake();
	pthread_mutex_unlock(&host.lock);
}

void interface_stop(void)
{
	static bool stopped;
	if (stopped)
		return;
	stopped = true;
	if (host.plugin->interface.stop(host.self) != AGENTD_PENDING)
		interface_stopped(NULL);
}

int interface_on_frame(const struct frame *frame)
{
	switch (frame->type) {
	case MESSAGE_SUBMITTED:
		return on_submitted(frame);
	case MESSAGE_SEND:
		return on_send(frame);
	case MESSAGE_TYPING:
		return on_typing(frame);
	case MESSAGE_HTTP:
		return on_http(frame);
	case MESSAGE_STOP:
		interface_stop();
		return 0;
	default:
		return -EPROTO;
	}
}
