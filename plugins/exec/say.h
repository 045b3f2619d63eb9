/* say: text of any length, as deltas that agentd takes. */
#ifndef EXEC_SAY_H
#define EXEC_SAY_H

#include <stddef.h>

#include "agentd/plugin.h"

/* Says what `*said` does not count yet, and counts it. -EAGAIN: the reader is slow; call again with
 * the same when the run is writable. Otherwise as host->delta. */
int say_text(
    const struct agentd_host *host, struct agentd_run *run, struct agentd_text text, size_t *said);

#endif
