/*
 * settings: agent.conf as typed values. Everything that the core knows is in the tables of tables.c,
 * one row for each option; help texts and manuals are made from them.
 *
 * Read once, then immutable, and shared by reference count. Durations are milliseconds, sizes
 * bytes. Strings are owned by the settings; texts of the tree are borrowed from it, and it lives as
 * long as they do.
 *
 * Three steps, since a plugin's own options and triggers are known only when a host has loaded it:
 * settings_read checks all of the core's, settings_read_options and settings_read_triggers those of one
 * plugin, and once it is known which of the plugins in plugins.dir can be served, settings_settle what
 * depends on all agents.
 */
#ifndef AGENTD_CONF_SETTINGS_H
#define AGENTD_CONF_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "daemon/base/log.h"
#include "daemon/conf/conf.h"
#include "daemon/conf/schema.h"

enum on_busy { ON_BUSY_ENQUEUE, ON_BUSY_REJECT, ON_BUSY_INTERRUPT };

/* So many in so long; count 0: as many as they like. */
struct rate {
	int64_t count, period_ms;
};

enum auth_type { AUTH_API_KEY, AUTH_JWT, AUTH_ALLOWLIST, AUTH_COMPOSITE };

#define AUTH_HASH_SIZE 32 /* SHA-256 */

struct auth_key_settings {
	char *name, *hash_word, *rate_word;
	unsigned char hash[AUTH_HASH_SIZE];
	bool admin;
	struct schema_list agents; /* empty: all */
	struct rate rate;
	const struct conf_node *section; /* borrowed from the tree */
};

/* One of `auth`. Which members mean anything its type says. */
struct provider_settings {
	const char *name; /* borrowed from the tree */
	enum auth_type type;
	char *type_word, *rate_word;
	struct rate rate; /* of each user */
	char *header;
	struct auth_key_settings *keys;
	size_t key_count;
	struct schema_list algorithms, audience, admins;
	char *secret, *key_file, *jwks_file, *jwks_url, *issuer; /* of the first four, one */
	int64_t leeway_ms;
	struct schema_list users, chats, platforms;
	struct schema_list of;
	const struct provider_settings **parts; /* what `of` names */
	size_t part_count;
	const struct conf_node *section; /* borrowed from the tree */
};

struct http_settings {
	struct schema_list listen, hosts, cors_origins;
	char *auth_word, *metrics_auth_word;
	const struct provider_settings *auth; /* NULL: everybody is let in */
	bool loopback_only;                   /* every address of `listen` is on this machine */
	char *enabled_word; /* true, false, auto; once it is settled, auto is true */
	int64_t max_body, max_head, max_connections, max_fields;
	int64_t request_timeout_ms, keep_alive_ms, heartbeat_ms, slow_reader_ms;
	bool allow_unauthenticated, docs;
};

/* How processes are supervised; state.h has the table that these times belong to. */
struct supervision {
	int64_t ready_ms, backoff_min_ms, backoff_max_ms, stable_ms, drain_ms, kill_ms, ping_ms;
};

/* Bounds of a process, and of the runs in it: those are an agent's. */
struct host_limits {
	int64_t memory, files;                 /* of the process; 0: none */
	int64_t content, delta, event, events; /* of a run */
	int64_t history;                       /* bytes handed over with a run */
	int64_t threads;                       /* of a blocking plugin's process */
	bool allow_unix, allow_files;          /* what the sandbox of the process leaves open */
};

enum instance_kind { INSTANCE_AGENT, INSTANCE_INTERFACE, INSTANCE_HOOK, INSTANCE_KINDS };

/* What the sections of plugins have in common, whatever their kind. The first member of each. */
struct instance_settings {
	enum instance_kind kind;
	char *name;
	char *label;       /* "agent NAME", "interface NAME", "hook NAME", as the log says it */
	char *plugin;      /* as the config has it */
	char *plugin_path; /* the file; NULL if it was not found */
	struct schema_list allow;
	struct host_limits limits;
	const struct conf_node *section; /* borrowed from the tree */
	bool dropped_in;                 /* no section names it: it lies in plugins.dir */
	/* The plugin's own options, in the order of its table; NULL before settings_read_options. */
	const struct schema *option_schema; /* borrowed from the plugin's descriptor */
	struct schema_value *options;
};

struct agent_settings {
	struct instance_settings instance;
	int64_t timeout_ms, queue_timeout_ms, concurrency, queue, workers, history;
	char *on_disconnect_word, *on_busy_word;
	bool cancel_on_disconnect;
	enum on_busy on_busy;
};

/* Where the platform of an interface calls. */
struct interface_path {
	char *method, *path;
};

struct interface_settings {
	struct instance_settings instance;
	char *agent;    /* its name */
	char *platform; /* its plugin's name; NULL before settings_read_platform */
	char *auth_word;
	/* Who may write to it: whoever one of these knows, the first that does. None: it is open. */
	const struct provider_settings **auth;
	size_t auth_count;
	bool open;
	struct schema_list hooks; /* names of hooks, in the order in which they are called */
	int64_t session_ttl_ms, max_session_history;
	int64_t max_concurrent_requests, rate_limit_messages_per_minute; /* 0: no limit */
	int64_t max_attempts;                                            /* of a reply */
	char *error_message;
	bool typing_indicator;
	struct interface_path *paths;
	size_t path_count;
};

struct hook_settings {
	struct instance_settings instance;
	int64_t timeout_ms;
};

/* A user of a platform who is a user of agentd's. */
struct identity_settings {
	const char *user_id;          /* borrowed from the tree */
	const char *platform_user_id; /* likewise */
	char *platform;
	const struct conf_node *node; /* borrowed from the tree: where it is said */
};

enum trigger_kind { TRIGGER_WEBHOOK, TRIGGER_CRON, TRIGGER_EVENT, TRIGGER_KINDS };

enum misfire { MISFIRE_ONCE, MISFIRE_SKIP, MISFIRE_ALL };
enum overlap { OVERLAP_SKIP, OVERLAP_QUEUE, OVERLAP_ALLOW };

/* What makes a run of something that happened. */
struct trigger_settings {
	enum trigger_kind kind;
	const char *name; /* borrowed from the tree */
	char *label;      /* as messages say it, and unlike any other: "webhooks.github" */
	bool brought;     /* by the agent's plugin, which has a handler for it */
	char *agent;      /* its name */
	char *input,
	    *session; /* templates; input is NULL if it is brought; session: a new one each time */
	bool enabled;
	int64_t timeout_ms;              /* 0: the agent's */
	const struct conf_node *section; /* borrowed from the tree */
	/* Of these, what its kind says. */
	struct {
		char *path; /* begins with a / */
		char *method, *auth_word, *respond_word;
		bool is_open;                         /* no auth is asked */
		const struct provider_settings *auth; /* NULL: as all of HTTP */
		char *signature, *header;             /* a scheme's name; NULL: none */
		struct schema_list secrets;
		char *dedupe;  /* a header; NULL: as the signature has it */
		bool accepted; /* it is answered once its run is in the store */
	} webhook;
	struct {
		char *schedule, *timezone; /* base/cron_expr.h, base/zone.h: both are good */
		char *misfire_word, *overlap_word;
		enum misfire misfire;
		enum overlap overlap;
		int64_t max_lateness_ms; /* 0: any */
		int64_t retries, retry_backoff_ms;
		struct {
			char *interface, *chat; /* both are NULL: its answer goes nowhere */
		} deliver;
	} cron;
	char *event; /* which; several triggers may have the same */
};

struct control_settings {
	char *socket;  /* absolute; NULL: there is none */
	bool is_given; /* the config names it: then it must work */
	struct schema_list admins;
};

struct store_settings {
	bool enabled;
	char *path; /* absolute once the settings are read, if enabled */
	int64_t retention_ms, max_size;
};

/* Of --dev. Without it `is_on` is false, and the rest is checked and means nothing. */
struct dev_settings {
	bool is_on, watch;
	struct schema_list build;   /* a command and its arguments; none: nothing is built */
	struct schema_list sources; /* absolute, or as the working folder has it */
	char *folder;               /* in which it is built: the config's */
};

struct settings {
	char *name;
	struct http_settings http;
	struct schema_list plugin_path; /* empty: the usual places */
	char *plugin_dir;               /* NULL: none */
	struct schema_list hidden;      /* files that plugins must not see: absolute, no links */
	bool is_short;                  /* memory was out for one of them */
	char *default_agent_word;
	struct provider_settings *providers;
	size_t provider_count;
	struct control_settings control;
	struct store_settings store;
	struct supervision supervision;
	struct dev_settings dev;
	char *log_level_word;  /* error, warn, info, debug */
	char *log_format_word; /* auto, text, json, journal */
	bool log_access;
	struct agent_settings *agents;
	size_t agent_count;
	struct interface_settings *interfaces;
	size_t interface_count;
	struct hook_settings *hooks;
	size_t hook_count;
	struct identity_settings *identities;
	size_t identity_count;
	struct trigger_settings
	    *triggers; /* those of a kind in the order of the config, then of plugins */
	size_t trigger_count;
	const struct agent_settings *default_agent; /* NULL: several, and none is named */

	unsigned refs;
	struct conf_node *tree; /* owned */
};

/* Takes over the tree, also on failure. Mistakes go to `errors`, files of plugins.dir that are passed
 * over to `notes`; NULL only when memory is out. */
struct settings *settings_read(
    struct conf_node *tree, struct conf_errors *errors, struct conf_errors *notes);
/* Puts the addresses of sockets that systemd handed over in the place of the word `systemd` in http.listen, but for
 * those that the config names itself. 0 or -ENOMEM. */
int settings_place_sockets(
    struct settings *settings, const struct schema_list *handed, struct conf_errors *errors);
/* Dev mode, before anything is made of the settings: the section dev means something, and /docs is there. */
void settings_turn_dev_on(struct settings *settings, struct conf_errors *errors);
struct settings *settings_ref(struct settings *settings);
void settings_unref(struct settings *settings);

enum log_level settings_log_level(const struct settings *settings);

/* Whatever has a plugin, in one order: agents, interfaces, hooks. Borrowed, and where it is only until one
 * is dropped. */
size_t settings_instance_count(const struct settings *settings);
const struct instance_settings *settings_instance_at(const struct settings *settings, size_t i);

/* Checks the section of an instance against its plugin's table, which must outlive the settings. */
void settings_read_options(struct settings *settings, size_t instance, const struct schema *schema,
    struct conf_errors *errors);

/* Which platform an interface speaks: who may write to it is known then. */
void settings_read_platform(
    struct settings *settings, size_t instance, const char *platform, struct conf_errors *errors);

/* Where its platform calls an interface, as its plugin says and its options have it, once these are read.
 * `is_taken`: whether a path is agentd's own. */
void settings_read_paths(struct settings *settings, size_t instance, const struct agentd_path *rows,
    size_t count, bool (*is_taken)(const char *path), struct conf_errors *errors);

/* Makes triggers of those that one agent's plugin brings, and of what `agents.NAME.triggers` says of them
 * (conf/brought.c). `notes`: those that are left out, since they need the store. */
void settings_read_triggers(struct settings *settings, size_t agent,
    const struct agentd_trigger *rows, size_t count, struct conf_errors *errors,
    struct conf_errors *notes);

/* An agent that was dropped in turns out to be an interface: the last of them, from now on. False: memory is
 * out. */
bool settings_turn_drop_in(struct settings *settings, size_t agent, struct conf_errors *errors);
/* Takes out an agent or an interface that was dropped in, with the triggers that its plugin brings. Those
 * behind it move up. */
void settings_drop(struct settings *settings, size_t instance);
/* The default agent, and whether there is any; and whether HTTP is on. */
void settings_settle(struct settings *settings, struct conf_errors *errors);
/* Then, if there are no mistakes: what is worth a warning of all together. */
void settings_note(const struct settings *settings, struct conf_errors *notes);

/* Whether something makes runs where nobody can ask for them: an interface, or a schedule that is on. */
bool settings_work_alone(const struct settings *settings);

/* A tree for `agentd [--listen ADDR] PLUGIN…`. NULL: memory is out. */
struct conf_node *settings_tree_for(
    const char *listen, char *const *plugins, size_t count, struct conf_errors *errors);

/* The effective settings as YAML, defaults too; secrets as ***. */
void settings_print(const struct settings *settings, FILE *out);

/* The agent of that name; NULL: there is none. */
const struct agent_settings *settings_find_agent(const struct settings *settings, const char *name);
/* The interface of that name; NULL: there is none. */
const struct interface_settings *settings_find_interface(
    const struct settings *settings, const char *name);
/* An error at a place that names an agent which there is not. */
void settings_say_no_agent(const struct settings *settings, const struct conf_node *at,
    const char *name, struct conf_errors *errors);
/* The provider of that name; NULL: there is none. */
const struct provider_settings *settings_find_provider(
    const struct settings *settings, const char *name);

/* "127.0.0.1:8000", "[::1]:8000", "unix:/path" taken apart. 0, or -EINVAL, or -ERANGE: the port is too large. For
 * unix, `host` is the path and *ret_port -1. */
int settings_parse_address(const char *text, char *host, size_t size, int *ret_port);
/* Whether it can be the name of an agent, a trigger or an event. */
bool settings_name_is_good(const char *name);
/* Whether only this machine can reach the address. */
bool settings_is_loopback(const char *host);

#endif
