/* help: what commands there are and what they take, for people, for scripts, and as a manual page. */
#ifndef AGENTCTL_HELP_H
#define AGENTCTL_HELP_H

#include "ctl/command.h"

/* Of one command, or NULL: of all. Returns 0. */
int help_print(const struct command *command);
/* The source of agentctl(1), mdoc. Returns 0. */
int help_print_manual(void);

#endif
