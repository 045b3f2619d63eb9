/*
 * chatter: how much of what programs say is logged. agentd takes so many lines a second from an agent
 * and drops the rest; a program that says more must neither fill this process's memory with them nor
 * crowd out the lines that say how a run ended.
 */
#ifndef EXEC_CHATTER_H
#define EXEC_CHATTER_H

#include <stdbool.h>

#include "agentd/plugin.h"

/* Whether a line may be logged now. Those that may not are counted. */
bool chatter_allows(const struct agentd_host *host);
/* Logs how many were left out, if any were. */
void chatter_report(const struct agentd_host *host);

#endif
