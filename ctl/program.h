/* program: other programs, and where agentd is. */
#ifndef AGENTCTL_PROGRAM_H
#define AGENTCTL_PROGRAM_H

#include "daemon/base/buf.h"

/* agentd beside agentctl, else in $PATH. To be freed; NULL if there is none. */
char *program_find_agentd(void);
/* Runs it to its end with no input. Its exit code, 128 + the signal that ended it, or -errno. What it says
 * is in *out and *err, which are added to. */
int program_run(char *const *argv, struct buf *out, struct buf *err);

#endif
