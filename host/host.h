/*
 * host: the inside of agentd-host. It runs one plugin: the runs that are in it, the functions that
 * the plugin calls, and the loop.
 *
 * One lock guards the runs and the frames that wait to be sent, since the plugin may call delta,
 * event, finish, input, metadata, cancelled, ref, unref, emit, log, and what interfaces and hooks have, from
 * any thread. All else is the loop thread's.
 */
#ifndef AGENTD_HOST_HOST_H
#define AGENTD_HOST_HOST_H

#include <stdint.h>

#include "agentd/plugin.h"
#include "daemon/base/frame.h"
#include "host/load.h"
#include "host/sandbox.h"

struct host_setup {
	char *name;
	uint32_t delta_max, event_max, events_max;
	uint32_t threads; /* of a blocking plugin */
	uint64_t content_max;
	char *spool; /* folder for the attachments of an interface; NULL: none */
	struct sandbox sandbox;
};

/* Serves until told to quit. `config` is the CONFIG frame; `fd` the channel. Does not return. */
_Noreturn void host_serve(int fd, const struct host_setup *setup, const struct plugin *plugin,
    const struct frame *config);

/* Tells agentd why, and ends this process. */
_Noreturn void host_leave(int fd, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
