/* internal: the daemon, as the files of this floor share it: daemon.c builds it, reload.c gives it another config,
 * renew.c gives plugins other processes, stop.c ends it, say.c tells how it does. */
#ifndef AGENTD_INTERNAL_H
#define AGENTD_INTERNAL_H

#include <event2/event.h>

#include "daemon/chat/chats.h"
#include "daemon/daemon.h"
#include "daemon/http/api.h"
#include "daemon/http/server.h"
#include "daemon/proc/notify.h"
#include "daemon/run/registry.h"
#include "daemon/trigger/cron.h"
#include "daemon/trigger/emit.h"
#include "daemon/trigger/trigger.h"

struct reload;

enum phase {
	PHASE_SERVING,
	PHASE_SETTLING, /* an upgrade is due: nobody is accepted; who was before is still served */
	PHASE_DRAINING, /* no new work; what is going on may end */
	PHASE_STOPPING, /* no run is left; processes and connections end */
};

struct daemon {
	struct event_base *base;          /* borrowed */
	struct loaded now;                /* what is served: all of it is the era's */
	const struct load_source *source; /* borrowed */
	int host_fd;                      /* borrowed */
	struct event *log_flush;
	struct store *store;
	struct spool *spool; /* NULL without a store that keeps runs */
	struct runs *runs;
	struct registry *registry;
	struct triggers *triggers; /* the era's */
	struct cron *cron;
	struct emitter *emitter;
	struct chats *chats;
	struct dev *dev; /* NULL without dev mode */
	struct api *api; /* the era's */
	struct http_server *http;
	struct reload *reload;
	struct notify *notify;   /* borrowed */
	struct upgrade *upgrade; /* borrowed */
	struct event *signals[5];
	struct event *deadline;    /* of the drain, then of the stop */
	struct replaced *replaced; /* NULL: this kernel hides no files, or says nothing of them */
	unsigned view;             /* counts what it has said */
	enum phase phase;
	bool http_idle, has_control;
	bool draining;            /* also for the endpoints */
	struct api_config config; /* likewise */
};

/* daemon.c: what is made of what was loaded, given to its era. 0 or -ENOMEM. */
int daemon_make_triggers(
    const struct daemon *daemon, const struct loaded *loaded, struct triggers **ret);
int daemon_make_api(const struct daemon *daemon, const struct loaded *loaded,
    struct triggers *triggers, struct cron *cron, struct api **ret);
void daemon_configure_http(struct daemon *daemon);
struct cron *daemon_make_cron(struct daemon *daemon, const struct triggers *triggers);
int daemon_start_auth(struct daemon *daemon, struct auth *auth);
void daemon_notify_ready(const struct daemon *daemon);

/* reload.c: NULL, memory is out. */
struct reload *reload_new(struct daemon *daemon);
/* agentd stops, or is upgraded: what goes on is given up, however long a plugin takes to load. */
void reload_stop(struct reload *reload);
void reload_free(struct reload *reload); /* whoever waits for it is gone */
/* Reads the config again. `why` is for the log; `done`, which may be NULL, is called once, maybe before this returns. */
void daemon_reload(struct daemon *daemon, const char *why, api_reloaded_fn *done, void *done_arg);

/* renew.c */
bool daemon_hides_files(void); /* whether this kernel can */
/* Before processes go by these settings: files that are replaced from now on. */
void daemon_heed_replaced(struct daemon *daemon, const struct settings *settings);

/* stop.c */
void daemon_on_signal(evutil_socket_t signal, short what, void *arg);
void daemon_on_deadline(evutil_socket_t fd, short what, void *arg); /* of the drain, or the stop */
void daemon_on_change(void *arg); /* some process is gone or came */

/* say.c */
void daemon_say_all(const struct daemon *daemon);   /* what is served, and where */
void daemon_say_state(const struct daemon *daemon); /* how it does */

#endif
