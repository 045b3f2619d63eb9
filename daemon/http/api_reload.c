/* api_reload: the config is read again. Who asks is told what is wrong with it, line by line. */
#include <stdlib.h>

#include "daemon/http/api.h"
#include "daemon/http/problem.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"

struct wait {
	struct http_request *request; /* borrowed; NULL: its client has left */
};

static void on_gone(void *arg)
{
	struct wait *wait = arg;
	wait->request = NULL;
}

static void add_messages(struct buf *out, struct conf_errors *messages)
{
	for (size_t i = 0; i < conf_errors_count(messages); i++) {
		const char *text = conf_errors_get(messages, i);
		buf_add_str(out, i ? "," : "");
		buf_add_json_str(out, text);
	}
}

/* No errors: memory was out. */
static void reply_bad(struct http_request *request, struct conf_errors *errors)
{
	struct buf lines = { 0 };
	for (size_t i = 0; errors && i < conf_errors_count(errors); i++)
		buf_addf(&lines, "%s%s", i ? "\n" : "", conf_errors_get(errors, i));
	if (lines.length && !lines.failed)
		problem_reply_run(request, PROBLEM_CONFIG_INVALID, NULL,
		    (struct frame_text){ lines.data, lines.length });
	else
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
	buf_done(&lines);
}

static void on_reloaded(void *arg, const struct api_reloaded *result)
{
	struct wait *wait = arg;
	struct http_request *request = wait->request;
	struct buf body = { 0 };
	free(wait);
	if (!request)
		return;
	if (!result->is_good) {
		reply_bad(request, result->errors);
		return;
	}
	buf_add_str(&body, "{\"status\":\"reloaded\",\"warnings\":[");
	add_messages(&body, result->notes);
	buf_add_str(&body, "]}");
	api_reply_json(request, &body);
}

void api_reload(struct api *api, struct http_request *request, const struct route_params *params)
{
	struct wait *wait = malloc(sizeof(*wait));
	(void)params;
	if (!wait) {
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
		return;
	}
	*wait = (struct wait){ request };
	http_on_gone(request, on_gone, wait);
	api->reload(api->arg, on_reloaded, wait);
}
