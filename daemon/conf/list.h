/*
 * list: a struct schema_list that grows. Private to daemon/conf.
 */
#ifndef AGENTD_CONF_LIST_H
#define AGENTD_CONF_LIST_H

#include "daemon/conf/schema.h"

/* Adds a copy. Returns 0 or -ENOMEM. */
int list_add(struct schema_list *list, const char *text, size_t length);
/* Frees the texts and leaves an empty list. */
void list_done(struct schema_list *list);

/* The parts of a text without the blanks around them; no part for an empty text. Returns 0 or
 * -ENOMEM. */
int list_split(const char *text, char separator, struct schema_list *ret_list);

/* The i-th text or NULL, as schema_nearest asks for it; `list` is a struct schema_list. */
const char *list_next(const void *list, size_t i);

#endif
