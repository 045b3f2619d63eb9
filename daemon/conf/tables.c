/*
 * tables: every option of the core, one row each.
 *
 * A new option is a row here and a member in settings.h.
 */
#include "daemon/conf/tables.h"

/* clang-format off */
#define AT(type, member) offsetof(struct type, member)
#define TABLE(rows)      { rows, sizeof(rows) / sizeof((rows)[0]) }
#define SECTION(key, help) { key, SCHEMA_SECTION, false, NULL, NULL, 0, 0, help, 0 }

static const struct schema_row top_rows[] = {
	{ "name", AGENTD_STRING, false, "agentd", NULL, 0, 0, "name in logs, metrics and the API's title", AT(settings, name) },
	{ "default_agent", AGENTD_STRING, false, NULL, NULL, 0, 0, "agent of POST /run; needed only when there are several", AT(settings, default_agent_word) },
	SECTION("http", "the HTTP API"), SECTION("store", "runs and sessions that outlive the process"),
	SECTION("control", "the control socket"), SECTION("plugins", "where plugins are"),
	SECTION("agents", "the agents, by name"), SECTION("supervision", "how processes are supervised"),
	SECTION("log", "the log"), SECTION("auth", "who may come in, by name"),
	SECTION("cron", "what is run at its time, by name"),
	SECTION("webhooks", "what other services call, by name"),
	SECTION("events", "what events make runs, by name"),
	SECTION("interfaces", "the chats of people, by name"),
	SECTION("hooks", "what looks at the messages of interfaces, by name"),
	SECTION("identity", "who is the same user on several platforms"),
	SECTION("dev", "what happens with --dev"),
};

static const struct schema_row http_rows[] = {
	{ "listen", AGENTD_LIST, false, "127.0.0.1:8000", NULL, 0, 0, "addresses: host:port, [::1]:port, unix:/path; systemd: all others that systemd hands over", AT(settings, http.listen) },
	{ "enabled", AGENTD_STRING, false, "auto", "auto|true|false", 0, 0, "whether to serve HTTP; auto: if listen is given, or a webhook or an interface has a path, or there is no interface, schedule or event", AT(settings, http.enabled_word) },
	{ "max_body", AGENTD_SIZE, false, "1M", NULL, 1, 64 << 20, "largest request body", AT(settings, http.max_body) },
	{ "max_head", AGENTD_SIZE, false, "16K", NULL, 1024, 1 << 20, "largest request line and header fields", AT(settings, http.max_head) },
	{ "max_fields", AGENTD_INT, false, "100", NULL, 1, 10000, "most header fields of a request", AT(settings, http.max_fields) },
	{ "max_connections", AGENTD_INT, false, "10000", NULL, 1, 1000000, "open connections; more wait in the kernel", AT(settings, http.max_connections) },
	{ "request_timeout", AGENTD_DURATION, false, "30s", NULL, 1, INT32_MAX, "time for a whole request to arrive", AT(settings, http.request_timeout_ms) },
	{ "keep_alive", AGENTD_DURATION, false, "60s", NULL, 1, INT32_MAX, "how long an idle connection is kept", AT(settings, http.keep_alive_ms) },
	{ "heartbeat", AGENTD_DURATION, false, "15s", NULL, 1, INT32_MAX, "between the comments that keep a stream open", AT(settings, http.heartbeat_ms) },
	{ "slow_reader", AGENTD_DURATION, false, "30s", NULL, 1, INT32_MAX, "how long a stream's reader may take nothing", AT(settings, http.slow_reader_ms) },
	{ "allow_unauthenticated", AGENTD_BOOL, false, "false", NULL, 0, 0, "listen beyond this machine without auth", AT(settings, http.allow_unauthenticated) },
	{ "hosts", AGENTD_LIST, false, NULL, NULL, 0, 0, "names of this server, besides its addresses and localhost", AT(settings, http.hosts) },
	{ "cors_origins", AGENTD_LIST, false, NULL, NULL, 0, 0, "origins whose pages may use this server, such as https://app.example", AT(settings, http.cors_origins) },
	{ "auth", AGENTD_STRING, false, NULL, NULL, 0, 0, "who may use the API: a name of the section auth; none: everybody who can reach it", AT(settings, http.auth_word) },
	{ "metrics_auth", AGENTD_STRING, false, "user", "none|user|admin", 0, 0, "who may read /metrics, where there is auth", AT(settings, http.metrics_auth_word) },
	{ "docs", AGENTD_BOOL, false, "false", NULL, 0, 0, "serve /docs and /openapi.json", AT(settings, http.docs) },
};

static const struct schema_row store_rows[] = {
	{ "enabled", AGENTD_BOOL, false, "true", NULL, 0, 0, "keep runs and sessions on disk", AT(settings, store.enabled) },
	{ "path", AGENTD_STRING, false, NULL, NULL, 0, 0, "the file; without it, agentd.db in the state folder", AT(settings, store.path) },
	{ "retention", AGENTD_DURATION, false, "30d", NULL, 0, INT64_MAX, "how long runs and sessions are kept; 0s: for ever", AT(settings, store.retention_ms) },
	{ "max_size", AGENTD_SIZE, false, "0", NULL, 0, INT64_MAX, "of the file: then the oldest runs go; 0: no limit", AT(settings, store.max_size) },
};

static const struct schema_row control_rows[] = {
	{ "socket", AGENTD_STRING, false, NULL, NULL, 0, 0, "where agentctl finds agentd; without it, agentd.sock in the runtime folder; none: no socket", AT(settings, control.socket) },
	{ "admins", AGENTD_LIST, false, NULL, NULL, 0, 0, "users of this machine who are admins there, besides root", AT(settings, control.admins) },
};

static const struct schema_row plugins_rows[] = {
	{ "path", AGENTD_LIST, false, NULL, NULL, 0, 0, "folders in which `plugin: NAME` is searched", AT(settings, plugin_path) },
	{ "dir", AGENTD_STRING, false, NULL, NULL, 0, 0, "drop-in folder: a plugin in it is served under its file's name", AT(settings, plugin_dir) },
};

static const struct schema_row supervision_rows[] = {
	{ "ready", AGENTD_DURATION, false, "30s", NULL, 1, INT32_MAX, "time for a start until it is READY", AT(supervision, ready_ms) },
	{ "backoff_min", AGENTD_DURATION, false, "1s", NULL, 1, INT32_MAX, "first restart delay; it doubles", AT(supervision, backoff_min_ms) },
	{ "backoff_max", AGENTD_DURATION, false, "60s", NULL, 1, INT32_MAX, "longest restart delay", AT(supervision, backoff_max_ms) },
	{ "stable", AGENTD_DURATION, false, "60s", NULL, 1, INT32_MAX, "READY for so long: the delay begins anew", AT(supervision, stable_ms) },
	{ "drain", AGENTD_DURATION, false, "30s", NULL, 1, INT32_MAX, "time for what is in flight when stopping", AT(supervision, drain_ms) },
	{ "kill", AGENTD_DURATION, false, "5s", NULL, 1, INT32_MAX, "from TERM to KILL; and how long a run may outstay its end", AT(supervision, kill_ms) },
	{ "ping", AGENTD_DURATION, false, "5s", NULL, 1, INT32_MAX, "between pings; three without answer kill", AT(supervision, ping_ms) },
};

static const struct schema_row log_rows[] = {
	{ "level", AGENTD_STRING, false, "info", "error|warn|info|debug", 0, 0, "least important lines to show", AT(settings, log_level_word) },
	{ "format", AGENTD_STRING, false, "auto", "auto|text|json|journal", 0, 0, "auto: journal under systemd, text on a terminal, else JSON lines", AT(settings, log_format_word) },
	{ "access", AGENTD_BOOL, false, "true", NULL, 0, 0, "a line for each HTTP request", AT(settings, log_access) },
};

static const struct schema_row dev_rows[] = {
	{ "watch", AGENTD_BOOL, false, "true", NULL, 0, 0, "heed changes of plugins, of the config, and of sources", AT(settings, dev.watch) },
	{ "build", AGENTD_LIST, false, NULL, NULL, 0, 0, "a command and its arguments, run without a shell, in the config's folder, when a source has changed", AT(settings, dev.build) },
	{ "sources", AGENTD_LIST, false, NULL, NULL, 0, 0, "what it builds from: files, and folders with all below", AT(settings, dev.sources) },
};

/* Of every plugin. */
#define PLUGIN_ROW { "plugin", AGENTD_STRING, true, NULL, NULL, 0, 0, "a name in plugins.path, or a path to a .so", AT(instance_settings, plugin) }
#define ALLOW_ROW  { "allow", AGENTD_LIST, false, NULL, "unix|files", 0, 0, "what its sandbox leaves open: unix sockets; files that are hidden from plugins", AT(instance_settings, allow) }

static const struct schema_row agent_rows[] = {
	PLUGIN_ROW,
	{ "timeout", AGENTD_DURATION, false, "2m", NULL, 1, INT32_MAX, "longest running time of a run", AT(agent_settings, timeout_ms) },
	{ "queue_timeout", AGENTD_DURATION, false, "30s", NULL, 1, INT32_MAX, "longest wait of a run before it starts", AT(agent_settings, queue_timeout_ms) },
	{ "concurrency", AGENTD_INT, false, "64", NULL, 1, 100000, "runs at once", AT(agent_settings, concurrency) },
	{ "queue", AGENTD_INT, false, "1000", NULL, 0, 1000000, "runs that may wait", AT(agent_settings, queue) },
	{ "workers", AGENTD_INT, false, "1", NULL, 1, 64, "processes that share its runs", AT(agent_settings, workers) },
	{ "threads", AGENTD_INT, false, "64", NULL, 1, 1024, "runs at once in a process of a blocking plugin", AT(agent_settings, instance.limits.threads) },
	{ "on_busy", AGENTD_STRING, false, "enqueue", "enqueue|reject|interrupt", 0, 0, "what a second message to a busy session does", AT(agent_settings, on_busy_word) },
	{ "on_disconnect", AGENTD_STRING, false, "cancel", "cancel|continue", 0, 0, "what a run does when its client leaves", AT(agent_settings, on_disconnect_word) },
	{ "history", AGENTD_INT, false, "50", NULL, 0, 100000, "messages of the session handed over with a run", AT(agent_settings, history) },
	ALLOW_ROW,
	SECTION("limits", "bounds of the process and its runs"),
	SECTION("triggers", "the triggers that its plugin brings, by name, with the keys below that are to be otherwise"),
};

#define DAY_MS INT64_C(86400000)

static const struct schema_row interface_rows[] = {
	PLUGIN_ROW,
	{ "agent", AGENTD_STRING, false, NULL, NULL, 0, 0, "who answers; without it, the default agent", AT(interface_settings, agent) },
	{ "auth", AGENTD_STRING, false, NULL, NULL, 0, 0, "who may write: a name of the section auth, of an allowlist or a composite with one; without it, the allowlists of http.auth that name its platform", AT(interface_settings, auth_word) },
	{ "open", AGENTD_BOOL, false, "false", NULL, 0, 0, "everybody may write, without auth", AT(interface_settings, open) },
	{ "hooks", AGENTD_LIST, false, NULL, NULL, 0, 0, "names of the section hooks, in the order in which they are called", AT(interface_settings, hooks) },
	{ "session_ttl", AGENTD_DURATION, false, "1h", NULL, 1, 3650 * DAY_MS, "a chat that has been silent for longer begins a new session", AT(interface_settings, session_ttl_ms) },
	{ "max_session_history", AGENTD_INT, false, "50", NULL, 0, 100000, "messages of the session handed over with a run", AT(interface_settings, max_session_history) },
	{ "max_concurrent_requests", AGENTD_INT, false, "10", NULL, 1, 100000, "messages that are answered at once", AT(interface_settings, max_concurrent_requests) },
	{ "rate_limit_messages_per_minute", AGENTD_INT, false, "30", NULL, 0, 1000000, "messages of one user; 0: no limit", AT(interface_settings, rate_limit_messages_per_minute) },
	{ "max_attempts", AGENTD_INT, false, "10", NULL, 1, 1000, "failed tries to send a reply, before it is set aside", AT(interface_settings, max_attempts) },
	{ "error_message", AGENTD_STRING, false, "Sorry, something went wrong. Please try again.", NULL, 0, 0, "what is answered if a run fails", AT(interface_settings, error_message) },
	{ "typing_indicator", AGENTD_BOOL, false, "true", NULL, 0, 0, "show in the chat that an answer is being worked on", AT(interface_settings, typing_indicator) },
	ALLOW_ROW,
	SECTION("limits", "bounds of the process"),
};

static const struct schema_row hook_rows[] = {
	PLUGIN_ROW,
	{ "timeout", AGENTD_DURATION, false, "10s", NULL, 1, 3600000, "time for a decision; without one, the message has failed", AT(hook_settings, timeout_ms) },
	ALLOW_ROW,
	SECTION("limits", "bounds of the process"),
};

/* The providers of `auth`, by their type. */
#define TYPE_ROW { "type", AGENTD_STRING, true, NULL, NULL, 0, 0, "api_key, jwt, allowlist or composite", AT(provider_settings, type_word) }
#define RATE_ROW { "rate", AGENTD_STRING, false, NULL, NULL, 0, 0, "requests that each of its users may make, such as 60/m", AT(provider_settings, rate_word) }

static const struct schema_row api_key_rows[] = {
	TYPE_ROW, RATE_ROW,
	{ "header", AGENTD_STRING, false, "X-API-Key", NULL, 0, 0, "where the key is, besides Authorization: Bearer", AT(provider_settings, header) },
	SECTION("keys", "a list of hashes, or of sections with the keys below"),
};

static const struct schema_row auth_key_rows[] = {
	{ "name", AGENTD_STRING, false, NULL, NULL, 0, 0, "whose key it is, for the log", AT(auth_key_settings, name) },
	{ "hash", AGENTD_STRING, true, NULL, NULL, 0, 0, "sha256: and the hash of the key", AT(auth_key_settings, hash_word) },
	{ "admin", AGENTD_BOOL, false, "false", NULL, 0, 0, "sees everybody's runs and sessions, and may use the operator's routes", AT(auth_key_settings, admin) },
	{ "agents", AGENTD_LIST, false, NULL, NULL, 0, 0, "the agents it may use; without it, all", AT(auth_key_settings, agents) },
	{ "rate", AGENTD_STRING, false, NULL, NULL, 0, 0, "requests that it may make, such as 60/m", AT(auth_key_settings, rate_word) },
};

static const struct schema_row jwt_rows[] = {
	TYPE_ROW, RATE_ROW,
	{ "algorithms", AGENTD_LIST, true, NULL, "HS256|HS384|HS512|RS256|RS384|RS512|PS256|PS384|PS512|ES256|ES384|ES512", 0, 0, "what a token may be signed with", AT(provider_settings, algorithms) },
	{ "secret", AGENTD_SECRET, false, NULL, NULL, 0, 0, "that HS tokens are signed with", AT(provider_settings, secret) },
	{ "key_file", AGENTD_STRING, false, NULL, NULL, 0, 0, "a public key in PEM", AT(provider_settings, key_file) },
	{ "jwks_file", AGENTD_STRING, false, NULL, NULL, 0, 0, "public keys as JWKS (RFC 7517)", AT(provider_settings, jwks_file) },
	{ "jwks_url", AGENTD_STRING, false, NULL, NULL, 0, 0, "where the issuer has them", AT(provider_settings, jwks_url) },
	{ "issuer", AGENTD_STRING, false, NULL, NULL, 0, 0, "what iss must be; without it, anything", AT(provider_settings, issuer) },
	{ "audience", AGENTD_LIST, false, NULL, NULL, 0, 0, "one of these must be in aud; without it, anything", AT(provider_settings, audience) },
	{ "leeway", AGENTD_DURATION, false, "60s", NULL, 0, 3600000, "how far the clocks may differ", AT(provider_settings, leeway_ms) },
	{ "admins", AGENTD_LIST, false, NULL, NULL, 0, 0, "users who see everybody's runs and sessions, and may use the operator's routes", AT(provider_settings, admins) },
};

static const struct schema_row allowlist_rows[] = {
	TYPE_ROW, RATE_ROW,
	{ "users", AGENTD_LIST, false, NULL, NULL, 0, 0, "ids of users, or @names; without it, any", AT(provider_settings, users) },
	{ "chats", AGENTD_LIST, false, NULL, NULL, 0, 0, "ids of chats; without it, any", AT(provider_settings, chats) },
	{ "platforms", AGENTD_LIST, false, NULL, NULL, 0, 0, "such as telegram; without it, any", AT(provider_settings, platforms) },
};

static const struct schema_row composite_rows[] = {
	TYPE_ROW,
	{ "of", AGENTD_LIST, true, NULL, NULL, 0, 0, "others, in the order in which they are asked", AT(provider_settings, of) },
};

#define TRIGGER_ROWS \
	{ "enabled", AGENTD_BOOL, false, "true", NULL, 0, 0, "false: it is as if it were not there", AT(trigger_settings, enabled) }, \
	{ "agent", AGENTD_STRING, false, NULL, NULL, 0, 0, "whose run it makes; without it, the default agent's", AT(trigger_settings, agent) }, \
	{ "input", AGENTD_STRING, false, "{{ body }}", NULL, 0, 0, "what the agent is told: a template", AT(trigger_settings, input) }, \
	{ "session", AGENTD_STRING, false, NULL, NULL, 0, 0, "a template: the same text, the same session; without it, a new one each time", AT(trigger_settings, session) }, \
	{ "timeout", AGENTD_DURATION, false, "0s", NULL, 0, INT32_MAX, "longest running time, at most the agent's; 0s: the agent's", AT(trigger_settings, timeout_ms) }

static const struct schema_row webhook_rows[] = {
	{ "path", AGENTD_STRING, true, NULL, NULL, 0, 0, "where it is called, such as /github", AT(trigger_settings, webhook.path) },
	{ "method", AGENTD_STRING, false, "POST", "POST|PUT|PATCH|DELETE|GET", 0, 0, "how it is called", AT(trigger_settings, webhook.method) },
	{ "auth", AGENTD_STRING, false, "inherit", NULL, 0, 0, "who may call it: inherit (as http.auth says), none (everybody), or a name of the section auth", AT(trigger_settings, webhook.auth_word) },
	{ "signature", AGENTD_STRING, false, NULL, "github|slack|stripe|standard|telegram|discord|hmac-sha256", 0, 0, "how the caller proves that it shares the secret", AT(trigger_settings, webhook.signature) },
	{ "secret", SCHEMA_SECRETS, false, NULL, NULL, 0, 0, "of the signature; a list while one takes the place of another", AT(trigger_settings, webhook.secrets) },
	{ "header", AGENTD_STRING, false, NULL, NULL, 0, 0, "where the signature is, for hmac-sha256", AT(trigger_settings, webhook.header) },
	{ "dedupe", AGENTD_STRING, false, NULL, NULL, 0, 0, "the header with the id of a delivery, which makes one run in 24 h; without it, as the signature has it; none: do not look", AT(trigger_settings, webhook.dedupe) },
	{ "respond", AGENTD_STRING, false, "wait", "wait|accepted", 0, 0, "after the run, with its answer; or once it is in the store, with its id", AT(trigger_settings, webhook.respond_word) },
	TRIGGER_ROWS,
};

static const struct schema_row cron_rows[] = {
	{ "schedule", AGENTD_STRING, true, NULL, NULL, 0, 0, "when, such as \"0 9 * * MON-FRI\" or \"@every 90s\"", AT(trigger_settings, cron.schedule) },
	{ "timezone", AGENTD_STRING, false, "UTC", NULL, 0, 0, "whose clocks the schedule is about, such as Europe/Berlin", AT(trigger_settings, cron.timezone) },
	{ "misfire", AGENTD_STRING, false, "once", "once|skip|all", 0, 0, "what becomes of times at which agentd was down, or that the clock has skipped", AT(trigger_settings, cron.misfire_word) },
	{ "max_lateness", AGENTD_DURATION, false, "0s", NULL, 0, INT64_MAX, "a time that is longer ago is left out; 0s: none is", AT(trigger_settings, cron.max_lateness_ms) },
	{ "overlap", AGENTD_STRING, false, "skip", "skip|queue|allow", 0, 0, "what becomes of a time while the run before is going on", AT(trigger_settings, cron.overlap_word) },
	{ "retries", AGENTD_INT, false, "0", NULL, 0, 100, "how often a run that fails is tried again", AT(trigger_settings, cron.retries) },
	{ "retry_backoff", AGENTD_DURATION, false, "30s", NULL, 1, INT32_MAX, "until the first of these; it doubles, up to an hour", AT(trigger_settings, cron.retry_backoff_ms) },
	SECTION("deliver", "where its answer goes, with the keys below; without it, nowhere"),
	TRIGGER_ROWS,
};

static const struct schema_row deliver_rows[] = {
	{ "interface", AGENTD_STRING, true, NULL, NULL, 0, 0, "a name of the section interfaces", AT(trigger_settings, cron.deliver.interface) },
	{ "chat", AGENTD_STRING, true, NULL, NULL, 0, 0, "the id of the chat, as its platform has it", AT(trigger_settings, cron.deliver.chat) },
};

static const struct schema_row event_rows[] = {
	{ "event", AGENTD_STRING, false, NULL, NULL, 0, 0, "its name; without it, that of the entry", AT(trigger_settings, event) },
	TRIGGER_ROWS,
};

#define PROCESS_ROWS \
	{ "memory", AGENTD_SIZE, false, "0", NULL, 0, INT64_MAX, "data of the process; 0: no limit", AT(host_limits, memory) }, \
	{ "files", AGENTD_INT, false, "256", NULL, 16, 1 << 20, "open files of the process", AT(host_limits, files) }

static const struct schema_row process_rows[] = { PROCESS_ROWS };

static const struct schema_row limits_rows[] = {
	PROCESS_ROWS,
	{ "content", AGENTD_SIZE, false, "16M", NULL, 1, 24 << 20, "an answer", AT(host_limits, content) },
	{ "delta", AGENTD_SIZE, false, "64K", NULL, 1, 128 << 10, "one delta", AT(host_limits, delta) },
	{ "event", AGENTD_SIZE, false, "64K", NULL, 1, 128 << 10, "one event", AT(host_limits, event) },
	{ "events", AGENTD_INT, false, "10000", NULL, 1, 1000000, "events of a run", AT(host_limits, events) },
	{ "history", AGENTD_SIZE, false, "1M", NULL, 1, 16 << 20, "session text handed over with a run", AT(host_limits, history) },
};
/* clang-format on */

const struct schema settings_top = TABLE(top_rows);
static const struct schema http_schema = TABLE(http_rows);
static const struct schema store_schema = TABLE(store_rows);
static const struct schema control_schema = TABLE(control_rows);
static const struct schema plugins_schema = TABLE(plugins_rows);
static const struct schema supervision_schema = TABLE(supervision_rows);
static const struct schema log_schema = TABLE(log_rows);
static const struct schema dev_schema = TABLE(dev_rows);
static const struct schema agent_schema = TABLE(agent_rows);
static const struct schema interface_schema = TABLE(interface_rows);
static const struct schema hook_schema = TABLE(hook_rows);
const struct schema settings_limits = TABLE(limits_rows);
const struct schema settings_process = TABLE(process_rows);
const struct schema settings_api_key = TABLE(api_key_rows);
const struct schema settings_auth_key = TABLE(auth_key_rows);
const struct schema settings_jwt = TABLE(jwt_rows);
const struct schema settings_allowlist = TABLE(allowlist_rows);
const struct schema settings_composite = TABLE(composite_rows);
static const struct schema webhook_schema = TABLE(webhook_rows);
static const struct schema cron_schema = TABLE(cron_rows);
const struct schema settings_deliver = TABLE(deliver_rows);
static const struct schema event_schema = TABLE(event_rows);

const struct settings_section settings_sections[] = {
	{ "http", &http_schema, 0 },
	{ "store", &store_schema, 0 },
	{ "control", &control_schema, 0 },
	{ "plugins", &plugins_schema, 0 },
	{ "log", &log_schema, 0 },
	{ "dev", &dev_schema, 0 },
	{ "supervision", &supervision_schema, AT(settings, supervision) },
};
const size_t settings_section_count = sizeof(settings_sections) / sizeof(settings_sections[0]);

const struct settings_kind settings_kinds[INSTANCE_KINDS] = {
	[INSTANCE_AGENT] = { "agents", "agent", "an agent", &agent_schema, &settings_limits },
	[INSTANCE_INTERFACE] = { "interfaces", "interface", "an interface", &interface_schema,
	    &settings_process },
	[INSTANCE_HOOK] = { "hooks", "hook", "a hook", &hook_schema, &settings_process },
};

const struct settings_trigger_section settings_triggers[TRIGGER_KINDS] = {
	[TRIGGER_WEBHOOK] = { "webhooks", &webhook_schema },
	[TRIGGER_CRON] = { "cron", &cron_schema },
	[TRIGGER_EVENT] = { "events", &event_schema },
};
