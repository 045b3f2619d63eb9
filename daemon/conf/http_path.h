/*
 * http_path: the paths at which others call agentd: of webhooks and of interfaces.
 */
#ifndef AGENTD_CONF_HTTP_PATH_H
#define AGENTD_CONF_HTTP_PATH_H

#include "daemon/conf/settings.h"

/* Why it can be none; NULL: it can. What can is written in one way only, by every client and proxy. */
const char *http_path_fault(const char *path);
/* Whatever their case, and a slash at their ends: two such are one to a person, and to many a proxy. */
bool http_path_is_same(const char *a, const char *b);
/* Whether a path is agentd's own, or would be but for its case or a slash at its end. */
bool http_path_is_ours(const char *path, bool (*is_taken)(const char *path));
/* What has it already: the label of a webhook, or of an interface; NULL: nothing that has been read.
 * `before`: of the triggers only those before that one; NULL: all. */
const char *http_path_owner(const struct settings *settings, const char *method, const char *path,
    const struct trigger_settings *before);

#endif
