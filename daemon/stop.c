/*
 * stop: the end of agentd. It drains, then its processes and connections end, then the loop does. An upgrade in place is such
 * an end, but for the listening sockets.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/internal.h"
#include "daemon/proc/sockets.h"
#include "daemon/run/run.h"
#include "daemon/upgrade.h"

static void daemon_arm(struct daemon *daemon, int64_t after_ms)
{
	struct timeval after = { .tv_sec = after_ms / 1000, .tv_usec = after_ms % 1000 * 1000 };
	event_add(daemon->deadline, &after);
}

static void daemon_check_stopped(struct daemon *daemon)
{
	if (daemon->phase == PHASE_STOPPING && daemon->http_idle &&
	    registry_is_down(daemon->registry) && chats_are_down(daemon->chats))
		event_base_loopexit(daemon->base, NULL);
}

void daemon_on_change(void *arg)
{
	daemon_check_stopped(arg);
}

static void daemon_on_http_idle(void *arg)
{
	struct daemon *daemon = arg;
	daemon->http_idle = true;
	daemon_check_stopped(daemon);
}

static void daemon_on_runs_idle(void *arg)
{
	struct daemon *daemon = arg;
	daemon->phase = PHASE_STOPPING;
	/* A process gets TERM and KILL on its own timers; what is left then are readers of replies. */
	daemon_arm(daemon, daemon->now.settings->supervision.drain_ms +
			       2 * daemon->now.settings->supervision.kill_ms);
	chats_stop(daemon->chats);
	registry_stop(daemon->registry);
	daemon_check_stopped(daemon);
}

static void daemon_drain(struct daemon *daemon)
{
	int64_t drain_ms = daemon->now.settings->supervision.drain_ms;
	size_t live = runs_live(daemon->runs);
	log_info("stopping: %zu run%s %.3g s to end", live, live == 1 ? " has" : "s have",
	    (double)drain_ms / 1000);
	if (!upgrade_is_due(daemon->upgrade))
		notify_send(daemon->notify, "STOPPING=1\nSTATUS=stopping");
	daemon->phase = PHASE_DRAINING;
	reload_stop(daemon->reload);
	cron_stop(daemon->cron);
	chats_drain(daemon->chats);
	daemon->draining = true;
	daemon_arm(daemon, drain_ms);
	http_server_drain(daemon->http, daemon_on_http_idle, daemon);
	runs_drain(daemon->runs, daemon_on_runs_idle, daemon);
}

void daemon_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct daemon *daemon = arg;
	if (daemon->phase == PHASE_DRAINING) {
		size_t live = runs_live(daemon->runs);
		log_warn("%zu run%s did not end in time and %s given up", live,
		    live == 1 ? "" : "s", live == 1 ? "is" : "are");
		runs_cancel_all(daemon->runs, RUN_DRAINING, "agentd is stopping");
		return;
	}
	log_warn("some clients did not read their replies in time");
	event_base_loopexit(daemon->base, NULL);
}

/* Upgrading in place: the new program is checked first, beside this one; then this one is stopped as for SIGTERM, but
 * for its listening sockets, which stay open; then main.c executes the new one. */

static void daemon_on_settled(void *arg)
{
	daemon_drain(arg);
}

static void daemon_on_checked(void *arg, const char *error)
{
	struct daemon *daemon = arg;
	if (error) {
		log_error("not upgraded: %s %s; going on as before", upgrade_path(daemon->upgrade),
		    error);
		return;
	}
	int put = http_server_hand_over(daemon->http, upgrade_sockets(daemon->upgrade));
	if (put < 0) {
		log_error("not upgraded: cannot keep the listening sockets: %s; going on as before",
		    strerror(-put));
		return;
	}
	log_info("upgrading to %s: who comes now waits for it", upgrade_path(daemon->upgrade));
	notify_send(
	    daemon->notify, "RELOADING=1\nSTATUS=upgrading"); /* READY=1 comes from the next */
	upgrade_set_due(daemon->upgrade, true);
	daemon->phase = PHASE_SETTLING;
	reload_stop(daemon->reload); /* the next reads the config itself */
	http_server_settle(daemon->http, daemon_on_settled, daemon);
}

static void daemon_upgrade(struct daemon *daemon)
{
	if (daemon->phase != PHASE_SERVING || upgrade_is_checking(daemon->upgrade)) {
		log_warn("told to upgrade while %s: not done twice",
		    daemon->phase == PHASE_SERVING || upgrade_is_due(daemon->upgrade) ? "upgrading"
										      : "stopping");
		return;
	}
	upgrade_check(daemon->upgrade, daemon->base, daemon_on_checked, daemon);
}

static void daemon_stop(struct daemon *daemon)
{
	upgrade_stop_check(daemon->upgrade);
	if (upgrade_is_due(daemon->upgrade)) {
		log_warn("told to stop: not upgraded");
		upgrade_set_due(daemon->upgrade, false);
		if (daemon->phase == PHASE_SETTLING)
			daemon_drain(daemon);
		else
			notify_send(daemon->notify, "STOPPING=1\nSTATUS=stopping");
	} else if (daemon->phase == PHASE_SERVING) {
		daemon_drain(daemon);
	} else {
		log_warn("told to stop again: stopping at once");
		event_base_loopbreak(daemon->base);
	}
}

void daemon_on_signal(evutil_socket_t signal, short what, void *arg)
{
	(void)what;
	struct daemon *daemon = arg;
	switch (signal) {
	case SIGHUP:
		daemon_reload(daemon, "told to by SIGHUP", NULL, NULL);
		return;
	case SIGUSR1:
		daemon_say_state(daemon);
		return;
	case SIGUSR2:
		daemon_upgrade(daemon);
		return;
	default:
		daemon_stop(daemon);
	}
}
