/*
 * expand: ${NAME}, ${NAME:-default}, ${file:/path} and $${ in the text of one scalar.
 *
 * Left to right and once: what comes from a variable, a default or a file is not looked at again.
 * As in the shell, a default also stands for a variable that is set but empty.
 */
#ifndef AGENTD_CONF_EXPAND_H
#define AGENTD_CONF_EXPAND_H

#include "daemon/conf/conf.h"

/*
 * Replaces node->text. Mistakes are said of the node, all of them, and leave the text as it was:
 * so a mistake is seldom followed by another about what it left behind. Returns 0 then too, and
 * -ENOMEM when memory is out.
 */
int conf_expand(
    struct conf_node *node, const struct conf_reader *reader, struct conf_errors *errors);

#endif
