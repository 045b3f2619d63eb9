/* api_metrics: what there is to measure. */
#include <unistd.h>

#include "daemon/chat/chats.h"
#include "daemon/http/api.h"
#include "daemon/http/metric.h"
#include "daemon/http/route.h"
#include "daemon/proc/usage.h"
#include "daemon/run/agent.h"
#include "daemon/trigger/cron.h"
#include "daemon/version.h"

/* A sample with the agent for its label. */
static void sample(struct buf *out, const char *name, const struct agent *agent, double value)
{
	metric_sample(out, name, "agent", agent_settings(agent)->instance.name, value);
}

static void write_runs(struct buf *out, const struct agent *agent, const struct agent_view *view)
{
	for (size_t i = 0; i < view->tally->count; i++)
		for (int status = RUN_SUCCEEDED; status <= RUN_CANCELLED; status++) {
			const struct tally_row *row = &view->tally->rows[i];
			buf_add_str(out, "agentd_runs_total{");
			metric_label(out, "agent", agent_settings(agent)->instance.name);
			buf_add_str(out, ",");
			metric_label(out, "source", row->source);
			buf_addf(out, ",status=\"%s\"} %llu\n",
			    run_status_name((enum run_status)status),
			    (unsigned long long)row->ended[status]);
		}
}

static void write_run_duration(
    struct buf *out, const struct agent *agent, const struct agent_view *view)
{
	metric_histogram(out, "agentd_run_duration_seconds", "agent",
	    agent_settings(agent)->instance.name, &view->tally->running);
}

static void write_running(struct buf *out, const struct agent *agent, const struct agent_view *view)
{
	sample(out, "agentd_runs_running", agent, (double)view->running);
}

static void write_queued(struct buf *out, const struct agent *agent, const struct agent_view *view)
{
	sample(out, "agentd_runs_queued", agent, (double)view->queued);
}

static void write_ready(struct buf *out, const struct agent *agent, const struct agent_view *view)
{
	sample(out, "agentd_agent_ready", agent, view->state == STATE_READY);
}

static void write_restarts(
    struct buf *out, const struct agent *agent, const struct agent_view *view)
{
	sample(out, "agentd_agent_restarts_total", agent, view->restarts);
}

/* What there is of each agent: all samples of a family stand together. */
static const struct {
	const char *name, *type, *help;
	void (*write)(struct buf *out, const struct agent *agent, const struct agent_view *view);
} of_agents[] = {
	{ "agentd_runs_total", "counter", "Runs that have ended.", write_runs },
	{ "agentd_run_duration_seconds", "histogram", "From a run's start in its agent to its end.",
	    write_run_duration },
	{ "agentd_runs_running", "gauge", "Runs that have a place.", write_running },
	{ "agentd_runs_queued", "gauge", "Runs that wait for one.", write_queued },
	{ "agentd_agent_ready", "gauge", "Whether the agent serves.", write_ready },
	{ "agentd_agent_restarts_total", "counter", "Restarts of its processes.", write_restarts },
};

static void write_agents(struct buf *out, struct api *api)
{
	for (size_t i = 0; i < sizeof(of_agents) / sizeof(of_agents[0]); i++) {
		const struct agent *agent;
		metric_family(out, of_agents[i].name, of_agents[i].type, of_agents[i].help);
		for (size_t j = 0; (agent = registry_at(api->registry, j)); j++) {
			struct agent_view view;
			agent_look(agent, &view);
			of_agents[i].write(out, agent, &view);
		}
	}
}

/* What there is of each interface, and of each hook. */

static void write_interface_messages(
    struct buf *out, const char *name, const struct interface_view *view)
{
	const struct {
		const char *what;
		uint64_t count;
	} rows[] = {
		{ "received", view->received },
		{ "answered", view->answered },
		{ "failed", view->failed },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_add_str(out, "agentd_interface_messages_total{");
		metric_label(out, "interface", name);
		buf_addf(
		    out, ",what=\"%s\"} %llu\n", rows[i].what, (unsigned long long)rows[i].count);
	}
}

static void write_interface_waiting(
    struct buf *out, const char *name, const struct interface_view *view)
{
	metric_sample(out, "agentd_interface_waiting", "interface", name, (double)view->waiting);
}

static void write_interface_ready(
    struct buf *out, const char *name, const struct interface_view *view)
{
	metric_sample(out, "agentd_interface_ready", "interface", name, view->state == STATE_READY);
}

static void write_interface_restarts(
    struct buf *out, const char *name, const struct interface_view *view)
{
	metric_sample(out, "agentd_interface_restarts_total", "interface", name, view->restarts);
}

static const struct {
	const char *name, *type, *help;
	void (*write)(struct buf *out, const char *name, const struct interface_view *view);
} of_interfaces[] = {
	{ "agentd_interface_messages_total", "counter",
	    "Messages that came, replies that the platform took, and runs or replies that failed.",
	    write_interface_messages },
	{ "agentd_interface_waiting", "gauge",
	    "Messages without an answer, and replies that the platform has not taken.",
	    write_interface_waiting },
	{ "agentd_interface_ready", "gauge", "Whether the interface serves.",
	    write_interface_ready },
	{ "agentd_interface_restarts_total", "counter", "Restarts of its process.",
	    write_interface_restarts },
};

static void write_interfaces(struct buf *out, struct api *api)
{
	const struct interface *interface;
	if (!chats_interface_at(api->chats, 0))
		return;
	for (size_t i = 0; i < sizeof(of_interfaces) / sizeof(of_interfaces[0]); i++) {
		metric_family(
		    out, of_interfaces[i].name, of_interfaces[i].type, of_interfaces[i].help);
		for (size_t j = 0; (interface = chats_interface_at(api->chats, j)); j++) {
			struct interface_view view;
			interface_look(interface, &view);
			of_interfaces[i].write(
			    out, interface_settings(interface)->instance.name, &view);
		}
	}
}

static double hook_calls(const struct hook_view *view)
{
	return (double)view->calls;
}

static double hook_waiting(const struct hook_view *view)
{
	return (double)view->waiting;
}

static double hook_ready(const struct hook_view *view)
{
	return view->state == STATE_READY;
}

static double hook_restarts(const struct hook_view *view)
{
	return view->restarts;
}

static const struct {
	const char *name, *type, *help;
	double (*value)(const struct hook_view *view);
} of_hooks[] = {
	{ "agentd_hook_calls_total", "counter", "How often the hook was asked.", hook_calls },
	{ "agentd_hook_waiting", "gauge", "Calls that wait for its process.", hook_waiting },
	{ "agentd_hook_ready", "gauge", "Whether the hook serves.", hook_ready },
	{ "agentd_hook_restarts_total", "counter", "Restarts of its process.", hook_restarts },
};

static void write_hooks(struct buf *out, struct api *api)
{
	const struct hook *hook;
	if (!chats_hook_at(api->chats, 0))
		return;
	for (size_t i = 0; i < sizeof(of_hooks) / sizeof(of_hooks[0]); i++) {
		metric_family(out, of_hooks[i].name, of_hooks[i].type, of_hooks[i].help);
		for (size_t j = 0; (hook = chats_hook_at(api->chats, j)); j++) {
			struct hook_view view;
			hook_look(hook, &view);
			metric_sample(out, of_hooks[i].name, "hook",
			    hook_settings(hook)->instance.name, of_hooks[i].value(&view));
		}
	}
}

/* The processes of all these. */

enum measure { MEASURE_CPU, MEASURE_MEMORY };

/* One that ends just now is passed over. */
static void write_process_of(
    struct buf *out, enum measure measure, const char *kind, const char *name, pid_t pid)
{
	struct usage usage;
	if (!pid || usage_read(pid, &usage) < 0)
		return;
	buf_add_str(out, measure == MEASURE_CPU ? "agentd_host_cpu_seconds_total{"
						: "agentd_host_resident_memory_bytes{");
	metric_label(out, kind, name);
	buf_addf(out, ",pid=\"%d\"} ", (int)pid);
	if (measure == MEASURE_CPU)
		buf_addf(out, "%.9g\n", usage.cpu_seconds);
	else
		buf_addf(out, "%llu\n", (unsigned long long)usage.resident_bytes);
}

static void write_processes(struct buf *out, struct api *api, enum measure measure)
{
	const struct agent *agent;
	const struct interface *interface;
	const struct hook *hook;
	for (size_t i = 0; (agent = registry_at(api->registry, i)); i++) {
		struct agent_view view;
		agent_look(agent, &view);
		for (size_t j = 0; j < view.pid_count; j++)
			write_process_of(out, measure, "agent",
			    agent_settings(agent)->instance.name, view.pids[j]);
	}
	for (size_t i = 0; (interface = chats_interface_at(api->chats, i)); i++) {
		struct interface_view view;
		interface_look(interface, &view);
		write_process_of(out, measure, "interface",
		    interface_settings(interface)->instance.name, view.pid);
	}
	for (size_t i = 0; (hook = chats_hook_at(api->chats, i)); i++) {
		struct hook_view view;
		hook_look(hook, &view);
		write_process_of(
		    out, measure, "hook", hook_settings(hook)->instance.name, view.pid);
	}
}

static void write_hosts(struct buf *out, struct api *api)
{
	metric_family(out, "agentd_host_cpu_seconds_total", "counter", "CPU time of a process.");
	write_processes(out, api, MEASURE_CPU);
	metric_family(out, "agentd_host_resident_memory_bytes", "gauge", "Memory of a process.");
	write_processes(out, api, MEASURE_MEMORY);
}

static void write_http(struct buf *out, const struct http_request *request)
{
	struct http_view view;
	http_look(request, &view);
	metric_family(out, "agentd_http_connections", "gauge", "Open connections.");
	buf_addf(out, "agentd_http_connections %zu\n", view.connections);
	metric_family(out, "agentd_http_responses_total", "counter",
	    "Requests that were answered, by the class of the status; 499s are clients that left.");
	for (size_t i = 2; i < sizeof(view.answered) / sizeof(view.answered[0]); i++)
		buf_addf(out, "agentd_http_responses_total{class=\"%zuxx\"} %llu\n", i,
		    (unsigned long long)view.answered[i]);
}

static void write_store(struct buf *out, struct store *store)
{
	struct store_view view;
	store_look(store, &view);
	metric_family(out, "agentd_store_writable", "gauge", "Whether it can write.");
	buf_addf(out, "agentd_store_writable %d\n", store_trouble(store) == 0);
	metric_family(out, "agentd_store_commit_duration_seconds", "histogram",
	    "Commits to disk, each of all that was waiting for one.");
	metric_histogram(out, "agentd_store_commit_duration_seconds", NULL, NULL, &view.commits);
	metric_family(out, "agentd_store_size_bytes", "gauge", "The store's file, and its log.");
	buf_addf(out, "agentd_store_size_bytes %llu\n", (unsigned long long)view.bytes);
}

static void write_cron(struct buf *out, const struct api *api)
{
	const struct cron_entry *entry;
	if (!cron_at(api->cron, 0))
		return;
	metric_family(out, "agentd_cron_lateness_seconds", "histogram",
	    "From a due time to its run, those aside that were missed.");
	metric_histogram(out, "agentd_cron_lateness_seconds", NULL, NULL, cron_lateness(api->cron));
	metric_family(out, "agentd_cron_skipped_total", "counter",
	    "Due times that were left out, since the run before was going on, or none could be made.");
	for (size_t i = 0; (entry = cron_at(api->cron, i)); i++) {
		struct cron_view view;
		cron_look(entry, &view);
		buf_addf(out, "agentd_cron_skipped_total{cron=\"%s\"} %llu\n",
		    cron_trigger(entry)->settings->name, (unsigned long long)view.skipped);
	}
}

/* agentd itself, under the names that every client library gives to them. */
static void write_process(struct buf *out)
{
	struct usage usage;
	metric_family(out, "agentd_build_info", "gauge", "1; the version is its label.");
	buf_add_str(out, "agentd_build_info{version=\"" AGENTD_VERSION "\"} 1\n");
	if (usage_read(getpid(), &usage) < 0)
		return;
	metric_family(out, "process_cpu_seconds_total", "counter", "CPU time of agentd itself.");
	buf_addf(out, "process_cpu_seconds_total %.9g\n", usage.cpu_seconds);
	metric_family(out, "process_resident_memory_bytes", "gauge", "Memory of agentd itself.");
	buf_addf(
	    out, "process_resident_memory_bytes %llu\n", (unsigned long long)usage.resident_bytes);
}

/* Under the names that Prometheus has for it. */
static void write_config(struct buf *out, const struct api_config *config)
{
	metric_family(out, "agentd_config_last_reload_successful", "gauge",
	    "Whether the config is served as it was when it was read last.");
	buf_addf(out, "agentd_config_last_reload_successful %d\n", config->is_good);
	metric_family(out, "agentd_config_last_reload_success_timestamp_seconds", "gauge",
	    "When the config that is served was read.");
	buf_addf(out, "agentd_config_last_reload_success_timestamp_seconds %.3f\n",
	    (double)config->read_wall_ms / 1000);
}

void api_metrics(struct api *api, struct http_request *request, const struct route_params *params)
{
	(void)params;
	struct buf body = { 0 };
	write_process(&body);
	write_agents(&body, api);
	write_interfaces(&body, api);
	write_hooks(&body, api);
	write_hosts(&body, api);
	write_http(&body, request);
	write_config(&body, api->config);
	if (store_keeps_runs(api->store))
		write_store(&body, api->store);
	write_cron(&body, api);
	http_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", &body);
}
