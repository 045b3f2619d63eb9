/*
 * environment: the variables that a program is started with. It begins with PATH and LANG of this
 * process; nothing else of agentd's is passed on.
 */
#ifndef EXEC_ENVIRONMENT_H
#define EXEC_ENVIRONMENT_H

#include "agentd/plugin.h"

struct environment;

/* NULL: memory is out. */
struct environment *environment_new(void);
struct environment *environment_copy(const struct environment *environment);
void environment_free(struct environment *environment);

/* Sets a variable, or replaces it. -EINVAL: an empty name, or one with a "=", or a NUL anywhere. */
int environment_set(
    struct environment *environment, struct agentd_text name, struct agentd_text value);
/* NULL: it is not set. Borrowed until the next set. */
const char *environment_get(const struct environment *environment, const char *name);
/* For execve. Borrowed until the next set. */
char *const *environment_list(const struct environment *environment);

#endif
