/*
 * settings: the core's option tables, and the walk that turns a tree into a struct.
 *
 * A new option is a row here and a member in settings.h. A word of agent.conf that belongs to a part
 * that this build does not have is a SCHEMA_LATER row: known, and refused out loud.
 */
#include "daemon/conf/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/buf.h"

#ifndef AGENTD_PLUGINDIR
#define AGENTD_PLUGINDIR "/usr/lib/agentd/plugins"
#endif

#define NAME_MAX_BYTES 64

/* clang-format off */
#define AT(type, member) offsetof(struct type, member)
#define TABLE(rows)      { rows, sizeof(rows) / sizeof((rows)[0]) }
#define LATER(key)       { key, SCHEMA_LATER, false, NULL, NULL, 0, 0, NULL, 0 }
#define SECTION(key, help) { key, SCHEMA_SECTION, false, NULL, NULL, 0, 0, help, 0 }

static const struct schema_row top_rows[] = {
	{ "name", AGENTD_STRING, false, "agentd", NULL, 0, 0, "name in logs, metrics and the API's title", AT(settings, name) },
	{ "default_agent", AGENTD_STRING, false, NULL, NULL, 0, 0, "agent of POST /run; needed only when there are several", AT(settings, default_agent_word) },
	SECTION("http", "the HTTP API"), SECTION("store", "runs and sessions that outlive the process"),
	SECTION("control", "the control socket"), SECTION("plugins", "where plugins are"),
	SECTION("agents", "the agents, by name"), SECTION("supervision", "how processes are supervised"),
	SECTION("log", "the log"),
	LATER("auth"), LATER("interfaces"), LATER("hooks"), LATER("identity"), LATER("cron"),
	LATER("webhooks"), LATER("events"), LATER("dev"),
};

static const struct schema_row http_rows[] = {
	{ "listen", AGENTD_LIST, false, "127.0.0.1:8000", NULL, 0, 0, "addresses: host:port, [::1]:port, unix:/path", AT(settings, http.listen) },
	{ "enabled", AGENTD_STRING, false, "auto", "auto|true|false", 0, 0, "whether to serve HTTP", AT(settings, http.enabled_word) },
	{ "max_body", AGENTD_SIZE, false, "1M", NULL, 1, 64 << 20, "largest request body", AT(settings, http.max_body) },
	{ "max_head", AGENTD_SIZE, false, "16K", NULL, 1024, 1 << 20, "largest request line and header fields", AT(settings, http.max_head) },
	{ "max_fields", AGENTD_INT, false, "100", NULL, 1, 10000, "most header fields of a request", AT(settings, http.max_fields) },
	{ "max_connections", AGENTD_INT, false, "10000", NULL, 1, 1000000, "open connections; more wait in the kernel", AT(settings, http.max_connections) },
	{ "request_timeout", AGENTD_DURATION, false, "30s", NULL, 1, INT32_MAX, "time for a whole request to arrive", AT(settings, http.request_timeout_ms) },
	{ "keep_alive", AGENTD_DURATION, false, "60s", NULL, 1, INT32_MAX, "how long an idle connection is kept", AT(settings, http.keep_alive_ms) },
	{ "heartbeat", AGENTD_DURATION, false, "15s", NULL, 1, INT32_MAX, "between the comments that keep a stream open", AT(settings, http.heartbeat_ms) },
	{ "slow_reader", AGENTD_DURATION, false, "30s", NULL, 1, INT32_MAX, "how long a stream's reader may take nothing", AT(settings, http.slow_reader_ms) },
	{ "allow_unauthenticated", AGENTD_BOOL, false, "false", NULL, 0, 0, "listen beyond this machine without auth", AT(settings, http.allow_unauthenticated) },
	LATER("auth"), LATER("hosts"), LATER("cors_origins"), LATER("docs"), LATER("metrics_auth"),
};

static const struct schema_row store_rows[] = {
	{ "enabled", AGENTD_BOOL, false, "false", NULL, 0, 0, "keep runs and sessions on disk", AT(settings, store_enabled) },
	LATER("path"), LATER("retention"),
};

static const struct schema_row control_rows[] = { LATER("socket"), LATER("admins") };

static const struct schema_row plugins_rows[] = {
	{ "path", AGENTD_LIST, false, NULL, NULL, 0, 0, "folders in which `plugin: NAME` is searched", AT(settings, plugin_path) },
	LATER("dir"),
};

static const struct schema_row supervision_rows[] = {
	{ "ready", AGENTD_DURATION, false, "30s", NULL, 1, INT32_MAX, "time for a start until it is READY", AT(supervision, ready_ms) },
	{ "backoff_min", AGENTD_DURATION, false, "1s", NULL, 1, INT32_MAX, "first restart delay; it doubles", AT(supervision, backoff_min_ms) },
	{ "backoff_max", AGENTD_DURATION, false, "60s", NULL, 1, INT32_MAX, "longest restart delay", AT(supervision, backoff_max_ms) },
	{ "stable", AGENTD_DURATION, false, "60s", NULL, 1, INT32_MAX, "READY for so long: the delay begins anew", AT(supervision, stable_ms) },
	{ "drain", AGENTD_DURATION, false, "30s", NULL, 1, INT32_MAX, "time for what is in flight when stopping", AT(supervision, drain_ms) },
	{ "kill", AGENTD_DURATION, false, "5s", NULL, 1, INT32_MAX, "from TERM to KILL", AT(supervision, kill_ms) },
	{ "ping", AGENTD_DURATION, false, "5s", NULL, 1, INT32_MAX, "between pings; three without answer kill", AT(supervision, ping_ms) },
};

static const struct schema_row log_rows[] = {
	{ "level", AGENTD_STRING, false, "info", "error|warn|info|debug", 0, 0, "least important lines to show", AT(settings, log_level_word) },
	{ "format", AGENTD_STRING, false, "auto", "auto|text|json|journal", 0, 0, "auto: journal under systemd, text on a terminal, else JSON lines", AT(settings, log_format_word) },
	{ "access", AGENTD_BOOL, false, "true", NULL, 0, 0, "a line for each HTTP request", AT(settings, log_access) },
};

static const struct schema_row agent_rows[] = {
	{ "plugin", AGENTD_STRING, true, NULL, NULL, 0, 0, "a name in plugins.path, or a path to a .so", AT(agent_settings, plugin) },
	{ "timeout", AGENTD_DURATION, false, "2m", NULL, 1, INT32_MAX, "longest running time of a run", AT(agent_settings, timeout_ms) },
	{ "queue_timeout", AGENTD_DURATION, false, "30s", NULL, 1, INT32_MAX, "longest wait of a run before it starts", AT(agent_settings, queue_timeout_ms) },
	{ "concurrency", AGENTD_INT, false, "64", NULL, 1, 100000, "runs at once", AT(agent_settings, concurrency) },
	{ "queue", AGENTD_INT, false, "1000", NULL, 0, 1000000, "runs that may wait", AT(agent_settings, queue) },
	{ "workers", AGENTD_INT, false, "1", NULL, 1, 1, "processes; more than one is not in this build yet", AT(agent_settings, workers) },
	{ "on_busy", AGENTD_STRING, false, "enqueue", "enqueue|reject|interrupt", 0, 0, "what a second message to a busy session does", AT(agent_settings, on_busy_word) },
	{ "on_disconnect", AGENTD_STRING, false, "cancel", "cancel|continue", 0, 0, "what a run does when its client leaves", AT(agent_settings, on_disconnect_word) },
	{ "history", AGENTD_INT, false, "50", NULL, 0, 100000, "messages of the session handed over with a run", AT(agent_settings, history) },
	SECTION("limits", "bounds of the process and its runs"),
	LATER("triggers"),
};

static const struct schema_row limits_rows[] = {
	{ "memory", AGENTD_SIZE, false, "0", NULL, 0, INT64_MAX, "data of the process; 0: no limit", AT(agent_limits, memory) },
	{ "files", AGENTD_INT, false, "256", NULL, 16, 1 << 20, "open files of the process", AT(agent_limits, files) },
	{ "content", AGENTD_SIZE, false, "16M", NULL, 1, 24 << 20, "an answer", AT(agent_limits, content) },
	{ "delta", AGENTD_SIZE, false, "64K", NULL, 1, 128 << 10, "one delta", AT(agent_limits, delta) },
	{ "event", AGENTD_SIZE, false, "64K", NULL, 1, 128 << 10, "one event", AT(agent_limits, event) },
	{ "events", AGENTD_INT, false, "10000", NULL, 1, 1000000, "events of a run", AT(agent_limits, events) },
	{ "history", AGENTD_SIZE, false, "1M", NULL, 1, 16 << 20, "session text handed over with a run", AT(agent_limits, history) },
};
/* clang-format on */

static const struct schema top_schema = TABLE(top_rows);
static const struct schema http_schema = TABLE(http_rows);
static const struct schema store_schema = TABLE(store_rows);
static const struct schema control_schema = TABLE(control_rows);
static const struct schema plugins_schema = TABLE(plugins_rows);
static const struct schema supervision_schema = TABLE(supervision_rows);
static const struct schema log_schema = TABLE(log_rows);
static const struct schema agent_schema = TABLE(agent_rows);
static const struct schema limits_schema = TABLE(limits_rows);

/* The sections at the top that have one table each, and where each is kept. */
static const struct {
	const char *key;
	const struct schema *schema;
	size_t at;
} sections[] = {
	{ "http", &http_schema, 0 },
	{ "store", &store_schema, 0 },
	{ "control", &control_schema, 0 },
	{ "plugins", &plugins_schema, 0 },
	{ "log", &log_schema, 0 },
	{ "supervision", &supervision_schema, AT(settings, supervision) },
};
#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

/* One table against one section: values into the struct, and no unknown keys. */
static void read_table(const struct schema *schema, const struct conf_node *section, void *into,
    bool whole, struct conf_errors *errors)
{
	if (section && section->kind != CONF_MAP) {
		conf_error(errors, section, "must be a section of \"key: value\" lines");
		section = NULL;
	}
	struct schema_value *values = schema_check(schema, section, errors);
	if (!values)
		return;
	schema_store(schema, values, into);
	schema_values_free(values, schema->count);
	if (section && whole)
		schema_reject_unknown(section, &schema, 1, errors);
}

/* Addresses. */

int settings_parse_address(const char *text, char *host, size_t size, int *ret_port)
{
	if (strncmp(text, "unix:", 5) == 0) {
		if (text[5] != '/' || strlen(text + 5) >= size || strlen(text + 5) > 107)
			return -EINVAL; /* 107: what sockaddr_un holds */
		memcpy(host, text + 5, strlen(text + 5) + 1);
		*ret_port = -1;
		return 0;
	}
	const char *colon = strrchr(text, ':');
	int64_t port;
	if (!colon || schema_parse_int(colon + 1, &port) < 0 || port < 0 || port > 65535)
		return -EINVAL;
	size_t n = (size_t)(colon - text);
	if (n >= 2 && text[0] == '[' && colon[-1] == ']') {
		text++;
		n -= 2;
	} else if (memchr(text, ':', n)) {
		return -EINVAL; /* an IPv6 address without its brackets */
	}
	if (n == 0 || n >= size)
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	*ret_port = (int)port;
	return 0;
}

bool settings_is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	return host[0] == '/' || strcmp(host, "localhost") == 0;
}

/* The node that a value stands in, for a message: the i-th item, or the key, or the section. */
static const struct conf_node *place(const struct conf_node *section, const char *key, size_t i)
{
	const struct conf_node *node = conf_get(section, key);
	if (!node)
		return section;
	return node->kind == CONF_LIST && i < node->count ? node->items[i] : node;
}

static void check_listen(const struct settings *settings, struct conf_errors *errors)
{
	const struct conf_node *http = conf_get(settings->tree, "http");
	if (!http)
		http = settings->tree;
	const struct schema_list *listen = &settings->http.listen;
	if (listen->count == 0)
		conf_error(
		    errors, http, "http.listen is empty: name an address, such as 127.0.0.1:8000");
	for (size_t i = 0; i < listen->count; i++) {
		char host[256];
		int port;
		const struct conf_node *at = place(http, "listen", i);
		if (settings_parse_address(listen->items[i], host, sizeof(host), &port) < 0)
			conf_error(errors, at,
			    "\"%s\" is not an address: host:port, [::1]:port or unix:/path",
			    listen->items[i]);
		else if (!settings_is_loopback(host) && !settings->http.allow_unauthenticated)
			conf_error(errors, at,
			    "\"%s\" can be reached from other machines, and there is no auth; listen on "
			    "127.0.0.1, or write allow_unauthenticated: true",
			    listen->items[i]);
		for (size_t j = 0; j < i; j++)
			if (port != 0 && strcmp(listen->items[i], listen->items[j]) == 0)
				conf_error(errors, at, "\"%s\" is listed twice", listen->items[i]);
	}
	if (strcmp(settings->http.enabled_word, "false") == 0)
		conf_error(errors, place(http, "enabled", 0),
		    "without HTTP nothing can start a run in this build");
}

/* Agents. */

static bool name_is_good(const char *name)
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t n = strlen(name);
	return n > 0 && n <= NAME_MAX_BYTES && strspn(name, allowed) == n;
}

/* A path of the config is relative to the file that says it. */
static char *resolve(const struct conf_node *node, const char *path)
{
	struct buf out = { 0 };
	const char *slash = node && node->line ? strrchr(node->file, '/') : NULL;
	if (path[0] != '/' && slash)
		buf_add(&out, node->file, (size_t)(slash - node->file + 1));
	buf_add_str(&out, path);
	return buf_take(&out);
}

static char *join(const char *folder, const char *name)
{
	struct buf out = { 0 };
	buf_addf(&out, "%s/%s.so", folder, name);
	return buf_take(&out);
}

/* The folder of plugins that lies beside this program, as in a build tree. */
static char *beside_program(void)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return NULL;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	struct buf out = { 0 };
	buf_addf(&out, "%s/plugins", self);
	return buf_take(&out);
}

static char *search(const struct settings *settings, const char *name, struct buf *tried)
{
	const struct schema_list *path = &settings->plugin_path;
	const struct conf_node *node = conf_get(conf_get(settings->tree, "plugins"), "path");
	char *beside = beside_program();
	char usual[] = AGENTD_PLUGINDIR;
	char *fallback[] = { beside, usual };
	char *const *folders = path->count ? path->items : fallback;
	size_t count = path->count ? path->count : 2;
	char *found = NULL;
	for (size_t i = 0; i < count && !found; i++) {
		char *folder = folders[i] ? resolve(path->count ? node : NULL, folders[i]) : NULL;
		char *file = folder ? join(folder, name) : NULL;
		if (file && access(file, F_OK) == 0)
			found = file;
		else
			free(file);
		buf_addf(tried, "%s%s", i ? ", " : "", folder ? folder : "?");
		free(folder);
	}
	free(beside);
	return found;
}

static void find_plugin(
    const struct settings *settings, struct agent_settings *agent, struct conf_errors *errors)
{
	const struct conf_node *at = place(agent->section, "plugin", 0);
	size_t n = strlen(agent->plugin);
	bool is_path =
	    strchr(agent->plugin, '/') || (n > 3 && strcmp(agent->plugin + n - 3, ".so") == 0);
	if (is_path) {
		agent->plugin_path = resolve(at, agent->plugin);
		if (agent->plugin_path && access(agent->plugin_path, F_OK) == 0)
			return;
		conf_error(errors, at, "there is no file %s", agent->plugin_path);
		free(agent->plugin_path);
		agent->plugin_path = NULL;
		return;
	}
	struct buf tried = { 0 };
	agent->plugin_path = search(settings, agent->plugin, &tried);
	char *where = buf_take(&tried);
	if (!agent->plugin_path)
		conf_error(
		    errors, at, "there is no %s.so in %s", agent->plugin, where ? where : "?");
	free(where);
}

static void read_agent(
    struct settings *settings, const struct conf_node *section, struct conf_errors *errors)
{
	struct agent_settings *agent = &settings->agents[settings->agent_count++];
	agent->section = section;
	if (!name_is_good(section->key))
		conf_error(errors, section,
		    "a name may have letters, digits, _ and -, and at most %d of them",
		    NAME_MAX_BYTES);
	agent->name = strdup(section->key);
	struct buf label = { 0 };
	buf_addf(&label, "agent %s", section->key);
	agent->label = buf_take(&label);
	/* Keys that this table does not name may be the plugin's: settings_read_options. */
	read_table(&agent_schema, section, agent, false, errors);
	read_table(&limits_schema, conf_get(section, "limits"), &agent->limits, true, errors);
	if (agent->plugin)
		find_plugin(settings, agent, errors);
	agent->cancel_on_disconnect =
	    !agent->on_disconnect_word || strcmp(agent->on_disconnect_word, "continue") != 0;
	if (agent->on_busy_word)
		agent->on_busy = strcmp(agent->on_busy_word, "reject") == 0      ? ON_BUSY_REJECT
				 : strcmp(agent->on_busy_word, "interrupt") == 0 ? ON_BUSY_INTERRUPT
										 : ON_BUSY_ENQUEUE;
}

static const char *agent_name_at(const void *arg, size_t i)
{
	const struct settings *settings = arg;
	return i < settings->agent_count ? settings->agents[i].name : NULL;
}

static void choose_default(struct settings *settings, struct conf_errors *errors)
{
	const char *word = settings->default_agent_word;
	if (!word) {
		settings->default_agent = settings->agent_count == 1 ? settings->agents : NULL;
		return;
	}
	for (size_t i = 0; i < settings->agent_count; i++)
		if (strcmp(settings->agents[i].name, word) == 0)
			settings->default_agent = &settings->agents[i];
	if (settings->default_agent)
		return;
	const char *near = schema_nearest(word, agent_name_at, settings);
	conf_error(errors, conf_get(settings->tree, "default_agent"),
	    "there is no agent \"%s\"%s%s%s", word, near ? "; did you mean \"" : "",
	    near ? near : "", near ? "\"?" : "");
}

static void read_agents(struct settings *settings, struct conf_errors *errors)
{
	const struct conf_node *agents = conf_get(settings->tree, "agents");
	if (agents && agents->kind != CONF_MAP) {
		conf_error(errors, agents, "must be a section of agents, by name");
		return;
	}
	if (!agents || agents->count == 0) {
		conf_error(errors, agents ? agents : settings->tree,
		    "nothing to run: name an agent, such as `agents: { hello: { plugin: echo } }`");
		return;
	}
	settings->agents = calloc(agents->count, sizeof(*settings->agents));
	for (size_t i = 0; settings->agents && i < agents->count; i++)
		read_agent(settings, agents->items[i], errors);
	choose_default(settings, errors);
}

struct settings *settings_read(struct conf_node *tree, struct conf_errors *errors)
{
	struct settings *settings = calloc(1, sizeof(*settings));
	if (!settings) {
		conf_free(tree);
		return NULL;
	}
	settings->refs = 1;
	settings->tree = tree;
	read_table(&top_schema, tree, settings, true, errors);
	for (size_t i = 0; i < SECTIONS; i++)
		read_table(sections[i].schema, conf_get(tree, sections[i].key),
		    (char *)settings + sections[i].at, true, errors);
	if (settings->store_enabled)
		conf_error(errors, conf_get(conf_get(tree, "store"), "enabled"),
		    "this build keeps runs and sessions in memory only; write enabled: false");
	if (settings->supervision.backoff_max_ms < settings->supervision.backoff_min_ms)
		conf_error(errors, conf_get(tree, "supervision"),
		    "backoff_max is shorter than backoff_min");
	check_listen(settings, errors);
	read_agents(settings, errors);
	return settings;
}

void settings_read_options(
    struct settings *settings, size_t i, const struct schema *schema, struct conf_errors *errors)
{
	struct agent_settings *agent = &settings->agents[i];
	const struct schema *known[] = { &agent_schema, schema };
	for (size_t j = 0; j < schema->count; j++)
		for (size_t k = 0; k < agent_schema.count; k++)
			if (strcmp(schema->rows[j].key, agent_rows[k].key) == 0)
				conf_error(errors, place(agent->section, "plugin", 0),
				    "the plugin claims the option \"%s\", which is agentd's own",
				    schema->rows[j].key);
	agent->option_schema = schema;
	agent->options = schema_check(schema, agent->section, errors);
	schema_reject_unknown(agent->section, known, 2, errors);
}

struct settings *settings_ref(struct settings *settings)
{
	settings->refs++;
	return settings;
}

static void agent_done(struct agent_settings *agent)
{
	schema_release(&agent_schema, agent);
	schema_release(&limits_schema, &agent->limits);
	if (agent->options)
		schema_values_free(agent->options, agent->option_schema->count);
	free(agent->name);
	free(agent->label);
	free(agent->plugin_path);
}

void settings_unref(struct settings *settings)
{
	if (!settings || --settings->refs)
		return;
	for (size_t i = 0; i < settings->agent_count; i++)
		agent_done(&settings->agents[i]);
	free(settings->agents);
	for (size_t i = 0; i < SECTIONS; i++)
		schema_release(sections[i].schema, (char *)settings + sections[i].at);
	schema_release(&top_schema, settings);
	conf_free(settings->tree);
	free(settings);
}

/* Without a config. */

/* "./x/hello.so" serves as "hello". */
static char *name_of_plugin(const char *plugin)
{
	const char *slash = strrchr(plugin, '/');
	const char *base = slash ? slash + 1 : plugin;
	size_t n = strlen(base);
	if (n > 3 && strcmp(base + n - 3, ".so") == 0)
		n -= 3;
	return strndup(base, n);
}

struct conf_node *settings_tree_for(
    const char *listen, char *const *plugins, size_t count, struct conf_errors *errors)
{
	struct conf_node *tree = conf_new("command line");
	struct conf_node *http = tree ? conf_add_map(tree, "http") : NULL;
	struct conf_node *agents = http ? conf_add_map(tree, "agents") : NULL;
	bool ok = agents && (!listen || conf_add_text(http, "listen", listen));
	for (size_t i = 0; ok && i < count; i++) {
		char *name = name_of_plugin(plugins[i]);
		if (name && conf_get(agents, name)) {
			conf_error_at(errors, NULL, 0, 0, "two plugins are called \"%s\"", name);
		} else {
			struct conf_node *agent = name ? conf_add_map(agents, name) : NULL;
			ok = agent && conf_add_text(agent, "plugin", plugins[i]);
		}
		free(name);
	}
	if (ok && count > 1) { /* POST /run goes to the first */
		char *name = name_of_plugin(plugins[0]);
		ok = name && conf_add_text(tree, "default_agent", name);
		free(name);
	}
	if (!ok) {
		conf_free(tree);
		return NULL;
	}
	return tree;
}

/* Showing. */

static void print_duration(struct buf *out, int64_t ms)
{
	static const struct {
		int64_t ms;
		const char *unit;
	} units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" },
		{ 1, "ms" } };
	size_t i = ms ? 0 : 3; /* nothing is 0s */
	while (ms % units[i].ms)
		i++;
	buf_addf(out, "%lld%s", (long long)(ms / units[i].ms), units[i].unit);
}

static void print_size(struct buf *out, int64_t bytes)
{
	static const char unit[] = { 'G', 'M', 'K' };
	for (size_t i = 0; bytes && i < sizeof(unit); i++) {
		int64_t one = INT64_C(1) << (30 - 10 * (int)i);
		if (bytes % one == 0) {
			buf_addf(out, "%lld%c", (long long)(bytes / one), unit[i]);
			return;
		}
	}
	buf_addf(out, "%lld", (long long)bytes);
}

static void print_items(struct buf *out, const struct schema_row *row, char **items, size_t count)
{
	bool map = row->type == AGENTD_MAP;
	buf_add_str(out, map ? "{" : "[");
	for (size_t i = 0; i < count; i++) {
		buf_add_str(out, i == 0 ? " " : map && i % 2 ? ": " : ", ");
		buf_add_json_str(out, items[i]);
	}
	buf_add_str(out, map ? " }" : " ]");
}

static void print_value(
    struct buf *out, const struct schema_row *row, const struct schema_value *value)
{
	switch (row->type) {
	case AGENTD_INT:
		buf_addf(out, "%lld", (long long)value->number);
		return;
	case AGENTD_NUMBER:
		buf_addf(out, "%.17g", value->real);
		return;
	case AGENTD_BOOL:
		buf_add_str(out, value->number ? "true" : "false");
		return;
	case AGENTD_DURATION:
		print_duration(out, value->number);
		return;
	case AGENTD_SIZE:
		print_size(out, value->number);
		return;
	case AGENTD_LIST:
	case AGENTD_MAP:
		print_items(out, row, value->items, value->count);
		return;
	case AGENTD_SECRET:
		buf_add_str(out, "\"***\"");
		return;
	case AGENTD_JSON: /* JSON is YAML */
		buf_add_str(out, value->text);
		return;
	default:
		buf_add_json_str(out, value->text ? value->text : "");
		return;
	}
}

/* What schema_store put into a struct, as a value again. */
static struct schema_value value_at(const struct schema_row *row, const void *base)
{
	const void *at = (const char *)base + row->at;
	struct schema_value value = { .set = true };
	switch (row->type) {
	case AGENTD_BOOL:
		value.number = *(const bool *)at;
		break;
	case AGENTD_INT:
	case AGENTD_DURATION:
	case AGENTD_SIZE:
		value.number = *(const int64_t *)at;
		break;
	case AGENTD_LIST:
		value.items = ((const struct schema_list *)at)->items;
		value.count = ((const struct schema_list *)at)->count;
		value.set = value.count > 0;
		break;
	default:
		value.text = *(char *const *)at;
		value.set = value.text != NULL;
	}
	return value;
}

static void print_row(
    struct buf *out, int indent, const struct schema_row *row, const struct schema_value *value)
{
	if (!value->set)
		return;
	buf_addf(out, "%*s%s: ", indent, "", row->key);
	print_value(out, row, value);
	buf_add_str(out, "\n");
}

static void print_table(struct buf *out, int indent, const struct schema *schema, const void *base)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct schema_row *row = &schema->rows[i];
		if (row->type == SCHEMA_SECTION || row->type == SCHEMA_LATER)
			continue;
		struct schema_value value = value_at(row, base);
		print_row(out, indent, row, &value);
	}
}

static bool has_values(const struct schema *schema)
{
	for (size_t i = 0; i < schema->count; i++)
		if (schema->rows[i].type < SCHEMA_SECTION)
			return true;
	return false;
}

void settings_print(const struct settings *settings, FILE *file)
{
	struct buf out = { 0 };
	print_table(&out, 0, &top_schema, settings);
	for (size_t i = 0; i < SECTIONS; i++) {
		if (!has_values(sections[i].schema))
			continue;
		buf_addf(&out, "%s:\n", sections[i].key);
		print_table(&out, 2, sections[i].schema, (const char *)settings + sections[i].at);
	}
	buf_add_str(&out, "agents:\n");
	for (size_t i = 0; i < settings->agent_count; i++) {
		const struct agent_settings *agent = &settings->agents[i];
		buf_addf(&out, "  %s:\n", agent->name);
		print_table(&out, 4, &agent_schema, agent);
		buf_add_str(&out, "    limits:\n");
		print_table(&out, 6, &limits_schema, &agent->limits);
		for (size_t j = 0; agent->options && j < agent->option_schema->count; j++)
			print_row(&out, 4, &agent->option_schema->rows[j], &agent->options[j]);
	}
	fwrite(out.data ? out.data : "", 1, out.length, file);
	buf_done(&out);
}
