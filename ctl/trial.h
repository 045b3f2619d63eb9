/*
 * trial: an agentd for one plugin, in a temporary folder, which ends with us. What the plugin logs and prints,
 * and warnings and errors of agentd's, are shown on stderr as they come; what explains a start that failed, then.
 */
#ifndef AGENTCTL_TRIAL_H
#define AGENTCTL_TRIAL_H

#include "ctl/client.h"

struct trial;

/* Starts it, and waits until its agent is ready. After interrupt_open. Returns 0, or an exit code and has
 * said why; then nothing is left of it. */
int trial_start(const char *plugin, struct trial **ret_trial);
/* A client for it, borrowed. */
struct client *trial_client(const struct trial *trial);
/* Ends it, and takes its folder away. */
void trial_stop(struct trial *trial);

#endif
