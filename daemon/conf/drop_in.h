/*
 * drop_in: what lies in plugins.dir, the drop-in folder: each NAME.so is served as NAME, unless a
 * section names that file already, or has that name. Hidden files and other files are
 * not looked at.
 */
#ifndef AGENTD_CONF_DROP_IN_H
#define AGENTD_CONF_DROP_IN_H

#include "daemon/conf/settings.h"

/* Name, path, name, path … by name, to be freed with list_done. The sections of the config must have
 * been read. Files that are passed over go to `notes`. 0, or -ENOMEM. */
int drop_in_list(const struct settings *settings, struct conf_errors *errors,
    struct conf_errors *notes, struct schema_list *ret_list);

#endif
