/*
 * verify: whether there is a signal-cli-rest-api, in the mode that is set, which knows the account; and its
 * trust setting. What another try cannot help is fatal, with a line that says what to do; else this process
 * fails, and agentd starts it again.
 *
 * Where messages are pushed each moment in which nobody listens may lose one. Then only the mode is asked for before it
 * may be received, the rest meanwhile; and an API that is not there is tried again for some seconds first.
 */
#ifndef SIGNAL_VERIFY_H
#define SIGNAL_VERIFY_H

#include "api.h"
#include "receive.h"

struct signal_verify;

/* All borrowed. */
struct signal_verify_setup {
	const struct agentd_host *host;
	struct signal_api *api;
	const struct signal_mode *mode;
	const char *number;
	bool trust_all_keys;
	uint64_t interval_ms; /* the first delay before another try */
	void (*good)(
	    void *arg); /* once: it may be received. It goes on, and is not to be freed here */
	void *arg;
};

/* NULL: memory is out. */
struct signal_verify *signal_verify_new(const struct signal_verify_setup *setup);
/* NULL is fine. */
void signal_verify_free(struct signal_verify *verify);

#endif
