/* dev: the section dev. Private to daemon/conf; settings_turn_dev_on is its too. */
#ifndef AGENTD_CONF_DEV_H
#define AGENTD_CONF_DEV_H

#include "daemon/conf/settings.h"

/* What its table has read is checked, and made to say the same wherever it is looked at. */
void dev_read(struct settings *settings, struct conf_errors *errors);
void dev_done(struct settings *settings);

#endif
