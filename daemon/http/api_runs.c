/* api_runs: runs that were made, going or over. What is going is asked of run.h, the rest of the store. */
#include <stdlib.h>
#include <string.h>

#include "daemon/http/access.h"
#include "daemon/http/api.h"
#include "daemon/http/problem.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/http/sse.h"
#include "daemon/run/event_log.h"

/* A run that is going, as far as anybody is told: one whose end is being written is not over. */
static void describe_live(const struct run *run, struct store_run *ret)
{
	run_describe(run, ret);
	if (ret->status > RUN_RUNNING && !run_is_over(run)) {
		ret->status = RUN_RUNNING;
		ret->finished_wall_ms = 0;
		ret->code = NULL;
		ret->error = (struct frame_text){ 0 };
	}
}

/* What the store has, or what is known better. */
static struct store_run record_now(struct api *api, const struct store_run *stored)
{
	const struct run *live = runs_find_live(api->runs, stored->id);
	struct store_run record = *stored;
	if (live)
		describe_live(live, &record);
	return record;
}

/* Listing. */

static void list_on_runs(
    void *arg, int error, const struct store_run *runs, size_t count, const char *next)
{
	struct api_wait *wait = arg;
	struct buf body = { 0 };
	bool first = true;
	buf_add_str(&body, "{\"runs\":[");
	for (size_t i = 0; wait->request && i < count; i++) {
		struct store_run record = record_now(wait->api, &runs[i]);
		if (wait->status >= 0 && (int)record.status != wait->status)
			continue; /* the store does not know queued from running */
		buf_add_str(&body, first ? "" : ",");
		reply_write_record(&body, &record);
		first = false;
	}
	api_page_reply(wait, error, &body, next);
}

static bool is_wanted(const struct store_run *run, const struct store_page *page)
{
	return (!page->user || strcmp(run->user, page->user) == 0) &&
	       (!page->source || strcmp(run->source, page->source) == 0) &&
	       (!page->agent || strcmp(run->agent, page->agent) == 0) &&
	       (!page->session_id || strcmp(run->session_id, page->session_id) == 0) &&
	       (page->status < 0 || (int)run->status == page->status);
}

/* Without a store: what is going on, newest first. */
static void list_live(struct api *api, struct http_request *request, const struct store_page *page)
{
	struct buf body = { 0 };
	size_t shown = 0;
	buf_add_str(&body, "{\"runs\":[");
	for (size_t i = runs_live(api->runs); i > 0 && shown < page->limit; i--) {
		struct store_run record;
		describe_live(runs_live_at(api->runs, i - 1), &record);
		if (!is_wanted(&record, page))
			continue;
		buf_add_str(&body, shown++ ? "," : "");
		reply_write_record(&body, &record);
	}
	buf_add_str(&body, "],\"next_cursor\":null}");
	api_reply_json(request, &body);
}

static void list_stored(struct api *api, struct http_request *request, struct store_page *page)
{
	struct api_wait *wait = api_wait_new(api, request);
	if (!wait)
		return;
	wait->status = page->status;
	if (page->status == RUN_RUNNING)
		page->status = RUN_QUEUED; /* they are one to the store */
	store_runs_list(api->store, page, list_on_runs, wait);
}

void api_runs_list(struct api *api, struct http_request *request, const struct route_params *params)
{
	static const char *const filters[] = { "agent", "session_id", "status", NULL };
	struct store_page page;
	(void)params;
	if (!api_page_read(request, &page, filters))
		return;
	if (store_keeps_runs(api->store))
		list_stored(api, request, &page);
	else
		list_live(api, request, &page);
	api_page_done(&page);
}

/* One. */

static void reply_no_run(struct http_request *request, const struct store *store, const char *id)
{
	problem_reply(request, PROBLEM_NOT_FOUND, "there is no run \"%s\"%s", id,
	    store_keeps_runs(store) ? ""
				    : " that is going; runs are not kept (store.enabled: false)");
}

/* A request for a run that is not going: what to do when the store has answered. */
struct wanted {
	struct api_wait *wait;
	void (*reply)(struct api_wait *wait, const struct store_run *run, uint64_t after);
	uint64_t after;
	char id[];
};

static void wanted_on_run(void *arg, int error, const struct store_run *run)
{
	struct wanted *wanted = arg;
	struct http_request *request = wanted->wait->request;
	if (request && error < 0)
		reply_store_error(request, error);
	else if (request && !run)
		reply_no_run(request, wanted->wait->api->store, wanted->id);
	else if (request && access_may_see_run(request, run))
		wanted->reply(wanted->wait, run, wanted->after);
	free(wanted->wait);
	free(wanted);
}

static void ask_store(struct api *api, struct http_request *request, const char *id, uint64_t after,
    void (*reply)(struct api_wait *wait, const struct store_run *run, uint64_t after))
{
	struct wanted *wanted = malloc(sizeof(*wanted) + strlen(id) + 1);
	struct api_wait *wait = wanted ? api_wait_new(api, request) : NULL;
	if (!wait) {
		if (!wanted)
			problem_reply(request, PROBLEM_INTERNAL, "out of memory");
		free(wanted);
		return;
	}
	*wanted = (struct wanted){ .wait = wait, .reply = reply, .after = after };
	memcpy(wanted->id, id, strlen(id) + 1);
	store_run_get(api->store, id, wanted_on_run, wanted);
}

static void reply_record(struct api_wait *wait, const struct store_run *run, uint64_t after)
{
	struct store_run record = record_now(wait->api, run);
	struct buf body = { 0 };
	(void)after;
	reply_write_record(&body, &record);
	api_reply_json(wait->request, &body);
}

void api_runs_get(struct api *api, struct http_request *request, const struct route_params *params)
{
	const struct run *live = runs_find_live(api->runs, params->value[0]);
	struct store_run record;
	struct buf body = { 0 };
	if (!live) {
		ask_store(api, request, params->value[0], 0, reply_record);
		return;
	}
	describe_live(live, &record);
	if (!access_may_see_run(request, &record))
		return;
	reply_write_record(&body, &record);
	api_reply_json(request, &body);
}

/* Cancelling. */

static void reply_over(struct api_wait *wait, const struct store_run *run, uint64_t after)
{
	(void)after;
	problem_reply(wait->request, PROBLEM_RUN_OVER, "the run has %s already",
	    run->status == RUN_CANCELLED ? "been cancelled" : run_status_name(run->status));
}

void api_runs_cancel(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	struct run *live = runs_find_live(api->runs, params->value[0]);
	struct buf body = { 0 };
	if (!live) {
		ask_store(api, request, params->value[0], 0, reply_over);
		return;
	}
	struct store_run record;
	run_describe(live, &record);
	if (!access_may_see_run(request, &record))
		return;
	if (run_is_over(live)) { /* its end is being written beside */
		reply_over(&(struct api_wait){ .request = request }, &record, 0);
		return;
	}
	if (record.status > RUN_RUNNING) {
		problem_reply(
		    request, PROBLEM_RUN_OVER, "the run has ended; its result is being written");
		return;
	}
	buf_addf(&body, "{\"run_id\":\"%s\",\"status\":\"cancelled\"}\n", run_id(live));
	run_cancel(live, "it was cancelled by request");
	http_reply(request, 202, "application/json", &body);
}

/* Events. */

/* The id of the last event that there ever will be. */
static uint64_t last_event_of(const struct store_run *run)
{
	struct event_reader reader = { .log = run->events, .content = run->content };
	struct run_event event = { 0 };
	while (event_log_next(&reader, &event))
		;
	return event.id;
}

static void reply_events(struct api_wait *wait, const struct store_run *run, uint64_t after)
{
	if (after && after >= last_event_of(run))
		http_reply(
		    wait->request, 204, NULL, NULL); /* an EventSource does not come again then */
	else if (!sse_replay(wait->request, run, after))
		problem_reply(wait->request, PROBLEM_INTERNAL, "out of memory");
}

void api_runs_events(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	struct run *live = runs_find_live(api->runs, params->value[0]);
	const char *last = http_header(request, "Last-Event-ID");
	char *end = NULL;
	uint64_t after = last ? strtoull(last, &end, 10) : 0;
	if (last && (*end || end == last || last[0] == '-')) {
		problem_reply(request, PROBLEM_BAD_REQUEST, "Last-Event-ID must be a number");
		return;
	}
	struct store_run record;
	if (live)
		run_describe(live, &record);
	if (live && !access_may_see_run(request, &record))
		return;
	if (live && run_is_over(live)) { /* its end is being written */
		reply_events(&(struct api_wait){ .request = request }, &record, after);
	} else if (!live) {
		ask_store(api, request, params->value[0], after, reply_events);
	} else if (!sse_begin(request, live, after, false)) {
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
	}
}
