/*
 * verify: whether there is a signal-cli-rest-api, in the mode that is set, which knows the account; and its
 * trust setting. What another try cannot help is fatal, with a line that says what to do; else this process
 * fails, and agentd starts it again.
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
	void (*done)(void *arg); /* all is well; it may be freed here */
	void *arg;
};

/* NULL: memory is out. */
struct signal_verify *signal_verify_new(const struct signal_verify_setup *setup);
/* NULL is fine. */
void signal_verify_free(struct signal_verify *verify);

#endif
