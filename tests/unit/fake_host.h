/*
 * fake_host: what agentd does for a plugin, as far as code on its loop needs it, without agentd: timers,
 * watches, a clock and a log, on a libevent base of the test's own.
 *
 * One at a time: the table's functions find it by themselves.
 */
#ifndef AGENTD_TESTS_FAKE_HOST_H
#define AGENTD_TESTS_FAKE_HOST_H

#include <stdbool.h>

#include "agentd/plugin.h"

struct fake_host {
	struct agentd_host host; /* to be given to the code under test */
	char log[16384];         /* its lines, as "LEVEL text\n"; cut when full */
	char ended[256];         /* what `fatal` was told, or `fail`, or `done`; they return here */
	bool ready;
	unsigned timers, watches; /* that are alive */
	unsigned spooled;         /* paths that were given */
	const char *spool;        /* a folder for `spool`; NULL: there is none */
	/* Optional, of an interface. */
	int (*on_submit)(
	    const struct agentd_incoming *message, void (*done)(void *arg, int error), void *arg);
	void (*on_sent)(uint64_t reply, const struct agentd_sent *sent);
};

struct fake_host *fake_host_new(void);
/* Fails the test if a timer or a watch is still alive. */
void fake_host_free(struct fake_host *fake);
/* Runs the loop until `is_done` says so; fails the test after ten seconds. */
void fake_host_run(struct fake_host *fake, bool (*is_done)(void *arg), void *arg);
/* The same, for a flag. */
void fake_host_run_flag(struct fake_host *fake, const bool *flag);

#endif
