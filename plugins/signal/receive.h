/*
 * receive: how messages come, in one of two ways: asked for again and again (mode native), or pushed over a
 * WebSocket (mode json-rpc). What both have in common is here: what comes goes into the inbox; after a failure
 * the next try waits; a receiver that has been failing for long says so by ending the process, which agentd
 * starts again and shows as what it is.
 *
 * What is asked for waits at Signal, so nothing is before all else is in the store. What is pushed does not wait:
 * the API drops it while nobody is connected. So nothing is waited for then, and a try soon follows another.
 */
#ifndef SIGNAL_RECEIVE_H
#define SIGNAL_RECEIVE_H

#include <sys/types.h>

#include "api.h"
#include "envelope.h"

/* The longest delay from a try to the next, of what is pushed. */
#define SIGNAL_RETRY_MAX_MS 1000

struct signal_receive;

/* A way in which messages come. What `open` returns is freed with `close`; NULL: memory is out. */
struct signal_mode {
	const char *name;  /* as the option has it */
	const char *modes; /* of the API that fit, as its /v1/about has them: "|a|b|" */
	bool is_pushed;    /* what comes while nobody receives is lost */
	void *(*open)(struct signal_receive *receive);
	/* Begin once more; it ends with signal_receive_worked or _failed. */
	void (*begin)(void *self);
	/* Receive no more. What is under way, and would be lost, may still come. */
	void (*stop)(void *self);
	/* Leave what comes where it is, or no longer. NULL: it comes only if it is asked for. */
	void (*hold)(void *self, bool is_held);
	bool (*is_busy)(const void *self); /* with that */
	void (*close)(void *self);
};

extern const struct signal_mode signal_mode_native, signal_mode_json_rpc;

/* All borrowed. NULL: memory is out. */
struct signal_receive_setup {
	const struct agentd_host *host;
	struct signal_api *api;
	const struct signal_account *account;
	const struct signal_mode *mode;
	uint64_t
	    interval_ms; /* of receives that bring nothing, and the first delay after a failure */
};

struct signal_receive *signal_receive_new(const struct signal_receive_setup *setup);
void signal_receive_free(struct signal_receive *receive);
void signal_receive_start(struct signal_receive *receive);
/* True: nothing that only this process has is on its way. Else host->stopped follows. */
bool signal_receive_stop(struct signal_receive *receive);

/* For modes. */
const struct signal_receive_setup *signal_receive_setup(const struct signal_receive *receive);
/* Bytes that have come, before anything is done with them: they outlive this process, until all is in the store. */
void signal_receive_keep(struct signal_receive *receive, struct agentd_text bytes);
/* What has come. How many objects there were; -EBADMSG: all of it is garbage. */
ssize_t signal_receive_take(struct signal_receive *receive, struct agentd_text bytes);
/* It has begun to receive: the interface is ready. */
void signal_receive_ready(struct signal_receive *receive);
/* It works. */
void signal_receive_worked(struct signal_receive *receive);
/* Begin once more, that long after all that came is in the store. */
void signal_receive_again(struct signal_receive *receive, uint64_t delay_ms);
/* It does not work; the next time is later. A status of 0: there was no answer. */
void signal_receive_failed(
    struct signal_receive *receive, unsigned status, const char *why, uint64_t asked_ms);

#endif
