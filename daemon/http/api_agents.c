/* api_agents: what the agents are and how they do. Their options are not shown: some are secrets. */
#include <errno.h>

#include "daemon/base/log.h"
#include "daemon/http/api.h"
#include "daemon/http/problem.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/trigger/trigger.h"

bool api_may_use(struct http_request *request, const struct agent *agent)
{
	const char *name = agent_settings(agent)->instance.name;
	if (principal_may_use(http_principal(request), name))
		return true;
	http_note_refusal(request, "its key is not for the agent");
	problem_reply(request, PROBLEM_FORBIDDEN, "your key is not for the agent \"%s\"", name);
	return false;
}

struct agent *api_agent(struct api *api, struct http_request *request, const char *name)
{
	struct agent *agent = registry_find(api->registry, name);
	if (!agent)
		problem_reply(request, PROBLEM_NOT_FOUND, "there is no agent \"%s\"", name);
	return agent && api_may_use(request, agent) ? agent : NULL;
}

static void add_limits(struct buf *out, const struct agent_settings *settings)
{
	const struct host_limits *limits = &settings->instance.limits;
	buf_addf(out,
	    "{\"concurrency\":%lld,\"queue\":%lld,\"timeout\":%.3f,\"queue_timeout\":%.3f,"
	    "\"memory\":%lld,\"files\":%lld}",
	    (long long)settings->concurrency, (long long)settings->queue,
	    (double)settings->timeout_ms / 1000, (double)settings->queue_timeout_ms / 1000,
	    (long long)limits->memory, (long long)limits->files);
}

/* Those that its plugin brings; what each is like, /triggers says. */
static void add_triggers(struct buf *out, const struct api *api, const struct agent *agent)
{
	const struct trigger *trigger;
	bool first = true;
	buf_add_str(out, ",\"triggers\":[");
	for (enum trigger_kind kind = 0; kind < TRIGGER_KINDS; kind++)
		for (size_t i = 0; (trigger = triggers_at(api->triggers, kind, i)); i++) {
			if (!trigger->settings->brought || trigger->agent != agent)
				continue;
			buf_addf(out, "%s{\"name\":\"%s\",\"source\":", first ? "" : ",",
			    trigger->settings->name);
			buf_add_json_str(out, trigger->source);
			buf_add_str(out, "}");
			first = false;
		}
	buf_add_str(out, "]");
}

static void add_agent(
    struct buf *out, const struct api *api, const struct principal *who, const struct agent *agent)
{
	const struct agent_settings *settings = agent_settings(agent);
	struct agent_view view;
	agent_look(agent, &view);
	struct api_process process = {
		.state = view.state,
		.generation = view.generation,
		.pids = view.pids,
		.pid_count = view.pid_count,
		.restarts = view.restarts,
		.last_exit = view.last_exit,
		.retry_at_wall_ms = view.retry_at_wall_ms,
	};
	buf_add_str(out, "{");
	api_process_write(out, who, &settings->instance, agent_descriptor(agent), &process);
	buf_addf(out, ",\"running\":%zu,\"queued\":%zu,\"limits\":", view.running, view.queued);
	add_limits(out, settings);
	add_triggers(out, api, agent);
	buf_add_str(out, "}");
}

void api_agents_list(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	(void)params;
	struct buf body = { 0 };
	struct agent *agent;
	buf_add_str(&body, "{\"agents\":[");
	bool first = true;
	for (size_t i = 0; (agent = registry_at(api->registry, i)); i++) {
		if (!principal_may_use(
			http_principal(request), agent_settings(agent)->instance.name))
			continue;
		buf_add_str(&body, first ? "" : ",");
		add_agent(&body, api, http_principal(request), agent);
		first = false;
	}
	buf_add_str(&body, "]}");
	api_reply_json(request, &body);
}

void api_agents_get(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	struct agent *agent = api_agent(api, request, params->value[0]);
	struct buf body = { 0 };
	if (!agent)
		return;
	add_agent(&body, api, http_principal(request), agent);
	api_reply_json(request, &body);
}

void api_agents_restart(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	struct agent *agent = api_agent(api, request, params->value[0]);
	struct buf body = { 0 };
	if (!agent)
		return;
	int error = agent_restart(agent);
	if (error == -EBUSY) {
		reply_add_retry_after(request, PROBLEM_OVERLOADED, agent);
		problem_reply(request, PROBLEM_OVERLOADED,
		    "several of its older processes have not ended yet");
		return;
	}
	if (error < 0) {
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
		return;
	}
	log_info("%s: a restart was asked for", agent_settings(agent)->instance.label);
	buf_addf(&body, "{\"agent\":\"%s\",\"status\":\"restarting\"}\n",
	    agent_settings(agent)->instance.name);
	http_reply(request, 202, "application/json", &body);
}
