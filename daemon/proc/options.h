/* options: the checked options of a plugin, as the CONFIG frame of its process. It holds secrets. */
#ifndef AGENTD_PROC_OPTIONS_H
#define AGENTD_PROC_OPTIONS_H

#include "daemon/base/buf.h"
#include "daemon/conf/settings.h"

/* In the order of the plugin's table. 0 or -ENOMEM. */
int options_encode(const struct instance_settings *settings, struct buf *out);
/* Wiped, and given back. */
void options_done(struct buf *config);

#endif
