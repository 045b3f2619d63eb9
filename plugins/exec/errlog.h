/*
 * errlog: what a program says on its stderr, line by line in the log, at level info. The last lines
 * are kept, since they often say why it ended.
 */
#ifndef EXEC_ERRLOG_H
#define EXEC_ERRLOG_H

#include <stddef.h>

#include "agentd/plugin.h"

struct errlog;

#define ERRLOG_TAIL_SIZE 801 /* a line of the log has room for 1023 bytes in all */

/* Of the run, which is borrowed; NULL: of none. The fd belongs to the errlog, also if it is NULL: memory is out. */
struct errlog *errlog_new(const struct agentd_host *host, int fd, struct agentd_run *run);
void errlog_free(struct errlog *errlog);

/* The program has ended: reads what it left, and gives its last lines, joined by " | ". Borrowed. */
const char *errlog_finish(struct errlog *errlog);
/* Where in those the last one begins. */
size_t errlog_last(const struct errlog *errlog);

#endif
