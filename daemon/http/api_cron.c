/* api_cron: what an operator does with schedules: now, not now, again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http/answer.h"
#include "daemon/http/api.h"
#include "daemon/http/problem.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/trigger/cron.h"

/* NULL: answered. */
static struct cron_entry *find(struct api *api, struct http_request *request, const char *name)
{
	struct cron_entry *entry = cron_find(api->cron, name);
	if (!entry)
		problem_reply(request, PROBLEM_NOT_FOUND, "there is no schedule \"%s\"", name);
	else if (!api_may_use(request, cron_trigger(entry)->agent))
		return NULL;
	return entry;
}

/* Each call with the same Idempotency-Key is the same call. */
static struct answer_key key_of(struct http_request *request, const struct cron_entry *entry)
{
	struct answer_key key = { 0 };
	if (!answer_has_key(request))
		return key;
	answer_add_key(request, &key.text);
	key.hash = answer_hash(ANSWER_HASH, cron_trigger(entry)->source);
	key.hash = answer_hash(key.hash, cron_trigger(entry)->settings->name);
	return key;
}

void api_cron_run(struct api *api, struct http_request *request, const struct route_params *params)
{
	struct cron_entry *entry = find(api, request, params->value[0]);
	enum run_code code;
	struct run *run;
	char reason[200];
	if (!entry)
		return;
	int error = cron_make_run(entry, &code, &run, reason, sizeof(reason));
	struct answer_key key = key_of(request, entry);
	if (error < 0) {
		problem_reply(request, error == -EINVAL ? PROBLEM_BAD_REQUEST : PROBLEM_INTERNAL,
		    "%s", error == -EINVAL ? reason : "out of memory");
	} else if (code != RUN_OK) {
		struct answer_refusal refusal = { code, cron_trigger(entry)->agent };
		answer_taken_or_refuse(api, request, &refusal, ANSWER_ACCEPTED, &key);
	} else {
		begin_written(api, request, run, ANSWER_ACCEPTED, &key);
		run_unref(run);
	}
	buf_done(&key.text);
}

/* Stopping, and going on. */

struct change {
	struct api_wait *wait;
	struct cron_entry *entry; /* borrowed */
};

static void on_written(void *arg, int error)
{
	struct change *change = arg;
	struct http_request *request = change->wait->request;
	if (request && error < 0) {
		reply_store_error(request, error);
	} else if (request) {
		struct buf body = { 0 };
		api_trigger_write(&body, change->wait->api, cron_trigger(change->entry));
		api_reply_json(request, &body);
	}
	free(change->wait);
	free(change);
}

static void set_paused(struct api *api, struct http_request *request, const char *name, bool paused)
{
	struct cron_entry *entry = find(api, request, name);
	if (!entry)
		return;
	if (!cron_trigger(entry)->settings->enabled) {
		problem_reply(request, PROBLEM_BAD_REQUEST,
		    "%s is off in the config (enabled: false)",
		    cron_trigger(entry)->settings->label);
		return;
	}
	struct change *change = calloc(1, sizeof(*change));
	if (!change) {
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
		return;
	}
	change->entry = entry;
	if ((change->wait = api_wait_new(api, request)))
		cron_pause(entry, paused, on_written, change);
	else
		free(change);
}

void api_cron_pause(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	set_paused(api, request, params->value[0], true);
}

void api_cron_resume(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	set_paused(api, request, params->value[0], false);
}
