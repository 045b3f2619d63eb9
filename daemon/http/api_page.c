/* api_page: what requests for lists, and those that wait for the store, have in common. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf/schema.h"
#include "daemon/http/access.h"
#include "daemon/http/api.h"
#include "daemon/http/problem.h"
#include "daemon/http/reply.h"
#include "daemon/http/target.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MAX     1000

static void on_gone(void *arg)
{
	struct api_wait *wait = arg;
	wait->request = NULL;
}

struct api_wait *api_wait_new(struct api *api, struct http_request *request)
{
	struct api_wait *wait = calloc(1, sizeof(*wait));
	if (!wait) {
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
		return NULL;
	}
	wait->api = api;
	wait->request = request;
	http_on_gone(request, on_gone, wait);
	return wait;
}

/* One word of the query. False: answered. */
static bool read_word(struct http_request *request, const char *name, char **ret)
{
	if (target_query(http_target(request), name, ret) == 0)
		return true;
	problem_reply(request, PROBLEM_BAD_REQUEST, "\"%s\" in the query cannot be read", name);
	return false;
}

static bool read_status(struct http_request *request, const char *word, int *ret)
{
	for (int i = RUN_QUEUED; i <= RUN_CANCELLED; i++)
		if (strcmp(word, run_status_name((enum run_status)i)) == 0) {
			*ret = i;
			return true;
		}
	problem_reply(request, PROBLEM_BAD_REQUEST,
	    "\"status\" is one of queued, running, succeeded, failed, cancelled");
	return false;
}

static bool read_limit(struct http_request *request, const char *word, size_t *ret)
{
	int64_t limit;
	if (schema_parse_int(word, &limit) < 0 || limit < 1 || limit > LIMIT_MAX) {
		problem_reply(
		    request, PROBLEM_BAD_REQUEST, "\"limit\" is a number from 1 to %d", LIMIT_MAX);
		return false;
	}
	*ret = (size_t)limit;
	return true;
}

bool api_page_read(
    struct http_request *request, struct store_page *page, const char *const *filters)
{
	char *limit = NULL, *status = NULL, *after = NULL, *agent = NULL, *session = NULL;
	*page = (struct store_page){ .limit = LIMIT_DEFAULT,
		.status = -1,
		.user = access_only_user(request),
		.source = access_only_source(request) };
	bool ok = read_word(request, "limit", &limit) && read_word(request, "cursor", &after);
	for (; ok && *filters; filters++) {
		if (strcmp(*filters, "status") == 0)
			ok = read_word(request, "status", &status);
		else if (strcmp(*filters, "agent") == 0)
			ok = read_word(request, "agent", &agent);
		else
			ok = read_word(request, "session_id", &session);
	}
	ok = ok && (!limit || read_limit(request, limit, &page->limit));
	ok = ok && (!status || read_status(request, status, &page->status));
	page->after = after;
	page->agent = agent;
	page->session_id = session;
	free(limit);
	free(status);
	if (!ok)
		api_page_done(page);
	return ok;
}

void api_page_done(struct store_page *page)
{
	free((char *)(uintptr_t)page->after);
	free((char *)(uintptr_t)page->agent);
	free((char *)(uintptr_t)page->session_id);
}

void api_page_reply(struct api_wait *wait, int error, struct buf *body, const char *next)
{
	if (wait->request && error == -EINVAL) {
		problem_reply(wait->request, PROBLEM_BAD_REQUEST, "\"cursor\" is not one of ours");
	} else if (wait->request && error < 0) {
		reply_store_error(wait->request, error);
	} else if (wait->request) {
		buf_add_str(body, "],\"next_cursor\":");
		if (next)
			buf_add_json_str(body, next);
		else
			buf_add_str(body, "null");
		buf_add_str(body, "}");
		api_reply_json(wait->request, body);
	}
	buf_done(body);
	free(wait);
}
