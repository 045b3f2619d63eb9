/* settings: the walk that turns a tree into a struct, along the tables of tables.c. */
#include "daemon/conf/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/buf.h"
#include "daemon/base/id.h"
#include "daemon/conf/dev.h"
#include "daemon/conf/file.h"
#include "daemon/conf/identity.h"
#include "daemon/conf/instances.h"
#include "daemon/conf/errors.h"
#include "daemon/conf/list.h"
#include "daemon/conf/providers.h"
#include "daemon/conf/tables.h"
#include "daemon/conf/tree.h"
#include "daemon/conf/triggers.h"

#define HANDED_OVER     "systemd" /* in http.listen */
#define SOCKET_PATH_MAX 107       /* what sockaddr_un holds */
#define PORT_MAX        65535

void settings_read_part(const struct schema *schema, const struct conf_node *section, void *into,
    struct conf_errors *errors)
{
	struct schema_value *values = schema_check(schema, section, errors);
	if (!values) {
		conf_errors_set_lost(errors);
		return;
	}
	schema_store(schema, values, into);
	schema_values_free(values, schema->count);
}

void settings_read_table(const struct schema *schema, const struct conf_node *section, void *into,
    struct conf_errors *errors)
{
	settings_read_part(schema, section, into, errors);
	if (section)
		schema_reject_unknown(section, &schema, 1, errors);
}

/* Addresses. */

int settings_parse_address(const char *text, char *host, size_t size, int *ret_port)
{
	if (strncmp(text, "unix:", 5) == 0) {
		if (text[5] != '/' || strlen(text + 5) >= size ||
		    strlen(text + 5) > SOCKET_PATH_MAX)
			return -EINVAL;
		memcpy(host, text + 5, strlen(text + 5) + 1);
		*ret_port = -1;
		return 0;
	}
	const char *colon = strrchr(text, ':');
	int64_t port;
	if (!colon || schema_parse_int(colon + 1, &port) < 0 || port < 0)
		return -EINVAL;
	if (port > PORT_MAX)
		return -ERANGE;
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

const struct conf_node *settings_place(const struct conf_node *section, const char *key, size_t i)
{
	const struct conf_node *node = conf_get(section, key);
	if (!node)
		return section;
	return node->kind == CONF_LIST && i < node->count ? node->items[i] : node;
}

/* An address that others reach. */
static void check_open(struct settings *settings, const struct conf_node *at, const char *address,
    struct conf_errors *errors)
{
	settings->http.loopback_only = false;
	if (!settings->http.auth && !settings->http.allow_unauthenticated)
		conf_error(errors, at,
		    "\"%s\" can be reached from other machines, and there is no auth; name "
		    "one with http.auth, listen on 127.0.0.1, or write "
		    "allow_unauthenticated: true",
		    address);
}

static void check_address(
    struct settings *settings, const struct conf_node *at, size_t i, struct conf_errors *errors)
{
	const struct http_settings *http = &settings->http;
	const char *address = http->listen.items[i];
	char host[256];
	int port = -1;
	bool is_word =
	    strcmp(address, HANDED_OVER) == 0; /* which sockets are meant is not known yet */
	int error = is_word ? 0 : settings_parse_address(address, host, sizeof(host), &port);
	if (error == -ERANGE) {
		conf_error(
		    errors, at, "the port of \"%s\" is too large: at most %d", address, PORT_MAX);
		return;
	}
	if (error < 0) {
		conf_error(errors, at,
		    "\"%s\" is not an address: host:port, [::1]:port, unix:/path, or the word systemd",
		    address);
		return;
	}
	if (!is_word && !settings_is_loopback(host))
		check_open(settings, at, address, errors);
	for (size_t j = 0; j < i; j++)
		if (port != 0 && strcmp(address, http->listen.items[j]) == 0)
			conf_error(errors, at, "\"%s\" is listed twice", address);
}

static void check_listen(struct settings *settings, struct conf_errors *errors)
{
	const struct conf_node *http = conf_get(settings->tree, "http");
	if (!http)
		http = settings->tree;
	const struct schema_list *listen = &settings->http.listen;
	settings->http.loopback_only = true;
	if (listen->count == 0)
		conf_error(
		    errors, http, "http.listen is empty: name an address, such as 127.0.0.1:8000");
	for (size_t i = 0; i < listen->count; i++)
		check_address(settings, settings_place(http, "listen", i), i, errors);
}

static bool has_address(const struct schema_list *listen, const char *address)
{
	for (size_t i = 0; i < listen->count; i++)
		if (strcmp(listen->items[i], address) == 0)
			return true;
	return false;
}

static bool is_control(const struct settings *settings, const char *address)
{
	return settings->control.socket && strncmp(address, "unix:", 5) == 0 &&
	       strcmp(address + 5, settings->control.socket) == 0;
}

/* In the place of the word. 0 or -ENOMEM. */
static int add_handed(struct settings *settings, struct schema_list *into,
    const struct schema_list *handed, const struct conf_node *at, struct conf_errors *errors)
{
	size_t usable = 0;
	for (size_t i = 0; i < handed->count; i++) {
		const char *address = handed->items[i];
		char host[256];
		int port;
		if (is_control(settings, address))
			continue;
		usable++;
		if (has_address(&settings->http.listen, address) || has_address(into, address))
			continue;
		if (settings_parse_address(address, host, sizeof(host), &port) == 0 &&
		    !settings_is_loopback(host))
			check_open(settings, at, address, errors);
		if (list_add(into, address, strlen(address)) < 0)
			return -ENOMEM;
	}
	if (usable == 0)
		conf_error(errors, at,
		    "systemd handed over no socket; start agentd by its agentd.socket, or name an "
		    "address");
	return 0;
}

int settings_place_sockets(
    struct settings *settings, const struct schema_list *handed, struct conf_errors *errors)
{
	const struct conf_node *http = conf_get(settings->tree, "http");
	struct schema_list *listen = &settings->http.listen, list = { 0 };
	int error = 0;
	if (!has_address(listen, HANDED_OVER))
		return 0;
	for (size_t i = 0; error == 0 && i < listen->count; i++) {
		const struct conf_node *at = settings_place(http, "listen", i);
		bool is_word = strcmp(listen->items[i], HANDED_OVER) == 0;
		error = is_word ? add_handed(settings, &list, handed, at, errors)
				: list_add(&list, listen->items[i], strlen(listen->items[i]));
	}
	if (error < 0) {
		list_done(&list);
		return error;
	}
	list_done(listen);
	*listen = list;
	return 0;
}

/* As a browser writes it (RFC 6454): no path, no wildcard. */
static bool is_origin(const char *text)
{
	size_t n = strncmp(text, "https://", 8) == 0 ? 8 : strncmp(text, "http://", 7) == 0 ? 7 : 0;
	return n && text[n] && !strpbrk(text + n, "/*?#@ \t");
}

/* With the port that browsers leave out of it: NULL, or where that begins. */
static const char *find_usual_port(const char *origin)
{
	const char *usual = strncmp(origin, "https", 5) == 0 ? ":443" : ":80";
	size_t n = strlen(origin), m = strlen(usual);
	return n > m && strcmp(origin + n - m, usual) == 0 ? origin + n - m : NULL;
}

static void check_origins(const struct settings *settings, struct conf_errors *errors)
{
	const struct schema_list *origins = &settings->http.cors_origins;
	for (size_t i = 0; i < origins->count; i++) {
		const char *origin = origins->items[i], *port = find_usual_port(origin);
		const struct conf_node *at =
		    settings_place(conf_get(settings->tree, "http"), "cors_origins", i);
		if (!is_origin(origin))
			conf_error(errors, at,
			    "\"%s\" is not an origin: https://host or https://host:port, without a "
			    "path; each is named, there is no wildcard",
			    origin);
		else if (port)
			conf_error(errors, at,
			    "no browser says \"%s\": it leaves the usual port out, and says "
			    "\"%.*s\"",
			    origin, (int)(port - origin), origin);
	}
}

/* As a Host says it. What is no name would fit no request, and nobody would know why. */
static void check_hosts(const struct settings *settings, struct conf_errors *errors)
{
	const struct schema_list *hosts = &settings->http.hosts;
	for (size_t i = 0; i < hosts->count; i++) {
		const char *host = hosts->items[i];
		if (!*host || *host == ':' || strpbrk(host, "/*?#@ \t"))
			conf_error(errors,
			    settings_place(conf_get(settings->tree, "http"), "hosts", i),
			    "\"%s\" is not the name of a host, such as agents.example: without https:// "
			    "and a path; each is named, there is no wildcard",
			    host);
	}
}

bool settings_name_is_good(const char *name)
{
	return name_is_good(name, strlen(name));
}

static bool has_trigger(const struct settings *settings, enum trigger_kind kind)
{
	for (size_t i = 0; i < settings->trigger_count; i++)
		if (settings->triggers[i].kind == kind && settings->triggers[i].enabled)
			return true;
	return false;
}

/* Something that others call at a path of its own. */
static bool has_path(const struct settings *settings)
{
	for (size_t i = 0; i < settings->interface_count; i++)
		if (settings->interfaces[i].path_count)
			return true;
	return has_trigger(settings, TRIGGER_WEBHOOK);
}

bool settings_work_alone(const struct settings *settings)
{
	return settings->interface_count || has_trigger(settings, TRIGGER_CRON);
}

/* Whether HTTP is on is known once all triggers and paths are: who only chats, keeps times and hears events
 * needs no port, unless the config names one. What `auto` comes to is false, or stays. */
static void settle_http(struct settings *settings, struct conf_errors *errors)
{
	const struct conf_node *http = conf_get(settings->tree, "http");
	const struct conf_node *enabled = conf_get(http, "enabled");
	if (strcmp(settings->http.enabled_word, "auto") == 0 && !conf_get(http, "listen") &&
	    !has_path(settings) &&
	    (settings_work_alone(settings) || has_trigger(settings, TRIGGER_EVENT))) {
		char *word = strdup("false");
		if (!word)
			return;
		free(settings->http.enabled_word);
		settings->http.enabled_word = word;
	}
	if (strcmp(settings->http.enabled_word, "false") == 0 && !settings->control.socket &&
	    !settings_work_alone(settings))
		conf_error(errors,
		    enabled ? enabled
			    : settings_place(conf_get(settings->tree, "control"), "socket", 0),
		    "without HTTP, and without a control socket, nothing can start a run");
}

void settings_settle(struct settings *settings, struct conf_errors *errors)
{
	instances_settle(settings, errors);
	providers_settle(settings, errors);
	conf_triggers_settle(settings, errors);
	settle_http(settings, errors);
}

void settings_note(const struct settings *settings, struct conf_errors *notes)
{
	providers_note_platforms(settings, notes);
}

/* Files. */

/* The path without links, also of a file that is not there yet. NULL: it has none. */
static char *real_path(const char *path)
{
	char *real = realpath(path, NULL), *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;
	if (!real && errno == ENOENT && slash && slash != folder) {
		*slash = '\0';
		char *above = real_path(folder);
		if (!above || asprintf(&real, "%s/%s", above, slash + 1) < 0)
			real = NULL;
		free(above);
	}
	free(folder);
	return real;
}

static int hide(void *arg, const char *path)
{
	struct settings *settings = arg;
	errno = 0;
	char *real = real_path(path);
	if (!real && errno == ENOMEM)
		settings->is_short = true;
	if (real && list_add(&settings->hidden, real, strlen(real)) < 0)
		settings->is_short = true; /* a pipe has no path, and needs no hiding */
	free(real);
	return 0;
}

/* The store's file, unless the config names it: what systemd gives, or the user's own folder. */
static char *default_store_path(void)
{
	const char *state = getenv("STATE_DIRECTORY"), *home = getenv("HOME");
	const char *xdg = getenv("XDG_STATE_HOME");
	struct buf path = { 0 };
	if (state && state[0] == '/')
		buf_addf(&path, "%.*s/agentd.db", (int)strcspn(state, ":"), state);
	else if (xdg && xdg[0] == '/')
		buf_addf(&path, "%s/agentd/agentd.db", xdg);
	else if (home && home[0] == '/')
		buf_addf(&path, "%s/.local/state/agentd/agentd.db", home);
	else
		return NULL;
	return buf_take(&path);
}

/* A path that the config gives, relative to the file that does. Takes over `path`. */
static char *absolute_path(const struct conf_node *node, char *path)
{
	char folder[PATH_MAX], *beside = conf_file_beside(node->file, path), *whole;
	free(path);
	if (!beside || beside[0] == '/' || !getcwd(folder, sizeof(folder)) ||
	    asprintf(&whole, "%s/%s", folder, beside) < 0)
		return beside;
	free(beside);
	return whole;
}

static void find_store(struct settings *settings, struct conf_errors *errors)
{
	const struct conf_node *node = conf_get(conf_get(settings->tree, "store"), "path");
	char *path = NULL;
	if (!settings->store.enabled)
		return;
	settings->store.path =
	    node ? absolute_path(node, settings->store.path) : default_store_path();
	static const char *const beside[] = { "", "-wal", "-shm", ".lock" };
	for (size_t i = 0; settings->store.path && i < sizeof(beside) / sizeof(beside[0]); i++)
		if (asprintf(&path, "%s%s", settings->store.path, beside[i]) >= 0) {
			hide(settings, path);
			free(path);
		}
	if (!settings->store.path)
		conf_error(errors, settings->tree,
		    "store.path is needed: neither STATE_DIRECTORY nor HOME is set");
}

/* What systemd gives, what root has, or the user's own folder. */
static char *default_control_socket(void)
{
	const char *runtime = getenv("RUNTIME_DIRECTORY"), *xdg = getenv("XDG_RUNTIME_DIR");
	struct buf path = { 0 };
	if (runtime && runtime[0] == '/')
		buf_addf(&path, "%.*s/agentd.sock", (int)strcspn(runtime, ":"), runtime);
	else if (geteuid() == 0)
		buf_add_str(&path, "/run/agentd/agentd.sock");
	else if (xdg && xdg[0] == '/')
		buf_addf(&path, "%s/agentd/agentd.sock", xdg);
	else
		return NULL;
	return buf_take(&path);
}

/* Whoever can write the keys of tokens can make tokens. */
static void hide_keys(struct settings *settings)
{
	for (size_t i = 0; i < settings->provider_count; i++) {
		const struct provider_settings *provider = &settings->providers[i];
		if (provider->key_file)
			hide(settings, provider->key_file);
		if (provider->jwks_file)
			hide(settings, provider->jwks_file);
	}
}

/* The same file cannot be both: what comes by it is either asked for a key, or is who the kernel says. */
static void check_control(const struct settings *settings, struct conf_errors *errors)
{
	const struct schema_list *listen = &settings->http.listen;
	for (size_t i = 0; i < listen->count; i++)
		if (is_control(settings, listen->items[i]))
			conf_error(errors,
			    settings_place(conf_get(settings->tree, "http"), "listen", i),
			    "\"%s\" is the control socket already: choose another path",
			    listen->items[i]);
}

static void find_control(struct settings *settings, struct conf_errors *errors)
{
	const struct conf_node *node = conf_get(conf_get(settings->tree, "control"), "socket");
	struct control_settings *control = &settings->control;
	control->is_given = control->socket != NULL;
	if (control->is_given && strcmp(control->socket, "none") == 0) {
		free(control->socket);
		control->socket = NULL;
	} else if (control->is_given) {
		control->socket = absolute_path(node, control->socket);
	} else {
		control->socket = default_control_socket();
	}
	if (control->socket && control->is_given && strlen(control->socket) > SOCKET_PATH_MAX)
		conf_error(errors, node, "the path of a socket has at most %d bytes, this is %s",
		    SOCKET_PATH_MAX, control->socket);
	if (control->socket)
		hide(settings, control->socket);
	check_control(settings, errors);
}

struct settings *settings_read(
    struct conf_node *tree, struct conf_errors *errors, struct conf_errors *notes)
{
	struct settings *settings = calloc(1, sizeof(*settings));
	if (!settings) {
		conf_free(tree);
		return NULL;
	}
	settings->refs = 1;
	settings->tree = tree;
	settings_read_table(&settings_top, tree, settings, errors);
	for (size_t i = 0; i < settings_section_count; i++)
		settings_read_table(settings_sections[i].schema,
		    conf_get(tree, settings_sections[i].key),
		    (char *)settings + settings_sections[i].at, errors);
	if (conf_errors_lost(errors)) {
		settings_unref(settings);
		return NULL;
	}
	if (settings->supervision.backoff_max_ms < settings->supervision.backoff_min_ms)
		conf_error(errors, conf_get(tree, "supervision"),
		    "backoff_max is shorter than backoff_min");
	providers_read(settings, errors);
	check_listen(settings, errors);
	check_origins(settings, errors);
	check_hosts(settings, errors);
	conf_files(tree, hide, settings);
	hide_keys(settings);
	find_store(settings, errors);
	find_control(settings, errors);
	dev_read(settings, errors);
	conf_triggers_read(settings, errors);
	identity_read(settings, errors);
	instances_read(settings, errors, notes);
	providers_note_unused(settings, notes);
	if (settings->is_short)
		conf_errors_set_lost(errors);
	if (!conf_errors_lost(errors))
		return settings;
	settings_unref(settings);
	return NULL;
}

struct settings *settings_ref(struct settings *settings)
{
	settings->refs++;
	return settings;
}

void settings_unref(struct settings *settings)
{
	if (!settings || --settings->refs)
		return;
	instances_free(settings);
	identity_free(settings);
	list_done(&settings->hidden);
	dev_done(settings);
	providers_free(settings);
	conf_triggers_free(settings);
	for (size_t i = 0; i < settings_section_count; i++)
		schema_release(
		    settings_sections[i].schema, (char *)settings + settings_sections[i].at);
	schema_release(&settings_top, settings);
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
	struct conf_node *store = agents ? conf_add_map(tree, "store") : NULL;
	struct conf_node *address = store && listen ? conf_add_text(http, "listen", listen) : NULL;
	bool ok = store && conf_add_text(store, "enabled", "false") && (!listen || address);
	if (address)
		address->file = "--listen"; /* what is wrong with it is said of the option */
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

enum log_level settings_log_level(const struct settings *settings)
{
	static const char *const words[] = { "error", "warn", "info", "debug" };
	size_t level = 0;
	while (strcmp(words[level], settings->log_level_word) != 0)
		level++; /* the table takes no others */
	return (enum log_level)level;
}
