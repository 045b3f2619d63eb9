/* daemon: builds the parts, and stops them in order. */
#include "daemon/internal.h"

#include <errno.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/auth/auth.h"
#include "daemon/base/era.h"
#include "daemon/base/log.h"
#include "daemon/dev.h"
#include "daemon/http/route.h"
#include "daemon/proc/fetch.h"
#include "daemon/proc/orphan.h"
#include "daemon/proc/replaced.h"
#include "daemon/proc/sockets.h"
#include "daemon/run/run.h"
#include "daemon/run/spool.h"
#include "daemon/store/sqlite.h"
#include "daemon/upgrade.h"

#define MEMORY_SESSIONS 10000 /* kept without a store; those idle longest go first */
#define SWEEP_MARGIN_MS 3600000

static void on_log_flush(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	log_flush();
}

static void on_log_pending(void *arg)
{
	struct daemon *daemon = arg;
	event_active(daemon->log_flush, EV_TIMEOUT, 0);
}

static int daemon_add_signals(struct daemon *daemon)
{
	static const int wanted[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		daemon->signals[i] =
		    evsignal_new(daemon->base, wanted[i], daemon_on_signal, daemon);
		if (!daemon->signals[i] || event_add(daemon->signals[i], NULL) < 0)
			return EX_OSERR;
	}
	upgrade_hold_signals(false); /* the agentd before an upgrade has held them back */
	return 0;
}

static struct principal *daemon_admit(
    void *arg, const struct ucred *peer, bool again, const char **ret_why)
{
	const struct daemon *daemon = arg;
	struct principal *who = NULL;
	bool known = auth_ask_peer(daemon->now.auth, peer, again, &who, ret_why) == AUTH_KNOWN;
	return known ? who : NULL;
}

/* Only agentd listens at a path of that kind. */
static void explain_control(const char *path, int error, char *reason, size_t size)
{
	pid_t pid = error == -EADDRINUSE ? http_listener_of(path) : -1;
	if (pid > 0)
		snprintf(reason, size, "another agentd (pid %d) listens there", pid);
	else
		snprintf(reason, size, "%s",
		    pid == 0 ? "another agentd listens there" : strerror(-error));
}

/* One that the config names has to work; without the usual one, agentctl alone is missing. */
static int daemon_listen_control(struct daemon *daemon)
{
	const struct control_settings *control = &daemon->now.settings->control;
	if (!control->socket)
		return 0;
	int error = http_server_listen_control(
	    daemon->http, control->socket, upgrade_sockets(daemon->upgrade), daemon_admit, daemon);
	daemon->has_control = error == 0;
	if (error == 0)
		return 0;
	char reason[128];
	explain_control(control->socket, error, reason, sizeof(reason));
	log_write(control->is_given ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, NULL, 0,
	    "cannot open the control socket %s: %s%s", control->socket, reason,
	    control->is_given ? "" : "; agentctl cannot reach this agentd (see control.socket)");
	bool is_only = strcmp(daemon->now.settings->http.enabled_word, "false") == 0;
	return control->is_given || (is_only && !settings_work_alone(daemon->now.settings))
		   ? EX_UNAVAILABLE
		   : 0;
}

static bool has_any_port(const char *address)
{
	char host[256];
	int port;
	return settings_parse_address(address, host, sizeof(host), &port) == 0 && port == 0;
}

/* Addresses with port 0 come last: of the sockets that were handed over they take what the others leave. */
static int daemon_listen(struct daemon *daemon)
{
	const struct schema_list *listen = &daemon->now.settings->http.listen;
	bool is_on = strcmp(daemon->now.settings->http.enabled_word, "false") != 0;
	for (size_t i = 0; is_on && i < 2 * listen->count; i++) {
		const char *address = listen->items[i % listen->count];
		if (has_any_port(address) != (i >= listen->count))
			continue;
		int error =
		    http_server_listen(daemon->http, address, upgrade_sockets(daemon->upgrade));
		if (error == 0)
			continue;
		log_error("cannot listen on %s: %s%s", address, strerror(-error),
		    error == -EADDRINUSE
			? "; stop what has it, or name another address (http.listen, --listen)"
			: "");
		return EX_UNAVAILABLE;
	}
	return 0;
}

/* Sockets that were handed over, and that the config has no use for. Those of systemd are kept: a later config may
 * have one for them, and it is systemd that holds up who connects to them. */
static void daemon_drop_sockets(struct daemon *daemon)
{
	struct sockets *left = upgrade_sockets(daemon->upgrade);
	for (size_t i = 0; i < sockets_count(left); i++) {
		const char *address = sockets_address(left, i);
		if (sockets_is_bound(left, i))
			log_info(
			    "%s is not listened on any more: it is not in the config", address);
		else if (address)
			log_warn(
			    "systemd handed over %s (%s), which is not listened on: name it in "
			    "http.listen, or write systemd there",
			    address, sockets_name(left, i));
		else
			log_warn(
			    "systemd handed over something (%s) that agentd cannot listen on: no "
			    "stream socket of an address or a path, or of Accept=yes",
			    sockets_name(left, i));
	}
	sockets_drop_bound(left);
}

/* The store. */

static void daemon_on_trouble(void *arg, const char *what)
{
	const struct daemon *daemon = arg;
	log_error(
	    "the store %s is damaged (%s) and is not used any more: stop agentd, and put a backup "
	    "in its place, or move it away to begin anew",
	    daemon->now.settings->store.path, what);
}

/* Beside the store, and made before any host is started: a sandbox lets it see what is there then. */
static int daemon_open_spool(struct daemon *daemon)
{
	char *path;
	if (asprintf(&path, "%s-spool", daemon->now.settings->store.path) < 0)
		return EX_OSERR;
	int error = spool_new(path, &daemon->spool);
	if (error < 0)
		log_error("cannot make the folder %s for attachments: %s", path, strerror(-error));
	free(path);
	return error < 0 ? EX_UNAVAILABLE : 0;
}

static int daemon_open_store(struct daemon *daemon)
{
	const struct store_settings *settings = &daemon->now.settings->store;
	char reason[256];
	struct sqlite_setup setup = {
		.path = settings->path,
		.retention_ms = settings->retention_ms,
		.max_bytes = settings->max_size,
		.trouble = daemon_on_trouble,
		.arg = daemon,
	};
	if (!settings->enabled)
		return (daemon->store = store_new_memory(MEMORY_SESSIONS)) ? 0 : EX_OSERR;
	int error = store_open_sqlite(daemon->base, &setup, &daemon->store, reason, sizeof(reason));
	if (error == 0)
		return daemon_open_spool(daemon);
	log_error("cannot open the store %s: %s%s", settings->path, reason,
	    error == -EBADMSG ? "; put a backup in its place, or move it away to begin anew"
	    : error == -EBUSY ? "; give this one another store.path, or store: { enabled: false }"
			      : "");
	return EX_UNAVAILABLE;
}

/* Keys of tokens' issuers are got by processes of their own. */

#define KEYS_MAX_BYTES (256u << 10)

static struct fetch *daemon_fetch(void *arg, const char *url,
    void (*done)(void *arg, const char *bytes, size_t length, const char *error), void *done_arg)
{
	const struct daemon *daemon = arg;
	struct fetch_setup setup = {
		.url = url,
		.most = KEYS_MAX_BYTES,
		.hidden = &daemon->now.settings->hidden,
		.done = done,
		.arg = done_arg,
	};
	return fetch_start(daemon->base, &setup);
}

int daemon_start_auth(struct daemon *daemon, struct auth *auth)
{
	struct auth_fetcher fetcher = { .start = daemon_fetch, .stop = fetch_stop, .arg = daemon };
	return auth_start(auth, daemon->base, &fetcher) < 0 ? EX_OSERR : 0;
}

/* What was going on when agentd ended last. */

struct daemon_recovery {
	struct daemon *daemon;
	struct runs_recovered result;
	bool done;
};

static struct agent *recovery_find(void *arg, const char *name)
{
	struct daemon_recovery *recovery = arg;
	return registry_find(recovery->daemon->registry, name);
}

static void recovery_done(void *arg, const struct runs_recovered *result)
{
	struct daemon_recovery *recovery = arg;
	recovery->result = *result;
	recovery->done = true;
}

/* Before anybody can ask for anything: so the runs of a session stay in their order. */
static int daemon_recover(struct daemon *daemon)
{
	struct daemon_recovery recovery = { .daemon = daemon };
	struct runs_recovery setup = {
		.find = recovery_find, .done = recovery_done, .arg = &recovery
	};
	runs_recover(daemon->runs, &setup);
	while (!recovery.done)
		event_base_loop(daemon->base, EVLOOP_ONCE);
	if (recovery.result.error < 0) {
		log_error("cannot read the store: %s", strerror(-recovery.result.error));
		return EX_UNAVAILABLE;
	}
	if (recovery.result.resumed || recovery.result.interrupted)
		log_info("%zu run%s begun again, %zu ended as interrupted", recovery.result.resumed,
		    recovery.result.resumed == 1 ? " is" : "s are", recovery.result.interrupted);
	return 0;
}

struct daemon_loading {
	bool done;
	int error;
};

static void on_loaded(void *arg, int error)
{
	*(struct daemon_loading *)arg = (struct daemon_loading){ .done = true, .error = error };
}

/* Answers of schedules that go to a chat. */
static void daemon_on_deliver(void *arg, const struct trigger *trigger, const char *run_id,
    store_done_fn done, void *done_arg)
{
	struct daemon *daemon = arg;
	const char *interface = trigger->settings->cron.deliver.interface;
	const char *chat = trigger->settings->cron.deliver.chat;
	chats_deliver(daemon->chats, interface, chat, run_id, done, done_arg);
}

struct cron *daemon_make_cron(struct daemon *daemon, const struct triggers *triggers)
{
	struct cron_setup setup = {
		.base = daemon->base,
		.store = daemon->store,
		.runs = daemon->runs,
		.triggers = triggers,
		.deliver = daemon_on_deliver,
		.arg = daemon,
	};
	return cron_new(&setup);
}

/* After the runs: those of schedules may be going on again. And after the chats: the answer of one that is over may
 * have to be delivered. */
static int daemon_load_cron(struct daemon *daemon)
{
	struct daemon_loading loading = { 0 };
	if (!(daemon->cron = daemon_make_cron(daemon, daemon->triggers)))
		return EX_OSERR;
	cron_load(daemon->cron, on_loaded, &loading);
	while (!loading.done)
		event_base_loop(daemon->base, EVLOOP_ONCE);
	if (loading.error == 0)
		return 0;
	log_error("cannot read the store: %s", strerror(-loading.error));
	return EX_UNAVAILABLE;
}

/* What plugins emit. */
static void daemon_on_emit(void *arg, struct agent *agent, struct frame_text event,
    struct frame_text json, void (*done)(void *arg), void *done_arg)
{
	struct daemon *daemon = arg;
	emitter_take(
	    daemon->emitter, agent_settings(agent)->instance.label, event, json, done, done_arg);
}

static void daemon_on_chat_emit(void *arg, const char *from, struct frame_text event,
    struct frame_text json, void (*done)(void *arg), void *done_arg)
{
	struct daemon *daemon = arg;
	emitter_take(daemon->emitter, from, event, json, done, done_arg);
}

/* After the runs: those of messages may be going on again. */
static int daemon_load_chats(struct daemon *daemon)
{
	struct chats_setup setup = {
		.config = { .era = daemon->now.era,
		    .settings = daemon->now.settings,
		    .images = daemon->now.images + daemon->now.settings->agent_count,
		    .auth = daemon->now.auth },
		.base = daemon->base,
		.host_fd = daemon->host_fd,
		.store = daemon->store,
		.runs = daemon->runs,
		.registry = daemon->registry,
		.spool = daemon->spool,
		.changed = daemon_on_change,
		.emit = daemon_on_chat_emit,
		.arg = daemon,
	};
	struct daemon_loading loading = { 0 };
	if (!(daemon->chats = chats_new(&setup)))
		return EX_OSERR;
	chats_load(daemon->chats, on_loaded, &loading);
	while (!loading.done)
		event_base_loop(daemon->base, EVLOOP_ONCE);
	if (loading.error == 0)
		return 0;
	log_error("cannot read the store: %s", strerror(-loading.error));
	return EX_UNAVAILABLE;
}

/* Files that a crash has left. They may be a little older than what they belong to. */
static void daemon_sweep_spool(const struct daemon *daemon)
{
	uint64_t runs = runs_oldest_wall_ms(daemon->runs);
	uint64_t chats = chats_oldest_wall_ms(daemon->chats);
	uint64_t oldest = runs < chats ? runs : chats;
	if (daemon->spool && oldest > SWEEP_MARGIN_MS)
		spool_sweep(daemon->spool, oldest - SWEEP_MARGIN_MS);
}

/* What is made of what was loaded, and lives as long. */

static void triggers_release(void *arg)
{
	triggers_free(arg);
}

int daemon_make_triggers(
    const struct daemon *daemon, const struct loaded *loaded, struct triggers **ret)
{
	struct triggers *triggers = triggers_new(loaded->settings, daemon->registry);
	if (!triggers)
		return -ENOMEM;
	if (era_give(loaded->era, triggers_release, triggers) < 0) {
		triggers_free(triggers);
		return -ENOMEM;
	}
	*ret = triggers;
	return 0;
}

static void daemon_on_asked(void *arg, api_reloaded_fn *done, void *done_arg)
{
	daemon_reload(arg, "asked to by POST /reload (agentctl reload)", done, done_arg);
}

int daemon_make_api(const struct daemon *daemon, const struct loaded *loaded,
    struct triggers *triggers, struct cron *cron, struct api **ret)
{
	struct api *api = calloc(1, sizeof(*api));
	if (!api || era_give(loaded->era, free, api) < 0) {
		free(api);
		return -ENOMEM;
	}
	*api = (struct api){ .settings = loaded->settings,
		.auth = loaded->auth,
		.registry = daemon->registry,
		.triggers = triggers,
		.cron = cron,
		.chats = daemon->chats,
		.runs = daemon->runs,
		.store = daemon->store,
		.build = daemon->dev ? dev_build(daemon->dev) : NULL,
		.draining = &daemon->draining,
		.config = &daemon->config,
		.reload = daemon_on_asked,
		.arg = (void *)(uintptr_t)daemon };
	*ret = api;
	return 0;
}

/* Dev mode. */

static void daemon_on_file(void *arg, const char *why)
{
	daemon_reload(arg, why, NULL, NULL);
}

static int daemon_open_dev(struct daemon *daemon)
{
	if (!daemon->now.settings->dev.is_on)
		return 0;
	int error = dev_new(daemon->base, daemon_on_file, daemon, &daemon->dev);
	if (error < 0) {
		log_error("cannot watch files: %s%s", strerror(-error),
		    error == -EMFILE ? " (sysctl fs.inotify.max_user_instances)" : "");
		return EX_UNAVAILABLE;
	}
	dev_serve(daemon->dev, daemon->now.settings);
	return 0;
}

void daemon_configure_http(struct daemon *daemon)
{
	const struct settings *settings = daemon->now.settings;
	struct http_rules rules = {
		.era = daemon->now.era,
		.settings = &settings->http,
		.log_access = settings->log_access,
		.arg = daemon->api,
	};
	http_server_configure(daemon->http, &rules);
}

static int daemon_open_http(struct daemon *daemon)
{
	if (daemon_make_api(daemon, &daemon->now, daemon->triggers, daemon->cron, &daemon->api) <
		0 ||
	    !(daemon->http = http_server_new(daemon->base, route_request)))
		return EX_OSERR;
	daemon_configure_http(daemon);
	int error = daemon_add_signals(daemon); /* before anybody can come */
	if (error == 0)
		error = daemon_listen(daemon);
	return error ? error : daemon_listen_control(daemon);
}

int daemon_new(struct event_base *base, const struct daemon_setup *setup, struct daemon **ret)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	if (!daemon) {
		era_unref(setup->loaded.era);
		return EX_OSERR;
	}
	daemon->base = base;
	daemon->now = setup->loaded;
	daemon->config = (struct api_config){ .is_good = true, .read_wall_ms = clock_wall_ms() };
	daemon->source = setup->source;
	daemon->notify = setup->notify;
	daemon->upgrade = setup->upgrade;
	daemon->host_fd = setup->host_fd;
	int error = EX_OSERR;

	if (!(daemon->log_flush = event_new(base, -1, 0, on_log_flush, NULL)))
		goto fail;
	log_on_pending(on_log_pending, daemon);
	if ((error = daemon_open_store(daemon)))
		goto fail;
	error = EX_OSERR;
	if (!(daemon->runs = runs_new(base, daemon->store, daemon->spool)))
		goto fail;
	runs_begin_era(daemon->runs, daemon->now.era);
	struct registry_setup registry = {
		.config = { daemon->now.era, daemon->now.settings, daemon->now.images,
		    daemon->view },
		.host_fd = setup->host_fd,
		.runs = daemon->runs,
		.changed = daemon_on_change,
		.emit = daemon_on_emit,
		.arg = daemon,
	};
	if (!(daemon->registry = registry_new(base, &registry)))
		goto fail;
	if (daemon_make_triggers(daemon, &daemon->now, &daemon->triggers) < 0)
		goto fail;
	if (!(daemon->emitter = emitter_new(daemon->runs, daemon->triggers)))
		goto fail;
	if ((error = daemon_recover(daemon)) ||
	    (error = daemon_start_auth(daemon, daemon->now.auth)) ||
	    (error = daemon_load_chats(daemon)) || (error = daemon_load_cron(daemon)))
		goto fail;
	daemon_sweep_spool(daemon); /* all that goes on is known */
	error = EX_OSERR;
	if (!(daemon->deadline = event_new(base, -1, 0, daemon_on_deadline, daemon)))
		goto fail;
	if (!(daemon->reload = reload_new(daemon)))
		goto fail;
	if ((error = daemon_open_dev(daemon)) || (error = daemon_open_http(daemon)))
		goto fail;
	daemon_drop_sockets(daemon);
	*ret = daemon;
	return 0;

fail:
	if (error == EX_OSERR)
		log_error("out of memory");
	daemon_free(daemon);
	return error;
}

void daemon_free(struct daemon *daemon)
{
	if (!daemon)
		return;
	for (size_t i = 0; i < sizeof(daemon->signals) / sizeof(daemon->signals[0]); i++)
		if (daemon->signals[i])
			event_free(daemon->signals[i]);
	if (daemon->deadline)
		event_free(daemon->deadline);
	reload_free(daemon->reload);
	upgrade_stop_check(daemon->upgrade);
	if (daemon->runs)
		runs_drain(daemon->runs, NULL, NULL); /* whoever waited for it is gone */
	if (daemon->runs)
		runs_cancel_all(daemon->runs, RUN_DRAINING, "agentd has stopped");
	if (daemon->store)
		store_close(daemon->store); /* who waits for it is answered now */
	http_server_free(daemon->http);
	dev_free(daemon->dev);
	replaced_free(daemon->replaced);
	chats_free(daemon->chats); /* before cron, which is told what is not delivered any more */
	cron_free(daemon->cron);
	emitter_free(daemon->emitter);
	registry_free(daemon->registry);
	runs_free(daemon->runs);
	store_free(daemon->store);
	spool_free(daemon->spool);
	orphans_end(
	    ORPHANS_LAST_MS, &(unsigned){ 0 }); /* what comes after us would not know them */
	log_on_pending(NULL, NULL);
	log_flush();
	if (daemon->log_flush)
		event_free(daemon->log_flush);
	era_unref(daemon->now.era);
	free(daemon);
}

/* Serving. */

void daemon_notify_ready(const struct daemon *daemon)
{
	size_t agents = daemon->now.settings->agent_count;
	size_t interfaces = daemon->now.settings->interface_count;
	char status[128], more[64] = "";
	if (interfaces)
		snprintf(more, sizeof(more), " and %zu interface%s", interfaces,
		    interfaces == 1 ? "" : "s");
	snprintf(status, sizeof(status), "READY=1\nSTATUS=serving %zu agent%s%s", agents,
	    agents == 1 ? "" : "s", more);
	notify_send(daemon->notify, status);
}

int daemon_run(struct daemon *daemon)
{
	daemon_heed_replaced(daemon, daemon->now.settings);
	registry_start(daemon->registry);
	chats_start(daemon->chats);
	daemon_say_all(daemon);
	daemon_notify_ready(daemon);
	cron_start(daemon->cron);
	event_base_dispatch(daemon->base);
	log_info("stopped");
	if (upgrade_is_due(daemon->upgrade)) {
		upgrade_hold_signals(true);
		notify_send(daemon->notify, "WATCHDOG=1"); /* until the next feeds it */
	}
	return 0;
}
