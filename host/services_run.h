/*
 * services_run: those functions of the plugin's table that are about a run (agentd/plugin.h says what they do). From any
 * thread. What host.c does with runs is in internal.h.
 */
#ifndef AGENTD_HOST_SERVICES_RUN_H
#define AGENTD_HOST_SERVICES_RUN_H

#include "agentd/plugin.h"

int services_delta(struct agentd_run *run, struct agentd_text text);
int services_event(struct agentd_run *run, const char *type, struct agentd_text json);
int services_finish(struct agentd_run *run, const struct agentd_result *result);
int services_cancelled(const struct agentd_run *run);
struct agentd_run *services_ref(struct agentd_run *run);
/* Of a handler. */
int services_input(struct agentd_run *run, struct agentd_text text);
int services_metadata(struct agentd_run *run, struct agentd_text json);

#endif
