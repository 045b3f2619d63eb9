/*
 * api_webhooks: a request to a webhook's path becomes a run. Who may ask is known already; then the signature
 * over the body as it came, then what the body says.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/id.h"
#include "daemon/base/log.h"
#include "daemon/http/access.h"
#include "daemon/http/answer.h"
#include "daemon/http/api.h"
#include "daemon/http/body.h"
#include "daemon/http/caller.h"
#include "daemon/http/problem.h"
#include "daemon/trigger/webhook.h"

enum http_method api_webhook_method(const struct trigger *webhook)
{
	static const struct {
		const char *name;
		enum http_method method;
	} methods[] = { { "GET", HTTP_GET }, { "POST", HTTP_POST }, { "PUT", HTTP_PUT },
		{ "PATCH", HTTP_PATCH }, { "DELETE", HTTP_DELETE } };
	size_t i = 0;
	while (strcmp(methods[i].name, webhook->settings->webhook.method) != 0)
		i++; /* the config has no other */
	return methods[i].method;
}

static const char *header_of(const void *arg, const char *name, unsigned nth)
{
	return http_header_nth(arg, name, nth);
}

/* False: answered. */
static bool is_genuine(struct http_request *request, const struct trigger *webhook)
{
	struct signature_request signed_request = { .header = header_of, .arg = request };
	const char *why;
	signed_request.body = http_body(request, &signed_request.length);
	int error =
	    webhook_verify(webhook, &signed_request, (int64_t)(clock_wall_ms() / 1000), &why);
	if (error == 0)
		return true;
	if (error == -EACCES) {
		http_note_refusal(request, why);
		http_add_header(request, "WWW-Authenticate", "Signature realm=\"agentd\"");
		problem_reply(request, PROBLEM_UNAUTHORIZED, "%s", why);
	} else {
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
	}
	return false;
}

/* A delivery of a user has one run: who brings another's id is not answered with what that one was told. No
 * other route's keys begin so. */
static struct answer_key key_of(
    struct http_request *request, const struct trigger *webhook, const json_t *body)
{
	static const char prefix[] = "\0\0webhook";
	struct signature_request signed_request = { .header = header_of, .arg = request };
	/* Who was told of a failure was told to try again; who got a 202 has handed it over. */
	struct answer_key key = { .again_if_failed = !webhook->settings->webhook.accepted };
	struct buf id = { 0 };
	const char *user = http_principal(request)->user_id;
	webhook_add_delivery(webhook, &signed_request, body, &id);
	if (id.length) {
		buf_add(&key.text, prefix, sizeof(prefix));
		buf_add(&key.text, webhook->settings->label, strlen(webhook->settings->label) + 1);
		buf_add(&key.text, user ? user : "", user ? strlen(user) + 1 : 1);
		buf_add(&key.text, id.data, id.length);
	}
	key.text.failed = key.text.failed || id.failed;
	buf_done(&id);
	return key;
}

/* RUN_OK and a run, or a refusal. */
static enum run_code make_run(struct api *api, const struct http_request *request,
    const struct trigger *webhook, const struct trigger_words *words, struct run **ret)
{
	const struct principal *who = http_principal(request);
	struct run_request wanted = trigger_request(webhook, words);
	wanted.user_id = who->user_id;
	wanted.claims = who->claims;
	wanted.reach = trigger_reach(who);
	wanted.owner = store_keeps_runs(api->store) ? RUN_OWNER_WRITTEN : RUN_OWNER_UNKNOWN;
	wanted.durable = webhook->settings->webhook.accepted;
	return run_create(api->runs, &wanted, ret);
}

static void begin(struct api *api, struct http_request *request, const struct trigger *webhook,
    const struct trigger_words *words, const struct answer_key *key)
{
	enum answer answer = webhook->settings->webhook.accepted ? ANSWER_ACCEPTED : ANSWER_CONTENT;
	struct run *run;
	enum run_code code = make_run(api, request, webhook, words, &run);
	if (code != RUN_OK) {
		struct answer_refusal refusal = { code, webhook->agent };
		answer_taken_or_refuse(api, request, &refusal, answer, key);
		return;
	}
	begin_written(api, request, run, answer, key);
	run_unref(run);
}

/* What a handler gets beside the body; nothing without one. */
struct delivery {
	struct buf raw, headers;
};

static struct trigger_delivery view_of(const struct delivery *delivery)
{
	return (struct trigger_delivery){ .raw = { delivery->raw.data, delivery->raw.length },
		.headers = { delivery->headers.data, delivery->headers.length } };
}

static void delivery_done(struct delivery *delivery)
{
	buf_done(&delivery->raw);
	buf_done(&delivery->headers);
}

/* Not those with credentials that agentd has checked. */
static bool is_shown(const void *arg, const struct http_request *request, const char *name)
{
	const struct trigger *webhook = arg;
	const struct trigger_settings *settings = webhook->settings;
	const struct provider_settings *auth =
	    settings->webhook.auth ? settings->webhook.auth : http_settings(request)->auth;
	if (!settings->webhook.is_open && auth && access_is_credential(auth, name))
		return false;
	return !webhook_is_secret(webhook, name);
}

/* Before the body is read, which drops it. */
static void take_delivery(
    struct http_request *request, const struct trigger *webhook, struct delivery *delivery)
{
	size_t length;
	const char *raw = http_body(request, &length);
	if (!webhook->settings->brought)
		return;
	buf_add(&delivery->raw, raw, length);
	caller_add_headers(request, is_shown, webhook, &delivery->headers);
}

/* Its templates and what its callers send do not go together. Who calls may never say so to anybody: the log does. */
static void refuse_misfit(
    struct api *api, struct http_request *request, const struct trigger *webhook, const char *why)
{
	const char *label = webhook->settings->label;
	http_note_refusal(request, why);
	if (triggers_note_misfit(api->triggers, webhook))
		log_warn("%s: answered with 400: %s", label, why);
	problem_reply(request, PROBLEM_BAD_REQUEST, "%s: %s", label, why);
}

/* False: answered. */
static bool say(struct api *api, struct http_request *request, const struct trigger *webhook,
    const json_t *body, const struct delivery *delivery, struct trigger_words *words)
{
	struct trigger_delivery view = view_of(delivery);
	char now[TIME_SIZE], reason[200];
	struct template_values values = { .body = body,
		.header = header_of,
		.arg = request,
		.source = webhook->source,
		.timestamp = now };
	time_format(clock_wall_ms(), now);
	int error = trigger_say(webhook, &values, &view, words, reason, sizeof(reason));
	if (delivery->raw.failed || delivery->headers.failed)
		error = -ENOMEM;
	if (error == -EINVAL)
		refuse_misfit(api, request, webhook, reason);
	else if (error < 0)
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
	return error == 0;
}

static void greet(struct http_request *request, json_t *greeting)
{
	struct buf body = { 0 };
	char *text = json_dumps(greeting, JSON_COMPACT);
	buf_add_str(&body, text ? text : "{}");
	free(text);
	json_decref(greeting);
	api_reply_json(request, &body);
}

static void make_of(struct api *api, struct http_request *request, const struct trigger *webhook,
    const json_t *body, const struct delivery *delivery)
{
	struct trigger_words words = { 0 };
	json_t *greeting = webhook_greeting(webhook, body);
	if (greeting) {
		greet(request, greeting);
	} else if (say(api, request, webhook, body, delivery, &words)) {
		struct answer_key key = key_of(request, webhook, body);
		begin(api, request, webhook, &words, &key);
		buf_done(&key.text);
	}
	trigger_words_done(&words);
}

void api_webhook(struct api *api, struct http_request *request, const struct trigger *webhook)
{
	struct delivery delivery = { 0 };
	if (caller_is_page(request) || !api_may_use(request, webhook->agent) ||
	    !is_genuine(request, webhook) || !body_has_good_type(request))
		return;
	take_delivery(request, webhook, &delivery);
	json_t *body = body_read_or_form(request);
	if (body)
		make_of(api, request, webhook, body, &delivery);
	delivery_done(&delivery);
	json_decref(body);
}
