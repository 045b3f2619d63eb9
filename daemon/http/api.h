/* api: what the endpoints have to work with, and the endpoints, a file for each group. */
#ifndef AGENTD_HTTP_API_H
#define AGENTD_HTTP_API_H

#include "daemon/http/server.h"
#include "daemon/run/registry.h"
#include "daemon/run/run.h"

struct auth;
struct build;
struct chats;
struct cron;
struct interface;
struct trigger;
struct triggers;
struct route_params;

/* What came of reading the config again: mistakes, if it was not good, and what is worth a warning. Borrowed for the
 * call. NULL: memory is out. */
struct api_reloaded {
	bool is_good;
	struct conf_errors *errors, *notes;
};
typedef void api_reloaded_fn(void *arg, const struct api_reloaded *result);

/* What is served, by what was read last. */
struct api_config {
	bool is_good;          /* that; if not, an older one is still served */
	uint64_t read_wall_ms; /* when the one that is served was read */
};

/* All borrowed. Each config has its own; the last of it are agentd's. */
struct api {
	const struct settings *settings;
	struct auth *auth;
	struct registry *registry;
	struct triggers *triggers;
	struct chats *chats;
	struct cron *cron;
	struct runs *runs;
	struct store *store;
	const struct build *build; /* in dev mode; else NULL */
	const bool *draining;
	const struct api_config *config;
	/* Reads the config again; `done` is called once, maybe before this returns. */
	void (*reload)(void *arg, api_reloaded_fn *done, void *done_arg);
	void *arg;
};

typedef void api_handler(
    struct api *api, struct http_request *request, const struct route_params *params);

/* api_health.c */
api_handler api_health, api_ready;
/* api_metrics.c */
api_handler api_metrics;
/* api_agents.c */
api_handler api_agents_list, api_agents_get, api_agents_restart;
/* api_run.c */
api_handler api_run, api_agents_run;
/* api_runs.c */
api_handler api_runs_list, api_runs_get, api_runs_events, api_runs_cancel;
/* api_events.c */
api_handler api_events_emit;
/* api_webhooks.c: a webhook of the config, which is a route of its own. */
void api_webhook(struct api *api, struct http_request *request, const struct trigger *webhook);
enum http_method api_webhook_method(const struct trigger *webhook);
/* api_cron.c */
api_handler api_cron_run, api_cron_pause, api_cron_resume;
/* api_interfaces.c */
api_handler api_interfaces_list, api_interfaces_get, api_interfaces_restart;
api_handler api_hooks_list, api_hooks_get, api_hooks_restart;
/* api_paths.c: the interface that a request is for, and the methods that its path has; and asking it. */
struct interface *api_path_find(
    const struct api *api, const struct http_request *request, unsigned *ret_methods);
void api_path(struct api *api, struct http_request *request, struct interface *interface);
/* api_outbox.c */
api_handler api_outbox_list, api_outbox_retry, api_outbox_delete;
/* api_identities.c */
api_handler api_identities_list, api_identities_get, api_identities_put, api_identities_delete;
/* api_reload.c */
api_handler api_reload;
/* api_triggers.c */
api_handler api_triggers_list;
/* One as the list has it. */
void api_trigger_write(struct buf *out, struct api *api, const struct trigger *trigger);
/* api_sessions.c */
api_handler api_sessions_list, api_sessions_get, api_sessions_delete;
/* api_docs.c */
api_handler api_openapi, api_docs;

/* What there is of an agent, an interface or a hook in its processes. */
struct api_process {
	enum state state;
	unsigned generation, restarts;
	const pid_t *pids;
	size_t pid_count;
	const struct child_exit *last_exit;
	uint64_t retry_at_wall_ms;
};
/* The first of its fields, behind a brace: from its name to next_retry_at. `who` sees them. */
void api_process_write(struct buf *out, const struct principal *who,
    const struct instance_settings *settings, const struct descriptor *plugin,
    const struct api_process *process);

/* The agent that a path names; NULL after answering 404, or 403: it is not for whoever asks. */
struct agent *api_agent(struct api *api, struct http_request *request, const char *name);
/* Whether whoever asks may use it; if not, that is answered. */
bool api_may_use(struct http_request *request, const struct agent *agent);
/* A request that waits for the store: `request` is NULL once its client has left. */
struct api_wait {
	struct api *api;              /* borrowed */
	struct http_request *request; /* borrowed */
	int status;                   /* of a list: only these; -1: any */
	bool is_its;                  /* of a session: its run is that of who asks */
};
/* NULL: memory is out, and the request is answered. To be freed by the callback. */
struct api_wait *api_wait_new(struct api *api, struct http_request *request);
/* Reads limit (1 to 1000, default 50), cursor, and what else is asked for; the texts are to be freed
 * with api_page_done. False: answered. */
bool api_page_read(
    struct http_request *request, struct store_page *page, const char *const *filters);
void api_page_done(struct store_page *page);
/* Answers a page of a list: `body` has all but the end of it; or why there is none (-EINVAL: its cursor).
 * Ends the wait. */
void api_page_reply(struct api_wait *wait, int error, struct buf *body, const char *next);
/* A JSON answer with status 200. */
void api_reply_json(struct http_request *request, struct buf *body);

#endif
