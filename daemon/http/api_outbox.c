/* api_outbox: replies that a platform has not taken: what they are, once more, and never. Of a reply's text only the
 * beginning is shown: it may have any length. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/chat/chats.h"
#include "daemon/conf/schema.h"
#include "daemon/http/api.h"
#include "daemon/http/problem.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"

#define SHOWN_BYTES 500

static void add_str(struct buf *out, const char *name, const char *text)
{
	buf_addf(out, ",\"%s\":", name);
	if (text)
		buf_add_json_str(out, text);
	else
		buf_add_str(out, "null");
}

static void add_time(struct buf *out, const char *name, uint64_t wall_ms)
{
	buf_addf(out, ",\"%s\":", name);
	reply_add_time(out, wall_ms);
}

/* Not cut inside of a character. */
static void add_beginning(struct buf *out, struct frame_text text)
{
	size_t n = text.n < SHOWN_BYTES ? text.n : SHOWN_BYTES;
	while (n < text.n && n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
		n--;
	buf_add_str(out, ",\"text\":");
	buf_add_json(out, text.p ? text.p : "", n);
	buf_addf(out, ",\"text_bytes\":%zu", text.n);
}

static void add_reply(struct buf *out, const struct store_reply *reply)
{
	buf_addf(out, "{\"id\":%lld", (long long)reply->id);
	add_str(out, "interface", reply->interface);
	add_str(out, "chat_id", reply->chat_id);
	add_str(out, "reply_to", reply->reply_to);
	add_str(out, "run_id", reply->run_id);
	buf_addf(out, ",\"attempts\":%u,\"parts\":%u,\"error\":", reply->attempts, reply->parts);
	if (reply->error.p)
		buf_add_json(out, reply->error.p, reply->error.n);
	else
		buf_add_str(out, "null");
	buf_addf(out, ",\"aside\":%s", reply->aside ? "true" : "false");
	add_time(out, "created_at", reply->created_wall_ms);
	add_time(out, "next_try_at", reply->aside ? 0 : reply->next_wall_ms);
	add_beginning(out, reply->text);
	buf_add_str(out, "}");
}

static void on_replies(
    void *arg, int error, const struct store_reply *replies, size_t count, const char *next)
{
	struct api_wait *wait = arg;
	struct buf body = { 0 };
	buf_add_str(&body, "{\"replies\":[");
	for (size_t i = 0; wait->request && i < count; i++) {
		buf_add_str(&body, i ? "," : "");
		add_reply(&body, &replies[i]);
	}
	/* Without a store there are none. */
	api_page_reply(wait, error == -ENOTSUP ? 0 : error, &body, next);
}

void api_outbox_list(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	static const char *const filters[] = { NULL };
	struct store_page page;
	(void)params;
	if (!api_page_read(request, &page, filters))
		return;
	struct api_wait *wait = api_wait_new(api, request);
	if (wait)
		store_replies_list(api->store, &page, on_replies, wait);
	api_page_done(&page);
}

/* What is done with one. */

struct change {
	struct api_wait *wait;
	int64_t id;
};

/* Whether it is done; else that is answered, unless nobody waits any more. */
static bool is_done(struct http_request *request, int error)
{
	if (request && (error == -ENOENT || error == -ENOTSUP))
		problem_reply(request, PROBLEM_NOT_FOUND, "there is no such reply");
	else if (request && error < 0)
		reply_store_error(request, error);
	return request && error == 0;
}

static void on_retried(void *arg, int error)
{
	struct change *change = arg;
	struct buf body = { 0 };
	if (error == 0)
		log_info("reply %lld is to be sent again: an operator asked for it",
		    (long long)change->id);
	if (is_done(change->wait->request, error)) {
		buf_addf(&body, "{\"id\":%lld,\"status\":\"retrying\"}\n", (long long)change->id);
		http_reply(change->wait->request, 202, "application/json", &body);
	}
	free(change->wait);
	free(change);
}

static void on_deleted(void *arg, int error)
{
	struct change *change = arg;
	if (error == 0)
		log_info("reply %lld is deleted: an operator asked for it", (long long)change->id);
	if (is_done(change->wait->request, error))
		http_reply(change->wait->request, 204, NULL, NULL);
	free(change->wait);
	free(change);
}

static void change_reply(struct api *api, struct http_request *request, const char *id,
    void (*act)(struct chats *chats, int64_t id, store_done_fn done, void *arg), store_done_fn done)
{
	int64_t number;
	if (schema_parse_int(id, &number) < 0) {
		problem_reply(request, PROBLEM_NOT_FOUND, "there is no such reply");
		return;
	}
	struct change *change = calloc(1, sizeof(*change));
	if (!change) {
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
		return;
	}
	change->id = number;
	if ((change->wait = api_wait_new(api, request)))
		act(api->chats, number, done, change);
	else
		free(change);
}

void api_outbox_retry(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	change_reply(api, request, params->value[0], chats_reply_retry, on_retried);
}

void api_outbox_delete(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	change_reply(api, request, params->value[0], chats_reply_delete, on_deleted);
}
