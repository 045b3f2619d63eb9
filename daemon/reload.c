/*
 * reload: another config for what is served. It is loaded beside what goes on (load.h), so a bad one changes nothing;
 * then each part is given it, in the order of a start, and touches what has changed. What began with the config before
 * ends with it: its era (base/era.h).
 * One at a time: whoever asks meanwhile gets another after it, which sees what was written until then.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "daemon/auth/auth.h"
#include "daemon/base/era.h"
#include "daemon/base/id.h"
#include "daemon/base/log.h"
#include "daemon/dev.h"
#include "daemon/internal.h"
#include "daemon/run/run.h"
#include "daemon/upgrade.h"

#define STOPPING "agentd is stopping"

struct waiter {
	api_reloaded_fn *done;
	void *arg;
	TAILQ_ENTRY(waiter) link;
};
TAILQ_HEAD(waiters, waiter);

struct reload {
	struct daemon *daemon;        /* borrowed */
	struct waiters waiting, next; /* for the one that is under way, and for the one after it */
	bool is_going, is_wanted;     /* wanted: another, after it */
	struct load *load;            /* while it goes */
};

static void reload_begin(struct reload *reload, const char *why);

/* Telling. */

/* Whoever starts agentd hears of nothing else once it stops, or is upgraded. */
static void say_state(const struct reload *reload, bool begins)
{
	const struct daemon *daemon = reload->daemon;
	char state[96];
	if (daemon->phase != PHASE_SERVING)
		return;
	if (!begins) {
		daemon_notify_ready(daemon);
		return;
	}
	snprintf(
	    state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_monotonic_us());
	notify_send(daemon->notify, state);
}

static void log_result(const struct api_reloaded *result)
{
	if (!result->is_good) {
		for (size_t i = 0; i < conf_errors_count(result->errors); i++)
			log_error("%s", conf_errors_get(result->errors, i));
		log_error("not reloaded: agentd goes on with the config that it has");
	}
	for (size_t i = 0; result->is_good && i < conf_errors_count(result->notes); i++)
		log_warn("%s", conf_errors_get(result->notes, i));
	if (result->is_good)
		log_info("reloaded");
}

static void answer(struct reload *reload, const struct api_reloaded *result)
{
	struct waiter *waiter;
	while ((waiter = TAILQ_FIRST(&reload->waiting))) {
		TAILQ_REMOVE(&reload->waiting, waiter, link);
		waiter->done(waiter->arg, result);
		free(waiter);
	}
}

static void tell(struct reload *reload, const struct api_reloaded *result)
{
	struct api_config *config = &reload->daemon->config;
	config->is_good = result->is_good;
	if (result->is_good)
		config->read_wall_ms = clock_wall_ms();
	log_result(result);
	say_state(reload, false);
	answer(reload, result);
}

/* The next may begin. */
static void reload_end(struct reload *reload)
{
	reload->is_going = false;
	if (reload->is_wanted)
		reload_begin(reload, "asked for meanwhile");
}

/* What a reload cannot do. */

static bool is_same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* What is opened once, and what processes must not see: another store, or control socket, needs another agentd. */
static void check_fixed(
    const struct settings *now, const struct settings *next, struct conf_errors *errors)
{
	const struct store_settings *a = &now->store, *b = &next->store;
	const char *what = NULL;
	if (a->enabled != b->enabled)
		what = "store.enabled";
	else if (!is_same_text(a->path, b->path))
		what = "store.path";
	else if (a->retention_ms != b->retention_ms)
		what = "store.retention";
	else if (a->max_size != b->max_size)
		what = "store.max_size";
	else if (!is_same_text(now->control.socket, next->control.socket))
		what = "control.socket";
	if (what)
		conf_error_at(errors, NULL, 0, 0,
		    "%s: this cannot be changed while agentd runs: restart it, or put back what was there",
		    what);
}

/* Applying. */

static int move_listeners(
    struct daemon *daemon, const struct settings *next, struct conf_errors *errors)
{
	bool is_on = strcmp(next->http.enabled_word, "false") != 0;
	char reason[300];
	int error = http_server_relisten(daemon->http, (const char *const *)next->http.listen.items,
	    is_on ? next->http.listen.count : 0, upgrade_sockets(daemon->upgrade), reason,
	    sizeof(reason));
	if (error < 0)
		conf_error_at(errors, NULL, 0, 0, "http.listen: %s", reason);
	return error;
}

/* Schedules of the config before, which may have runs that the new one knows nothing of. */
struct former_cron {
	struct cron *cron; /* NULL: it is still the one that counts */
};

static void former_cron_release(void *arg)
{
	struct former_cron *former = arg;
	cron_free(former->cron);
	free(former);
}

static int prepare_former(struct era *era, const struct cron *cron, struct former_cron **ret)
{
	if (cron_is_busy(cron) && era_outlast_older(era) < 0)
		return -ENOMEM;
	*ret = calloc(1, sizeof(**ret));
	if (*ret && era_give(era, former_cron_release, *ret) == 0)
		return 0;
	free(*ret);
	return -ENOMEM;
}

/* What there is of the new config before it is the one that counts. */
struct made {
	struct triggers *triggers;
	struct api *api;
	struct cron *cron;
	struct former_cron *former;
};

static int make(struct daemon *daemon, const struct loaded *next, struct made *made)
{
	struct registry_config registry = { next->era, next->settings, next->images, daemon->view };
	struct chats_config chats = {
		.era = next->era,
		.settings = next->settings,
		.images = next->images + next->settings->agent_count,
		.auth = next->auth,
		.view = daemon->view,
	};
	daemon_heed_replaced(daemon, next->settings);
	auth_inherit(next->auth, daemon->now.auth);
	if (daemon_start_auth(daemon, next->auth) != 0)
		return -ENOMEM;
	int error = registry_apply(daemon->registry, &registry);
	if (error == 0)
		error = daemon_make_triggers(daemon, next, &made->triggers);
	if (error == 0)
		error = prepare_former(daemon->now.era, daemon->cron, &made->former);
	if (error == 0 && !(made->cron = daemon_make_cron(daemon, made->triggers)))
		error = -ENOMEM;
	if (error == 0)
		error = daemon_make_api(daemon, next, made->triggers, made->cron, &made->api);
	if (error == 0)
		error = chats_apply(daemon->chats, &chats);
	if (error < 0)
		cron_free(made->cron);
	return error;
}

static void switch_to(struct daemon *daemon, const struct loaded *next, const struct made *made)
{
	struct era *before = daemon->now.era;
	daemon->now = *next;
	daemon->triggers = made->triggers;
	daemon->api = made->api;
	emitter_use(daemon->emitter, daemon->triggers);
	runs_begin_era(daemon->runs, next->era);
	daemon_configure_http(daemon);
	log_set_level(settings_log_level(next->settings));
	if (daemon->dev)
		dev_serve(daemon->dev, next->settings);
	cron_inherit(made->cron, daemon->cron);
	made->former->cron = daemon->cron;
	daemon->cron = made->cron;
	cron_start(daemon->cron);
	era_unref(before);
}

static void on_loaded(
    void *arg, const struct loaded *loaded, struct conf_errors *errors, struct conf_errors *notes)
{
	struct reload *reload = arg;
	struct daemon *daemon = reload->daemon;
	struct made made = { 0 };
	struct api_reloaded result = { .errors = errors, .notes = notes };
	reload->load = NULL;
	if (loaded && daemon->phase != PHASE_SERVING)
		conf_error_at(errors, NULL, 0, 0, STOPPING);
	else if (loaded)
		check_fixed(daemon->now.settings, loaded->settings, errors);
	result.is_good = loaded && conf_errors_count(errors) == 0 &&
			 move_listeners(daemon, loaded->settings, errors) == 0;
	if (result.is_good && make(daemon, loaded, &made) < 0) {
		conf_error_at(
		    errors, NULL, 0, 0, "out of memory: some of the config is not served");
		result.is_good = false;
	}
	if (result.is_good)
		switch_to(daemon, loaded, &made);
	else if (loaded)
		era_unref(loaded->era);
	tell(reload, &result);
	reload_end(reload);
}

/* Asking for it. */

static void tell_refused(struct reload *reload, const char *why)
{
	struct conf_errors *errors = conf_errors_new(), *notes = conf_errors_new();
	struct api_reloaded result = { .errors = errors, .notes = notes };
	if (errors)
		conf_error_at(errors, NULL, 0, 0, "%s", why);
	if (errors && notes)
		tell(reload, &result);
	conf_errors_free(errors);
	conf_errors_free(notes);
}

static void refuse(struct reload *reload, const char *why)
{
	tell_refused(reload, why);
	reload_end(reload);
}

void reload_stop(struct reload *reload)
{
	if (!reload->is_going)
		return;
	load_stop(reload->load);
	reload->load = NULL;
	reload->is_wanted = false;
	TAILQ_CONCAT(&reload->waiting, &reload->next, link);
	tell_refused(reload, STOPPING);
	reload->is_going = false;
}

/* A change while it is loaded is seen as well. */
static void on_read(void *arg, const struct conf_node *tree, const struct settings *settings)
{
	const struct reload *reload = arg;
	if (reload->daemon->dev)
		dev_try(reload->daemon->dev, tree, settings);
}

static void reload_begin(struct reload *reload, const char *why)
{
	const struct daemon *daemon = reload->daemon;
	struct load_setup setup = {
		.base = daemon->base,
		.source = daemon->source,
		.host_fd = daemon->host_fd,
		.before = &daemon->now,
		.heed = on_read,
		.heed_arg = reload,
		.done = on_loaded,
		.arg = reload,
	};
	reload->is_going = true;
	reload->is_wanted = false;
	TAILQ_CONCAT(&reload->waiting, &reload->next, link);
	say_state(reload, true);
	log_info("%s; the config is read again", why);
	if (daemon->phase != PHASE_SERVING)
		refuse(reload, STOPPING);
	else if (load_start(&setup, &reload->load) < 0)
		refuse(reload, "out of memory");
}

void daemon_reload(struct daemon *daemon, const char *why, api_reloaded_fn *done, void *done_arg)
{
	struct reload *reload = daemon->reload;
	struct waiter *waiter = done ? malloc(sizeof(*waiter)) : NULL;
	if (done && !waiter) {
		done(done_arg, &(struct api_reloaded){ 0 });
	} else if (waiter) {
		*waiter = (struct waiter){ .done = done, .arg = done_arg };
		TAILQ_INSERT_TAIL(&reload->next, waiter, link);
	}
	reload->is_wanted = true;
	if (!reload->is_going)
		reload_begin(reload, why);
	else
		log_info("%s; once the reload that is under way is over", why);
}

struct reload *reload_new(struct daemon *daemon)
{
	struct reload *reload = calloc(1, sizeof(*reload));
	if (!reload)
		return NULL;
	reload->daemon = daemon;
	TAILQ_INIT(&reload->waiting);
	TAILQ_INIT(&reload->next);
	return reload;
}

void reload_free(struct reload *reload)
{
	if (!reload)
		return;
	TAILQ_CONCAT(&reload->waiting, &reload->next, link);
	answer(reload, &(struct api_reloaded){ 0 });
	load_stop(reload->load);
	free(reload);
}
