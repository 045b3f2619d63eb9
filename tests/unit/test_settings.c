/*
 * settings: what a config may say of interfaces and hooks, and what is said of mistakes. The plugins are made
 * up here: each file is /dev/null, and what it would have said of itself is below.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf/settings.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))
#define SHA           "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

#define AGENT "agents: { a: { plugin: /dev/null } }\n"
#define AUTH                                                                      \
	"auth: { keys: { type: api_key, keys: [ \"" SHA                           \
	"\" ] }, me: { type: allowlist, users: [ \"1\" ] },\n"                    \
	"  tg: { type: allowlist, users: [ \"2\" ], platforms: [ telegram ] },\n" \
	"  dc: { type: allowlist, users: [ \"3\" ], platforms: [ discord ] },\n"  \
	"  both: { type: composite, of: [ keys, dc, tg ] }, web: { type: composite, of: [ keys ] } }\n"

struct fixture {
	const struct agentd_path *paths; /* of all interfaces */
	size_t path_count;
	struct conf_errors *errors, *notes;
	struct settings *settings;
};

static const struct schema_row option_rows[] = {
	{ .key = "token", .type = AGENTD_SECRET },
	{ .key = "at", .type = AGENTD_STRING, .fallback = "hook/telegram" },
	{ .key = "nowhere", .type = AGENTD_STRING },
	{ .key = "count", .type = AGENTD_INT },
	{ .key = "mode",
	    .type = AGENTD_STRING,
	    .fallback = "polling",
	    .choices = "polling|webhook" },
};
static const struct schema options = { option_rows, LENGTH(option_rows) };

static int setup(void **state)
{
	return (*state = calloc(1, sizeof(struct fixture))) ? 0 : -1;
}

static void clear(struct fixture *f)
{
	settings_unref(f->settings);
	conf_errors_free(f->notes);
	conf_errors_free(f->errors);
	*f = (struct fixture){ .paths = f->paths, .path_count = f->path_count };
}

static bool is_taken(const char *path)
{
	return strcmp(path, "/run") == 0;
}

static int teardown(void **state)
{
	clear(*state);
	free(*state);
	return 0;
}

/* As a start does it: the sections, then what each plugin says, then what depends on all. */
static void read_config(struct fixture *f, const char *config)
{
	clear(f);
	f->errors = conf_errors_new();
	f->notes = conf_errors_new();
	struct conf_node *tree = conf_parse(config, strlen(config), "agent.conf", NULL, f->errors);
	f->settings = settings_read(tree, f->errors, f->notes);
	for (size_t i = 0; i < settings_instance_count(f->settings); i++) {
		settings_read_options(f->settings, i, &options, f->errors);
		if (settings_instance_at(f->settings, i)->kind != INSTANCE_INTERFACE)
			continue;
		settings_read_platform(f->settings, i, "telegram", f->errors);
		settings_read_paths(f->settings, i, f->paths, f->path_count, is_taken, f->errors);
	}
	settings_settle(f->settings, f->errors);
	settings_note(f->settings, f->notes);
}

/* Whether a message begins with that. */
static void assert_begins(const char *message, const char *expected)
{
	if (strncmp(message, expected, strlen(expected)) != 0)
		assert_string_equal(message, expected);
}

static const struct interface_settings *read_good(struct fixture *f, const char *config)
{
	read_config(f, config);
	if (conf_errors_count(f->errors))
		fail_msg("%s", conf_errors_get(f->errors, 0));
	return f->settings->interfaces;
}

struct mistake {
	const char *config, *expected; /* one line; NULL: none */
};

static void assert_mistakes(struct fixture *f, const struct mistake *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		read_config(f, rows[i].config);
		if (conf_errors_count(f->errors) != 1)
			fail_msg("%zu messages of %s\n%s", conf_errors_count(f->errors),
			    rows[i].config,
			    conf_errors_count(f->errors) ? conf_errors_get(f->errors, 0) : "");
		assert_begins(conf_errors_get(f->errors, 0), rows[i].expected);
	}
}

/* All kinds, in one order, whatever the order of their sections. */
static void test_all_instances_in_one_order(void **state)
{
	static const char *const labels[] = { "agent a", "agent b", "interface t", "interface s",
		"hook log" };
	read_good(*state, "hooks: { log: { plugin: /dev/null } }\n"
			  "interfaces: { t: { plugin: /dev/null, open: true, agent: b },\n"
			  "  s: { plugin: /dev/null, open: true, agent: a } }\n"
			  "agents: { a: { plugin: /dev/null }, b: { plugin: /dev/null } }\n");
	const struct settings *settings = ((struct fixture *)*state)->settings;
	assert_int_equal(settings_instance_count(settings), LENGTH(labels));
	for (size_t i = 0; i < LENGTH(labels); i++)
		assert_string_equal(settings_instance_at(settings, i)->label, labels[i]);
	assert_ptr_equal(settings_instance_at(settings, 1), &settings->agents[1]);
	assert_ptr_equal(settings_instance_at(settings, 3), &settings->interfaces[1]);
	assert_ptr_equal(settings_instance_at(settings, 4), &settings->hooks[0]);
}

static void test_defaults_of_an_interface(void **state)
{
	const struct interface_settings *t = read_good(*state,
	    AGENT "interfaces: { t: { plugin: /dev/null, open: true, limits: { files: 32 } } }\n"
		  "hooks: { log: { plugin: /dev/null } }\n");
	const struct hook_settings *hook = ((struct fixture *)*state)->settings->hooks;
	assert_string_equal(t->agent, "a");
	assert_string_equal(t->platform, "telegram");
	assert_true(t->open);
	assert_int_equal(t->auth_count, 0);
	assert_int_equal(t->hooks.count, 0);
	assert_int_equal(t->session_ttl_ms, 3600000);
	assert_int_equal(t->max_session_history, 50);
	assert_int_equal(t->max_concurrent_requests, 10);
	assert_int_equal(t->rate_limit_messages_per_minute, 30);
	assert_int_equal(t->max_attempts, 10);
	assert_string_equal(t->error_message, "Sorry, something went wrong. Please try again.");
	assert_true(t->typing_indicator);
	assert_int_equal(t->instance.limits.files, 32);
	assert_int_equal(t->instance.limits.memory, 0);
	assert_string_equal(t->instance.options[4].text, "polling");
	assert_int_equal(hook->timeout_ms, 10000);
	assert_int_equal(hook->instance.limits.files, 256);
}

static void test_an_interface_says_otherwise(void **state)
{
	const struct interface_settings *t = read_good(*state,
	    "agents: { a: { plugin: /dev/null }, b: { plugin: /dev/null } }\n"
	    "hooks: { log: { plugin: /dev/null, timeout: 5s }, more: { plugin: /dev/null } }\n"
	    "interfaces:\n  t: { plugin: /dev/null, open: true, agent: b, hooks: [ more, log ], "
	    "session_ttl: 2h,\n    max_session_history: 5, max_concurrent_requests: 1, "
	    "rate_limit_messages_per_minute: 0,\n    max_attempts: 3, error_message: Oh., "
	    "typing_indicator: false, mode: webhook,\n    allow: [ unix ], limits: { memory: 64M } }\n");
	assert_string_equal(t->agent, "b");
	assert_int_equal(t->hooks.count, 2);
	assert_string_equal(t->hooks.items[0], "more");
	assert_int_equal(t->session_ttl_ms, 7200000);
	assert_int_equal(t->max_session_history, 5);
	assert_int_equal(t->max_concurrent_requests, 1);
	assert_int_equal(t->rate_limit_messages_per_minute, 0);
	assert_int_equal(t->max_attempts, 3);
	assert_string_equal(t->error_message, "Oh.");
	assert_false(t->typing_indicator);
	assert_true(t->instance.limits.allow_unix);
	assert_int_equal(t->instance.limits.memory, 64 << 20);
	assert_string_equal(t->instance.options[4].text, "webhook");
	assert_int_equal(((struct fixture *)*state)->settings->hooks[0].timeout_ms, 5000);
}

/* Its own auth; else those parts of http.auth that name its platform, and no others. */
static void test_who_may_write(void **state)
{
	const struct {
		const char *config;
		size_t count;
		const char *first;
	} rows[] = {
		{ AGENT AUTH "interfaces: { t: { plugin: /dev/null, auth: me } }\n", 1, "me" },
		{ AGENT AUTH "interfaces: { t: { plugin: /dev/null, auth: tg } }\n", 1, "tg" },
		{ AGENT AUTH "interfaces: { t: { plugin: /dev/null, auth: both } }\n", 1, "both" },
		{ AGENT AUTH "http: { auth: both }\ninterfaces: { t: { plugin: /dev/null } }\n", 1,
		    "tg" },
		{ AGENT AUTH
		    "http: { auth: both }\ninterfaces: { t: { plugin: /dev/null, auth: me } }\n",
		    1, "me" },
		{ AGENT AUTH
		    "http: { auth: both }\ninterfaces: { t: { plugin: /dev/null, open: true } }\n",
		    0, NULL },
	};
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct interface_settings *t = read_good(*state, rows[i].config);
		assert_int_equal(t->auth_count, rows[i].count);
		if (rows[i].first)
			assert_string_equal(t->auth[0]->name, rows[i].first);
	}
}

static void test_nobody_may_write(void **state)
{
	static const struct mistake rows[] = {
		{ AGENT "interfaces:\n  t: { plugin: /dev/null }\n",
		    "agent.conf:3: interfaces.t: nobody may write: name an allowlist with auth, or give "
		    "http.auth one whose platforms have \"telegram\", or write open: true" },
		{ AGENT "interfaces:\n  t: { plugin: /dev/null, open: false }\n",
		    "agent.conf:3: interfaces.t: nobody may write: " },
		/* It has no allowlist, or one that names no platform. */
		{ AGENT AUTH "http: { auth: web }\ninterfaces: { t: { plugin: /dev/null } }\n",
		    "agent.conf:7: interfaces.t: nobody may write: " },
		{ AGENT
		    "auth: { k: { type: api_key, keys: [ \"" SHA "\" ] },\n"
		    "  l: { type: allowlist, users: [ x ] }, c: { type: composite, of: [ k, l ] } }\n"
		    "http: { auth: c }\ninterfaces: { t: { plugin: /dev/null } }\n",
		    "agent.conf:5: interfaces.t: nobody may write: " },
		{ AGENT AUTH "interfaces:\n  t:\n    plugin: /dev/null\n    auth: keys\n",
		    "agent.conf:9: interfaces.t.auth: \"keys\" (api_key) can never know who writes in a "
		    "chat: an allowlist can" },
		{ AGENT AUTH "interfaces:\n  t: { plugin: /dev/null, auth: web }\n",
		    "agent.conf:7: interfaces.t.auth: \"web\" (composite) can never know who writes" },
		{ AGENT AUTH "interfaces:\n  t: { plugin: /dev/null, auth: dc }\n",
		    "agent.conf:7: interfaces.t.auth: \"dc\" is for other platforms than \"telegram\": "
		    "nobody could write" },
		{ AGENT AUTH "interfaces:\n  t: { plugin: /dev/null, auth: em }\n",
		    "agent.conf:7: interfaces.t.auth: there is no auth \"em\"; did you mean" },
		{ AGENT AUTH "interfaces:\n  t: { plugin: /dev/null, auth: none }\n",
		    "agent.conf:7: interfaces.t.auth: to let everybody in, write open: true instead" },
		{ AGENT AUTH
		    "interfaces:\n  t:\n    plugin: /dev/null\n    auth: me\n    open: true\n",
		    "agent.conf:10: interfaces.t.open: with open: true everybody may write" },
		/* One mistake, not two. */
		{ AGENT AUTH "http: { auth: nix }\ninterfaces: { t: { plugin: /dev/null } }\n",
		    "agent.conf:6: http.auth: there is no auth \"nix\"" },
	};
	assert_mistakes(*state, rows, LENGTH(rows));
}

static void test_mistakes_of_interfaces_and_hooks(void **state)
{
	static const struct mistake rows[] = {
		{ AGENT "interfaces: [ t ]\n",
		    "agent.conf:2: interfaces: must be a section of interfaces, by name" },
		{ AGENT "hooks: log\n",
		    "agent.conf:2: hooks: must be a section of hooks, by name" },
		{ AGENT "hooks:\n  log: { timeout: 1s }\n",
		    "agent.conf:3: hooks.log: the required option \"plugin\" is missing" },
		{ AGENT "hooks:\n  log: { plugin: /dev/null, timeout: 0s }\n",
		    "agent.conf:3: hooks.log.timeout: must be between 1ms and 1h, found \"0s\"" },
		{ AGENT "hooks:\n  log: { plugin: /dev/null, concurrency: 3 }\n",
		    "agent.conf:3: hooks.log.concurrency: unknown option" },
		{ AGENT "interfaces:\n  t: { plugin: /dev/null, open: true, mdoe: webhook }\n",
		    "agent.conf:3: interfaces.t.mdoe: unknown option; did you mean \"mode\"?" },
		{ AGENT
		    "interfaces:\n  t: { plugin: /dev/null, open: true, tyming_indicator: no }\n",
		    "agent.conf:3: interfaces.t.tyming_indicator: unknown option; did you mean "
		    "\"typing_indicator\"?" },
		{ AGENT
		    "interfaces:\n  t: { plugin: /dev/null, open: true, limits: { content: 1M } }\n",
		    "agent.conf:3: interfaces.t.limits.content: unknown option" },
		{ AGENT
		    "interfaces:\n  t: { plugin: /dev/null, open: true, error_message: \"\" }\n",
		    "agent.conf:3: interfaces.t.error_message: must say something" },
		{ AGENT "interfaces:\n  t: { plugin: /dev/null, open: true, max_attempts: 0 }\n",
		    "agent.conf:3: interfaces.t.max_attempts: must be between 1 and 1000" },
		{ AGENT "interfaces:\n  t: { plugin: /dev/null, open: true, agent: A1 }\n",
		    "agent.conf:3: interfaces.t.agent: there is no agent \"A1\"" },
		{ AGENT
		    "hooks: { log: { plugin: /dev/null } }\ninterfaces:\n  t:\n    plugin: /dev/null\n"
		    "    open: true\n    hooks:\n      - log\n      - lgo\n",
		    "agent.conf:9: interfaces.t.hooks[1]: there is no hook \"lgo\"; did you mean \"log\"?" },
		{ AGENT
		    "hooks: { log: { plugin: /dev/null } }\n"
		    "interfaces: { t: { plugin: /dev/null, open: true, hooks: [ log, log ] } }\n",
		    "agent.conf:3: interfaces.t.hooks[1]: \"log\" is listed twice" },
		{ AGENT "store: { enabled: false }\n"
			"interfaces:\n  t: { plugin: /dev/null, open: true }\n",
		    "agent.conf:4: interfaces.t: an interface needs the store, which is off "
		    "(store.enabled: false)" },
		{ "interfaces: { t: { plugin: /dev/null, open: true } }\n",
		    "agent.conf:1: nobody answers what interfaces bring: name an agent" },
		{ "hooks: { log: { plugin: /dev/null } }\n",
		    "agent.conf:1: nothing to run: name an agent" },
		{ "agents: { a: { plugin: /dev/null }, b: { plugin: /dev/null } }\n"
		  "interfaces: { t: { plugin: /dev/null, open: true } }\n",
		    "agent.conf:2: interfaces.t: agent is required: there are several, and no "
		    "default_agent" },
	};
	assert_mistakes(*state, rows, LENGTH(rows));
}

/* One name, one thing, for the log, for operators and for a session's key. */
static void test_names_are_shared(void **state)
{
	static const struct mistake rows[] = {
		{ AGENT "interfaces:\n  a: { plugin: /dev/null, open: true }\n",
		    "agent.conf:3: interfaces.a: the name is that of an agent already" },
		{ AGENT "hooks:\n  a: { plugin: /dev/null }\n",
		    "agent.conf:3: hooks.a: the name is that of an agent already" },
		{ AGENT "interfaces: { x: { plugin: /dev/null, open: true } }\n"
			"hooks:\n  x: { plugin: /dev/null }\n",
		    "agent.conf:4: hooks.x: the name is that of an interface already" },
		{ AGENT "hooks:\n  x y: { plugin: /dev/null }\n",
		    "agent.conf:3: hooks.x y: a name may have letters, digits, _ and -" },
	};
	assert_mistakes(*state, rows, LENGTH(rows));
}

/* A key of agentd's means the same in every section: no plugin may have one, of whatever kind it is. */
static void test_no_plugin_claims_a_key_of_agentds(void **state)
{
	static const char *const keys[] = { "plugin", "allow", "limits", "triggers", "workers",
		"auth", "open", "hooks", "session_ttl", "timeout" };
	struct fixture *f = *state;
	for (size_t i = 0; i < LENGTH(keys); i++)
		for (size_t instance = 0; instance < 3; instance++) {
			const struct schema_row row = { .key = keys[i], .type = AGENTD_JSON };
			const struct schema table = { &row, 1 };
			char expected[128];
			clear(f);
			f->errors = conf_errors_new();
			f->notes = conf_errors_new();
			static const char config[] =
			    AGENT "interfaces: { t: { plugin: /dev/null } }\n"
				  "hooks: { log: { plugin: /dev/null } }\n";
			f->settings = settings_read(
			    conf_parse(config, strlen(config), "agent.conf", NULL, f->errors),
			    f->errors, f->notes);
			settings_read_options(f->settings, instance, &table, f->errors);
			snprintf(expected, sizeof(expected),
			    ".plugin: the plugin claims the option \"%s\", which is agentd's own",
			    keys[i]);
			bool found = false;
			for (size_t e = 0; e < conf_errors_count(f->errors); e++)
				found = found || strstr(conf_errors_get(f->errors, e), expected);
			if (!found)
				fail_msg("nothing was said of \"%s\"", keys[i]);
			clear(f);
		}
}

/* An interface that was dropped in takes the last place of its kind, and goes without the others noticing. */
static void test_a_drop_in_that_is_an_interface(void **state)
{
	struct fixture *f = *state;
	read_good(f, "agents: { a: { plugin: /dev/null }, b: { plugin: /dev/null } }\n"
		     "default_agent: a\nhooks: { log: { plugin: /dev/null } }\n"
		     "interfaces: { t: { plugin: /dev/null, open: true } }\n");
	assert_true(settings_turn_drop_in(f->settings, 1, f->errors));
	assert_int_equal(settings_instance_count(f->settings), 4);
	assert_string_equal(settings_instance_at(f->settings, 2)->label, "interface b");
	assert_true(settings_instance_at(f->settings, 2)->dropped_in);
	assert_false(settings_instance_at(f->settings, 1)->dropped_in);
	settings_read_options(f->settings, 2, &options, f->errors);
	assert_int_equal(conf_errors_count(f->errors), 0);
	settings_read_platform(f->settings, 2, "telegram", f->errors);
	assert_int_equal(conf_errors_count(f->errors), 1); /* nobody may write */
	settings_drop(f->settings, 2);
	assert_int_equal(settings_instance_count(f->settings), 3);
	assert_string_equal(settings_instance_at(f->settings, 1)->label, "interface t");
	assert_string_equal(settings_instance_at(f->settings, 2)->label, "hook log");
}

#define ONE(options) AGENT "interfaces:\n  t: { plugin: /dev/null, open: true" options " }\n"

/* As the plugin says, or as an option of it says, or only if one does. */
static void test_paths_of_an_interface(void **state)
{
	static const struct {
		struct agentd_path row;
		const char *config, *method, *path; /* path NULL: it has none */
	} rows[] = {
		{ { "GET", "/x/y", NULL }, ONE(""), "GET", "/x/y" },
		{ { NULL, "x", NULL }, ONE(""), "POST", "/x" },
		{ { "", "/x", "" }, ONE(""), "POST", "/x" },
		{ { "PUT", "$at", NULL }, ONE(""), "PUT", "/hook/telegram" },
		{ { "POST", "$at", NULL }, ONE(", at: /mine"), "POST", "/mine" },
		{ { "POST", "/x", "mode=webhook" }, ONE(""), NULL, NULL },
		{ { "POST", "/x", "mode=polling" }, ONE(""), "POST", "/x" },
		{ { "POST", "/x", "mode=webhook" }, ONE(", mode: webhook"), "POST", "/x" },
		{ { "POST", "$nowhere", "mode=webhook" }, ONE(""), NULL, NULL },
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		f->paths = &rows[i].row;
		f->path_count = 1;
		const struct interface_settings *t = read_good(f, rows[i].config);
		assert_int_equal(t->path_count, rows[i].path ? 1 : 0);
		if (!rows[i].path)
			continue;
		assert_string_equal(t->paths[0].method, rows[i].method);
		assert_string_equal(t->paths[0].path, rows[i].path);
	}
}

static void test_mistakes_of_paths(void **state)
{
	static const struct {
		struct agentd_path row;
		struct mistake mistake;
	} rows[] = {
		{ { "POST", "/run", NULL },
		    { ONE(""),
			"agent.conf:3: interfaces.t.plugin: /run is a path of agentd's own API" } },
		{ { "POST", "$at", NULL },
		    { ONE(", at: RUN/"),
			"agent.conf:3: interfaces.t.at: /RUN/ is a path of agentd's own" } },
		{ { "POST", "$at", NULL },
		    { ONE(", at: /a/../b"),
			"agent.conf:3: interfaces.t.at: the plugin wants \"/a/../b\" "
			"called: a path has no . or .. in it" } },
		{ { "POST", "$nowhere", NULL },
		    { ONE(""),
			"agent.conf:3: interfaces.t: nowhere is needed: it is the path at which" } },
		{ { "POST", "$what", NULL },
		    { ONE(""),
			"agent.conf:3: interfaces.t.plugin: the plugin has a path that depends on "
			"its option \"what\", and no such option" } },
		{ { "POST", "$count", NULL },
		    { ONE(", count: 3"),
			"agent.conf:3: interfaces.t.plugin: the plugin has a path that "
			"depends on its option \"count\"" } },
		{ { "POST", "/x", "wen=1" },
		    { ONE(""),
			"agent.conf:3: interfaces.t.plugin: the plugin has a path that depends on "
			"its option \"wen\"" } },
		{ { "BREW", "/x", NULL },
		    { ONE(""),
			"agent.conf:3: interfaces.t.plugin: the plugin wants /x called by the "
			"method \"BREW\"" } },
		{ { "POST", "/x", NULL },
		    { ONE("") "webhooks: { w: { path: /X/ } }\n",
			"agent.conf:3: interfaces.t.plugin: POST /x is that of webhooks.w already" } },
		{ { "POST", "/x", NULL },
		    { ONE("") "  u: { plugin: /dev/null, open: true }\n",
			"agent.conf:4: interfaces.u.plugin: POST /x is that of interface t already" } },
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		f->paths = &rows[i].row;
		f->path_count = 1;
		assert_mistakes(f, &rows[i].mistake, 1);
	}
}

/* A webhook that an agent's plugin brings is read after the paths of an interface may have been. */
static void test_a_webhook_at_the_path_of_an_interface(void **state)
{
	static const struct agentd_path path = { "POST", "/x", NULL };
	static const struct agentd_trigger rows[] = {
		{ .type = AGENTD_WEBHOOK, .name = "other", .path = "/x", .method = "GET" },
		{ .type = AGENTD_WEBHOOK, .name = "push", .path = "/x" },
	};
	struct fixture *f = *state;
	f->paths = &path;
	f->path_count = 1;
	read_good(f, ONE(""));
	settings_read_triggers(f->settings, 0, rows, LENGTH(rows), f->errors, f->notes);
	assert_int_equal(conf_errors_count(f->errors), 1);
	assert_begins(conf_errors_get(f->errors, 0),
	    "agent.conf:1: agents.a.triggers.push.path: POST /x is that of interface t already");
}

/* Who only chats needs no port, unless it is named, or a platform calls. */
static void test_http_of_interfaces(void **state)
{
	static const struct agentd_path path = { "POST", "/x", "mode=webhook" };
	static const struct {
		const char *config, *enabled;
	} rows[] = {
		{ AGENT, "auto" }, { AGENT "hooks: { log: { plugin: /dev/null } }\n", "auto" },
		{ ONE(""), "false" }, { ONE(", mode: webhook"), "auto" },
		{ ONE("") "http: { listen: [ \"127.0.0.1:1\" ] }\n", "auto" },
		{ ONE("") "http: { enabled: true }\n", "true" },
		{ ONE("") "webhooks: { w: { path: /y } }\n", "auto" },
		{ ONE("") "control: { socket: none }\n", "false" }, /* it is not for nothing */
	};
	struct fixture *f = *state;
	f->paths = &path;
	f->path_count = 1;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		read_good(f, rows[i].config);
		assert_string_equal(f->settings->http.enabled_word, rows[i].enabled);
	}
}

#define CRON(options) ONE("") "cron:\n  m:\n    schedule: \"@daily\"\n    deliver: " options "\n"

static void test_where_the_answer_of_a_schedule_goes(void **state)
{
	static const struct mistake rows[] = {
		{ CRON("{ interface: t }"),
		    "agent.conf:7: cron.m.deliver: the required option \"chat\" is missing" },
		{ CRON("{ chat: \"1\" }"),
		    "agent.conf:7: cron.m.deliver: the required option \"interface\" is missing" },
		{ CRON("t"), "agent.conf:7: cron.m.deliver: expected a section" },
		{ CRON("{ interface: t, chat: \"\" }"),
		    "agent.conf:7: cron.m.deliver.chat: must be the id of a chat" },
		{ CRON("{ interface: t, chat: x, caht: x }"),
		    "agent.conf:7: cron.m.deliver.caht: unknown option; did you mean \"chat\"?" },
		{ CRON("\n      chat: x\n      interface: tt"),
		    "agent.conf:9: cron.m.deliver.interface: there is no interface \"tt\"; did you mean "
		    "\"t\"?" },
		{ CRON("{ interface: a, chat: x }"),
		    "agent.conf:7: cron.m.deliver.interface: there is no interface \"a\"" },
	};
	struct fixture *f = *state;
	assert_mistakes(f, rows, LENGTH(rows));
	read_good(f, CRON("{ interface: t, chat: 12345 }"));
	assert_string_equal(f->settings->triggers[0].cron.deliver.interface, "t");
	assert_string_equal(f->settings->triggers[0].cron.deliver.chat, "12345");
	read_good(f, ONE("") "cron: { m: { schedule: \"@daily\" } }\n");
	assert_null(f->settings->triggers[0].cron.deliver.interface);
}

/* One that a plugin brings may go somewhere too. */
static void test_where_the_answer_of_a_brought_schedule_goes(void **state)
{
	static const struct agentd_trigger row = {
		.type = AGENTD_CRON, .name = "m", .schedule = "@daily"
	};
	struct fixture *f = *state;
	read_good(f,
	    "agents: { a: { plugin: /dev/null, triggers: { m: { deliver: { interface: t, chat: x "
	    "} } } } }\ninterfaces: { t: { plugin: /dev/null, open: true } }\n");
	settings_read_triggers(f->settings, 0, &row, 1, f->errors, f->notes);
	settings_settle(f->settings, f->errors);
	assert_int_equal(conf_errors_count(f->errors), 0);
	assert_string_equal(f->settings->triggers[0].cron.deliver.chat, "x");
}

static void test_identities(void **state)
{
	static const struct {
		const char *user, *platform, *id;
	} expected[] = { { "ann", "telegram", "12345" }, { "ann", "discord", "999" },
		{ "apikey_12", "signal", "+49:1 2" }, { "bob@x", "telegram", "12346" } };
	static const struct mistake rows[] = {
		{ AGENT "identity: ann\n", "agent.conf:2: identity: must be a section of users" },
		{ AGENT "identity:\n  ann: telegram\n",
		    "agent.conf:3: identity.ann: expected PLATFORM:ID, such as \"telegram:12345\"" },
		{ AGENT "identity:\n  ann: [ \"telegram:\" ]\n",
		    "agent.conf:3: identity.ann[0]: expected PLATFORM:ID" },
		{ AGENT "identity:\n  ann: [ \"a:1\", \":1\" ]\n",
		    "agent.conf:3: identity.ann[1]: expected PLATFORM:ID" },
		{ AGENT "identity:\n  ann: [ \"a b:1\" ]\n",
		    "agent.conf:3: identity.ann[0]: expected PLATFORM:ID" },
		{ AGENT "identity:\n  ann: { telegram: 1 }\n",
		    "agent.conf:3: identity.ann: expected PLATFORM:ID" },
		{ AGENT "identity:\n  ann: [ [ x ] ]\n",
		    "agent.conf:3: identity.ann[0]: expected PLATFORM:ID" },
		{ AGENT
		    "identity:\n  ann:\n    - telegram:1\n  bob:\n    - discord:1\n    - telegram:1\n",
		    "agent.conf:7: identity.bob[1]: \"telegram:1\" is that of \"ann\" already, at "
		    "agent.conf:4" },
		{ AGENT "identity: { ann: [ \"t:1\", \"t:1\" ] }\n",
		    "agent.conf:2: identity.ann[1]: \"t:1\" is that of \"ann\" already, at agent.conf:2" },
	};
	struct fixture *f = *state;
	assert_mistakes(f, rows, LENGTH(rows));
	read_good(f, AGENT "identity:\n  ann: [ \"telegram:12345\", \"discord:999\" ]\n"
			   "  apikey_12: \"signal:+49:1 2\"\n  nobody:\n  bob@x: telegram:12346\n");
	assert_int_equal(f->settings->identity_count, LENGTH(expected));
	for (size_t i = 0; i < LENGTH(expected); i++) {
		assert_string_equal(f->settings->identities[i].user_id, expected[i].user);
		assert_string_equal(f->settings->identities[i].platform, expected[i].platform);
		assert_string_equal(f->settings->identities[i].platform_user_id, expected[i].id);
	}
}

/* Ids have a length, here as in the ABI. */
static void test_ids_have_a_length(void **state)
{
	struct fixture *f = *state;
	for (int n = 256; n <= 257; n++) {
		char id[300], text[700];
		memset(id, 'x', (size_t)n);
		id[n] = '\0';
		snprintf(text, sizeof(text), AGENT "identity: { ann: \"t:%s\" }\n", id);
		read_config(f, text);
		assert_int_equal(conf_errors_count(f->errors), n > 256);
		snprintf(text, sizeof(text), AGENT "identity: { %s: \"t:1\" }\n", id);
		read_config(f, text);
		assert_int_equal(conf_errors_count(f->errors), n > 256);
	}
}

/* What nothing uses is worth a note; an interface's auth is used. */
static void test_auth_that_an_interface_uses(void **state)
{
	struct fixture *f = *state;
	static const char auth[] = AGENT
	    "auth: { any: { type: composite, of: [ me, jwt ] }, me: { type: allowlist, users: [ "
	    "x ] },\n  jwt: { type: jwt, algorithms: [ HS256 ], secret: abc } }\n";
	char used[1024];
	read_good(f, auth);
	assert_int_equal(conf_errors_count(f->notes), 1);
	assert_begins(conf_errors_get(f->notes, 0), "agent.conf:2: auth.any: nothing uses it");
	snprintf(
	    used, sizeof(used), "%sinterfaces: { t: { plugin: /dev/null, auth: any } }\n", auth);
	read_good(f, used);
	assert_int_equal(conf_errors_count(f->notes), 1);
	assert_begins(conf_errors_get(f->notes, 0), "agent.conf:3: auth.jwt: nothing uses it");
}

/* A slip in the name of a platform leaves somebody out without a word. */
static void test_a_platform_that_no_interface_has(void **state)
{
	struct fixture *f = *state;
	static const char auth[] =
	    "auth:\n  all: { type: composite, of: [ a, b ] }\n"
	    "  a: { type: allowlist, users: [ x ], platforms: [ telegram, telegrm ] }\n"
	    "  b: { type: allowlist, users: [ x ], platforms: [ matrix ] }\n";
	char config[1024];
	snprintf(config, sizeof(config),
	    AGENT "interfaces: { t: { plugin: /dev/null, auth: all } }\n%s", auth);
	read_good(f, config);
	assert_int_equal(conf_errors_count(f->notes), 2);
	assert_string_equal(conf_errors_get(f->notes, 0),
	    "agent.conf:5: auth.a.platforms[1]: no interface has the platform \"telegrm\"; did you mean "
	    "\"telegram\"?");
	assert_string_equal(conf_errors_get(f->notes, 1),
	    "agent.conf:6: auth.b.platforms[0]: no interface has the platform \"matrix\"");
	snprintf(config, sizeof(config), AGENT "%s", auth);
	read_good(f, config);
	assert_int_equal(conf_errors_count(f->notes), 0);
}

/* What a schedule can never fill would be nothing, each time. */
static void test_templates_of_schedules(void **state)
{
	static const struct mistake rows[] = {
		{ AGENT "cron: { m: { schedule: \"@daily\", input: \"a {{ headers.x-y }}\" } }\n",
		    "agent.conf:2: cron.m.input: a schedule has no headers.x-y: it has body.cron" },
		{ AGENT "cron: { m: { schedule: \"@daily\", input: \"{{ body.title }}\" } }\n",
		    "agent.conf:2: cron.m.input: a schedule has no body.title: it has" },
		{ AGENT "cron: { m: { schedule: \"@daily\", input: \"{{ body.due.year }}\" } }\n",
		    "agent.conf:2: cron.m.input: a schedule has no body.due.…: it has" },
		{ AGENT "cron: { m: { schedule: \"@daily\", session: \"{{ headers.a }}\" } }\n",
		    "agent.conf:2: cron.m.session: a schedule has no headers.a: it has" },
	};
	struct fixture *f = *state;
	assert_mistakes(f, rows, LENGTH(rows));
	read_good(f, AGENT
	    "cron: { m: { schedule: \"@daily\", input: \"{{ body }}{{ body.cron }}{{ body.due }}"
	    "{{ body.attempt }}{{ source }}{{ timestamp }}\" } }\n"
	    "events: { e: { input: \"{{ body.x }}\" } }\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	setenv("STATE_DIRECTORY", "/nonexistent", 1);
	setenv("RUNTIME_DIRECTORY", "/nonexistent", 1);
	static const struct CMUnitTest tests[] = {
		TEST(test_all_instances_in_one_order),
		TEST(test_defaults_of_an_interface),
		TEST(test_an_interface_says_otherwise),
		TEST(test_who_may_write),
		TEST(test_nobody_may_write),
		TEST(test_mistakes_of_interfaces_and_hooks),
		TEST(test_names_are_shared),
		TEST(test_no_plugin_claims_a_key_of_agentds),
		TEST(test_a_drop_in_that_is_an_interface),
		TEST(test_paths_of_an_interface),
		TEST(test_mistakes_of_paths),
		TEST(test_a_webhook_at_the_path_of_an_interface),
		TEST(test_http_of_interfaces),
		TEST(test_where_the_answer_of_a_schedule_goes),
		TEST(test_where_the_answer_of_a_brought_schedule_goes),
		TEST(test_identities),
		TEST(test_ids_have_a_length),
		TEST(test_auth_that_an_interface_uses),
		TEST(test_a_platform_that_no_interface_has),
		TEST(test_templates_of_schedules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
