/*
 * journal: a line of the log as an entry of systemd's journal, with fields (its native protocol,
 * systemd.io/JOURNAL_NATIVE_PROTOCOL). Never waits: an entry that is not taken at once is lost.
 */
#ifndef AGENTD_BASE_JOURNAL_H
#define AGENTD_BASE_JOURNAL_H

#include "daemon/base/buf.h"
#include "daemon/base/log.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* A socket, or -errno. */
int journal_open(const char *path);
/* What people read is `message`; `fields` are there to be searched by, as AGENTD_RUN_ID and the like.
 * `scratch` is emptied, and keeps its memory. 0 or -errno. */
int journal_send(int fd, enum log_level level, const char *message, size_t length,
    const struct log_field *fields, size_t count, struct buf *scratch);

#endif
