/* hook: a request is a proof, an update, and an answer when the update is stored. */
#include "plugins/telegram/hook.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct telegram_hook {
	const struct agentd_host *host;       /* borrowed */
	const struct telegram_config *config; /* borrowed */
	struct telegram_intake *intake;       /* borrowed */
	struct request *requests;
	bool on;
};

/* One that waits for its message to be stored. */
struct request {
	struct telegram_hook *hook; /* borrowed */
	struct request *next, *previous;
	uint64_t id;
};

struct telegram_hook *telegram_hook_new(const struct agentd_host *host,
    const struct telegram_config *config, struct telegram_intake *intake)
{
	struct telegram_hook *hook = calloc(1, sizeof(*hook));
	if (hook)
		*hook = (struct telegram_hook){ .host = host, .config = config, .intake = intake };
	return hook;
}

void telegram_hook_free(struct telegram_hook *hook)
{
	if (!hook)
		return;
	for (struct request *request = hook->requests, *next; request; request = next) {
		next = request->next;
		free(request);
	}
	free(hook);
}

void telegram_hook_start(struct telegram_hook *hook)
{
	hook->on = true;
}

void telegram_hook_stop(struct telegram_hook *hook)
{
	hook->on = false;
}

bool telegram_hook_proves(struct agentd_text headers, const char *secret)
{
	json_t *json = json_loadb(headers.p, headers.n, 0, NULL);
	const json_t *header = json_object_get(json, "x-telegram-bot-api-secret-token");
	const char *given = json_is_string(header) ? json_string_value(header) : "";
	size_t given_n = json_is_string(header) ? json_string_length(header) : 0;
	size_t n = strlen(secret);
	volatile unsigned char differs = given_n != n || n == 0;
	for (size_t i = 0; i < n; i++)
		differs |= (unsigned char)(secret[i] ^ given[given_n ? i % given_n : 0]);
	json_decref(json);
	return !differs;
}

static void answer(struct telegram_hook *hook, uint64_t id, uint32_t status)
{
	const char *text = status == 200   ? "OK"
			   : status == 400 ? "Bad Request"
			   : status == 403 ? "Forbidden"
					   : "Service Unavailable";
	hook->host->respond(hook->host, id, status, "text/plain", agentd_text(text, strlen(text)));
}

static struct request *request_new(struct telegram_hook *hook, uint64_t id)
{
	struct request *request = calloc(1, sizeof(*request));
	if (!request)
		return NULL;
	*request = (struct request){ .hook = hook, .next = hook->requests, .id = id };
	if (request->next)
		request->next->previous = request;
	hook->requests = request;
	return request;
}

static void request_free(struct request *request)
{
	if (request->next)
		request->next->previous = request->previous;
	if (request->previous)
		request->previous->next = request->next;
	else
		request->hook->requests = request->next;
	free(request);
}

static void on_stored(void *arg, int64_t update_id, int error)
{
	struct request *request = arg;
	(void)update_id;
	answer(request->hook, request->id, error < 0 ? 503 : 200);
	request_free(request);
}

/* The status at once; 0: it waits. */
static uint32_t hook_take(struct telegram_hook *hook, json_t *update, uint64_t id)
{
	struct request *request = request_new(hook, id);
	int error =
	    request ? telegram_intake_take(hook->intake, update, on_stored, request) : -ENOMEM;
	if (error == 0)
		return 0;
	if (request)
		request_free(request);
	return error > 0 ? 200 : error == -EINVAL ? 400 : 503;
}

int telegram_hook_http(struct telegram_hook *hook, const struct agentd_http_request *request)
{
	if (!hook->on)
		return -EAGAIN;
	if (!telegram_hook_proves(request->headers, hook->config->webhook_secret)) {
		answer(hook, request->id, 403);
		return 0;
	}
	json_t *update = json_loadb(request->body.p, request->body.n, JSON_ALLOW_NUL, NULL);
	uint32_t status = update ? hook_take(hook, update, request->id) : 400;
	json_decref(update);
	if (status)
		answer(hook, request->id, status);
	return 0;
}
