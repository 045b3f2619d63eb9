/*
 * plugin_print: what a plugin says about itself, on stdout, for `agentd --probe`.
 */
#ifndef AGENTD_PLUGIN_PRINT_H
#define AGENTD_PLUGIN_PRINT_H

#include "daemon/proc/descriptor.h"

void plugin_print(const struct descriptor *plugin);

#endif
