/* routes: the table. Schemas and parameters, by name, are those of schemas.json. */
#include "daemon/http/routes.h"

#include "daemon/http/problem.h"

_Static_assert(PROBLEM_COUNT <= 64, "route.problems has a bit for each");

/* clang-format off */
#define P(name) (UINT64_C(1) << PROBLEM_##name)
#define JSON(status, schema, what) { status, "application/json", schema, what }
#define EVENTS(what)               { 200, "text/event-stream", "RunEvent", what }
#define TEXT(type, what)           { 200, type, NULL, what }
#define EMPTY(status, what)        { status, NULL, NULL, what }

/* What making a run, and waiting for its end, can come to. `interrupted` is not among it: who waited
 * for such a run is gone, and its Idempotency-Key is free again. */
#define RUN_PROBLEMS                                                                      \
	(P(NOT_FOUND) | P(SESSION_BUSY) | P(SESSION_MISMATCH) | P(RUN_CANCELLED) |        \
	 P(UNSUPPORTED_MEDIA_TYPE) | P(IDEMPOTENCY_MISMATCH) | P(AGENT_FAILED) |          \
	 P(AGENT_CRASHED) | P(OVERLOADED) | P(AGENT_UNAVAILABLE) | P(DRAINING) |          \
	 P(STORE_UNAVAILABLE) | P(TIMEOUT))
#define RUN_REPLIES                                                                       \
	JSON(200, "RunReply", "the run has succeeded"),                                   \
	EVENTS("with `stream`: the run's events, up to its end, whatever that is"),       \
	JSON(202, "RunAccepted", "with `background`: the run is in the store")

const struct route routes[] = {
	{ HTTP_GET, "/health", ROUTE_OPEN, api_health, "daemon", "getHealth",
	  "Whether the daemon runs",
	  "For a liveness probe. It says nothing about the agents: see `/ready`.",
	  .replies = { JSON(200, "Health", "it runs") } },
	{ HTTP_GET, "/ready", ROUTE_OPEN, api_ready, "daemon", "getReady",
	  "Whether every agent serves",
	  "For a readiness probe. While agentd stops it is not ready.",
	  .replies = { JSON(200, "Ready", "all are ready"), JSON(503, "Ready", "some are not") } },
	{ HTTP_GET, "/metrics", ROUTE_METRICS, api_metrics, "daemon", "getMetrics",
	  "What there is to measure, for Prometheus",
	  "In the text format 0.0.4. Counters begin with the process.",
	  .replies = { TEXT("text/plain", "the metrics") } },
	{ HTTP_POST, "/run", ROUTE_USER, api_run, "runs", "run",
	  "Run the default agent, or the one that `agent` names",
	  "Answers when the run has ended; with `stream` as it goes; with `background` at once. A client that "
	  "leaves cancels its run (`on_disconnect` of the agent), unless it can come back for it: in the "
	  "background, or with an `Idempotency-Key`.",
	  .takes = { "Idempotency-Key" }, .body = "RunRequest",
	  .replies = { RUN_REPLIES }, .problems = RUN_PROBLEMS },
	{ HTTP_GET, "/agents", ROUTE_USER, api_agents_list, "agents", "listAgents",
	  "List the agents",
	  "In the order of the config.",
	  .replies = { JSON(200, "AgentList", "all of them") } },
	{ HTTP_GET, "/agents/{name}", ROUTE_USER, api_agents_get, "agents", "getAgent",
	  "How an agent does",
	  "What it is, how its processes do, its load and its limits. Its options are not shown.",
	  .replies = { JSON(200, "Agent", "the agent") } },
	{ HTTP_POST, "/agents/{name}/run", ROUTE_USER, api_agents_run, "agents", "runAgent",
	  "Run this agent",
	  "As `POST /run`; `agent` in the body may be absent, or say the same.",
	  .takes = { "Idempotency-Key" }, .body = "RunRequest",
	  .replies = { RUN_REPLIES }, .problems = RUN_PROBLEMS },
	{ HTTP_POST, "/agents/{name}/restart", ROUTE_ADMIN, api_agents_restart, "agents", "restartAgent",
	  "Put new processes in the place of an agent's",
	  "Those that serve go on until the new ones are ready, and end what they have begun. One that has "
	  "failed, or waits for another try, is started at once.",
	  .replies = { JSON(202, "AgentRestarting", "new processes are being started") },
	  .problems = P(OVERLOADED) },
	{ HTTP_GET, "/runs", ROUTE_USER, api_runs_list, "runs", "listRuns",
	  "List runs, newest first",
	  "Without a store (`store.enabled: false`) only those that are going on.",
	  .takes = { "agent", "session_id", "status", "limit", "cursor" },
	  .replies = { JSON(200, "RunList", "a page of them") }, .problems = P(STORE_UNAVAILABLE) },
	{ HTTP_GET, "/runs/{id}", ROUTE_USER, api_runs_get, "runs", "getRun",
	  "A run, going or over",
	  "Its input, its result or its error, and its times.",
	  .replies = { JSON(200, "Run", "the run") }, .problems = P(STORE_UNAVAILABLE) },
	{ HTTP_GET, "/runs/{id}/events", ROUTE_USER, api_runs_events, "runs", "getRunEvents",
	  "The stream of a run, live or replayed",
	  "From its first event, or behind `Last-Event-ID`, up to its end. A stream that was cut goes on so, "
	  "also after a restart of agentd. Whoever listens only listens: leaving cancels nothing.",
	  .takes = { "Last-Event-ID" },
	  .replies = { EVENTS("the events"), EMPTY(204, "the client knows them all, and need not come again") },
	  .problems = P(STORE_UNAVAILABLE) },
	{ HTTP_POST, "/runs/{id}/cancel", ROUTE_USER, api_runs_cancel, "runs", "cancelRun",
	  "Cancel a run, queued or running",
	  "Whoever waits for it is told `run_cancelled`. The agent is told to stop, and replaced if it does not.",
	  .replies = { JSON(202, "RunCancelled", "it is cancelled") },
	  .problems = P(RUN_OVER) | P(STORE_UNAVAILABLE) },
	{ HTTP_GET, "/sessions", ROUTE_USER, api_sessions_list, "sessions", "listSessions",
	  "List sessions, by their last run",
	  "Without their messages.",
	  .takes = { "limit", "cursor" },
	  .replies = { JSON(200, "SessionList", "a page of them") }, .problems = P(STORE_UNAVAILABLE) },
	{ HTTP_GET, "/sessions/{id}", ROUTE_USER, api_sessions_get, "sessions", "getSession",
	  "A session with its messages, oldest first",
	  "At most the last 10,000 messages, or 8 MiB of them.",
	  .replies = { JSON(200, "Session", "the session") }, .problems = P(STORE_UNAVAILABLE) },
	{ HTTP_DELETE, "/sessions/{id}", ROUTE_USER, api_sessions_delete, "sessions", "deleteSession",
	  "Delete a session with its runs",
	  "Not while one of its runs is going on: cancel that first.",
	  .replies = { EMPTY(204, "it is gone") }, .problems = P(SESSION_BUSY) | P(STORE_UNAVAILABLE) },
	{ HTTP_GET, "/triggers", ROUTE_USER, api_triggers_list, "triggers", "listTriggers",
	  "List what makes runs",
	  "In the order of the config; behind them those that plugins bring.",
	  .replies = { JSON(200, "TriggerList", "all of them") } },
	{ HTTP_POST, "/cron/{name}/run", ROUTE_ADMIN, api_cron_run, "triggers", "runCron",
	  "Run what a schedule runs, now",
	  "Beside its times: neither they nor a pause change anything in this, nor this in them.",
	  .takes = { "Idempotency-Key" },
	  .replies = { JSON(202, "RunAccepted", "its run is in the store") },
	  .problems = P(SESSION_BUSY) | P(IDEMPOTENCY_MISMATCH) | P(OVERLOADED) | P(STORE_UNAVAILABLE) },
	{ HTTP_POST, "/cron/{name}/pause", ROUTE_ADMIN, api_cron_pause, "triggers", "pauseCron",
	  "Stop a schedule",
	  "Its times are left out until it is resumed, also after a restart of agentd. A run that is going goes on.",
	  .replies = { JSON(200, "CronTrigger", "it is paused") }, .problems = P(STORE_UNAVAILABLE) },
	{ HTTP_POST, "/cron/{name}/resume", ROUTE_ADMIN, api_cron_resume, "triggers", "resumeCron",
	  "Let a schedule go on",
	  "With its next time; those that were left out do not come again.",
	  .replies = { JSON(200, "CronTrigger", "it goes on") }, .problems = P(STORE_UNAVAILABLE) },
	{ HTTP_POST, "/events/{name}", ROUTE_USER, api_events_emit, "triggers", "emitEvent",
	  "Say that an event has happened",
	  "Each trigger that waits for it makes a run, which is in the store before this is answered. The body "
	  "is any JSON: what is no object becomes `{\"data\": …}`, and nothing an empty object.",
	  .takes = { "Idempotency-Key" }, .body = "EventBody",
	  .replies = { JSON(202, "EventAccepted", "its runs are in the store") },
	  .problems = P(SESSION_BUSY) | P(IDEMPOTENCY_MISMATCH) | P(OVERLOADED) | P(STORE_UNAVAILABLE) },
	{ HTTP_GET, "/openapi.json", ROUTE_DOCS, api_openapi, "docs", "getOpenapi",
	  "This document",
	  "OpenAPI 3.1. Only there with `http.docs: true`.",
	  .replies = { JSON(200, "OpenapiDocument", "the document") } },
	{ HTTP_GET, "/docs", ROUTE_DOCS, api_docs, "docs", "getDocs",
	  "This document as a page, to read and to try",
	  "Only there with `http.docs: true`.",
	  .replies = { TEXT("text/html", "the page") } },
};
/* clang-format on */
const size_t route_count = sizeof(routes) / sizeof(routes[0]);
