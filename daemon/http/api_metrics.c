/* api_metrics: what there is to measure, in Prometheus' text format 0.0.4
 * (prometheus.io/docs/instrumenting/exposition_formats). */
#include <unistd.h>

#include "daemon/http/api.h"
#include "daemon/http/route.h"
#include "daemon/proc/usage.h"
#include "daemon/run/agent.h"
#include "daemon/trigger/cron.h"
#include "daemon/version.h"

static void family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* The only texts are names that the config gives, and they may be anything. */
static void label(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			buf_add_str(out, "\\");
		if (*value == '\n')
			buf_add_str(out, "\\n");
		else
			buf_add(out, value, 1);
	}
	buf_add_str(out, "\"");
}

/* A sample with the agent for its label. */
static void sample(struct buf *out, const char *name, const struct agent *agent, double value)
{
	buf_addf(out, "%s{", name);
	label(out, "agent", agent_settings(agent)->instance.name);
	buf_addf(out, "} %.15g\n", value);
}

/* `agent` may be NULL. */
static void write_histogram(
    struct buf *out, const char *name, const struct agent *agent, const struct histogram *histogram)
{
	struct buf who = { 0 };
	uint64_t below = 0;
	if (agent)
		label(&who, "agent", agent_settings(agent)->instance.name);
	int n = (int)who.length;
	const char *labels = who.data ? who.data : "";
	for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
		below += histogram->count[i];
		buf_addf(out, "%s_bucket{%.*s%sle=\"", name, n, labels, n ? "," : "");
		if (i < HISTOGRAM_BOUNDS)
			buf_addf(out, "%g", histogram_bound[i]);
		else
			buf_add_str(out, "+Inf");
		buf_addf(out, "\"} %llu\n", (unsigned long long)below);
	}
	const char *open = n ? "{" : "", *close = n ? "}" : "";
	buf_addf(out, "%s_sum%s%.*s%s %.9g\n%s_count%s%.*s%s %llu\n", name, open, n, labels, close,
	    (double)histogram->sum_us / 1e6, name, open, n, labels, close,
	    (unsigned long long)below);
	buf_done(&who);
}

static void write_runs(struct buf *out, const struct agent *agent, const struct agent_view *view)
{
	for (size_t i = 0; i < view->tally->count; i++)
		for (int status = RUN_SUCCEEDED; status <= RUN_CANCELLED; status++) {
			const struct tally_row *row = &view->tally->rows[i];
			buf_add_str(out, "agentd_runs_total{");
			label(out, "agent", agent_settings(agent)->instance.name);
			buf_add_str(out, ",");
			label(out, "source", row->source);
			buf_addf(out, ",status=\"%s\"} %llu\n",
			    run_status_name((enum run_status)status),
			    (unsigned long long)row->ended[status]);
		}
}

static void write_run_duration(
    struct buf *out, const struct agent *agent, const struct agent_view *view)
{
	write_histogram(out, "agentd_run_duration_seconds", agent, &view->tally->running);
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

/* One that ends just now is passed over. */
static void write_cpu(struct buf *out, const struct agent *agent, const struct agent_view *view)
{
	struct usage usage;
	for (size_t i = 0; i < view->pid_count; i++) {
		if (usage_read(view->pids[i], &usage) < 0)
			continue;
		buf_add_str(out, "agentd_host_cpu_seconds_total{");
		label(out, "agent", agent_settings(agent)->instance.name);
		buf_addf(out, ",pid=\"%d\"} %.9g\n", (int)view->pids[i], usage.cpu_seconds);
	}
}

static void write_memory(struct buf *out, const struct agent *agent, const struct agent_view *view)
{
	struct usage usage;
	for (size_t i = 0; i < view->pid_count; i++) {
		if (usage_read(view->pids[i], &usage) < 0)
			continue;
		buf_add_str(out, "agentd_host_resident_memory_bytes{");
		label(out, "agent", agent_settings(agent)->instance.name);
		buf_addf(out, ",pid=\"%d\"} %llu\n", (int)view->pids[i],
		    (unsigned long long)usage.resident_bytes);
	}
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
	{ "agentd_host_cpu_seconds_total", "counter", "CPU time of a process.", write_cpu },
	{ "agentd_host_resident_memory_bytes", "gauge", "Memory of a process.", write_memory },
};

static void write_agents(struct buf *out, struct api *api)
{
	for (size_t i = 0; i < sizeof(of_agents) / sizeof(of_agents[0]); i++) {
		const struct agent *agent;
		family(out, of_agents[i].name, of_agents[i].type, of_agents[i].help);
		for (size_t j = 0; (agent = registry_at(api->registry, j)); j++) {
			struct agent_view view;
			agent_look(agent, &view);
			of_agents[i].write(out, agent, &view);
		}
	}
}

static void write_http(struct buf *out, const struct http_request *request)
{
	struct http_view view;
	http_look(request, &view);
	family(out, "agentd_http_connections", "gauge", "Open connections.");
	buf_addf(out, "agentd_http_connections %zu\n", view.connections);
	family(out, "agentd_http_responses_total", "counter",
	    "Requests that were answered, by the class of the status; 499s are clients that left.");
	for (size_t i = 2; i < sizeof(view.answered) / sizeof(view.answered[0]); i++)
		buf_addf(out, "agentd_http_responses_total{class=\"%zuxx\"} %llu\n", i,
		    (unsigned long long)view.answered[i]);
}

static void write_store(struct buf *out, struct store *store)
{
	struct store_view view;
	store_look(store, &view);
	family(out, "agentd_store_commit_duration_seconds", "histogram",
	    "Commits to disk, each of all that was waiting for one.");
	write_histogram(out, "agentd_store_commit_duration_seconds", NULL, &view.commits);
	family(out, "agentd_store_size_bytes", "gauge", "The store's file, and its log.");
	buf_addf(out, "agentd_store_size_bytes %llu\n", (unsigned long long)view.bytes);
}

static void write_cron(struct buf *out, const struct api *api)
{
	const struct cron_entry *entry;
	if (!cron_at(api->cron, 0))
		return;
	family(out, "agentd_cron_lateness_seconds", "histogram",
	    "From a due time to its run, those aside that were missed.");
	write_histogram(out, "agentd_cron_lateness_seconds", NULL, cron_lateness(api->cron));
	family(out, "agentd_cron_skipped_total", "counter",
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
	family(out, "agentd_build_info", "gauge", "1; the version is its label.");
	buf_add_str(out, "agentd_build_info{version=\"" AGENTD_VERSION "\"} 1\n");
	if (usage_read(getpid(), &usage) < 0)
		return;
	family(out, "process_cpu_seconds_total", "counter", "CPU time of agentd itself.");
	buf_addf(out, "process_cpu_seconds_total %.9g\n", usage.cpu_seconds);
	family(out, "process_resident_memory_bytes", "gauge", "Memory of agentd itself.");
	buf_addf(
	    out, "process_resident_memory_bytes %llu\n", (unsigned long long)usage.resident_bytes);
}

void api_metrics(struct api *api, struct http_request *request, const struct route_params *params)
{
	(void)params;
	struct buf body = { 0 };
	write_process(&body);
	write_agents(&body, api);
	write_http(&body, request);
	if (store_keeps_runs(api->store))
		write_store(&body, api->store);
	write_cron(&body, api);
	http_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", &body);
}
