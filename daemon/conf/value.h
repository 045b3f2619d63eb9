/*
 * value: the texts that a value is written as. Private to daemon/conf, and to manual/; what others
 * need of it is declared in schema.h (schema_parse_…).
 */
#ifndef AGENTD_CONF_VALUE_H
#define AGENTD_CONF_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/conf/conf.h"

/* A finite decimal number. Returns 0, -EINVAL or -ERANGE. */
int value_parse_number(const char *text, double *ret);

/* The shortest way to write a duration or a size: 90000 is "90s", 65536 is "64K". */
void value_format_duration(int64_t ms, char *buffer, size_t size);
void value_format_size(int64_t bytes, char *buffer, size_t size);

/*
 * A subtree as compact JSON, to be freed. An unquoted true, false, null or JSON number is one and
 * keeps its digits; all else that is a scalar is a string. Returns 0, -ENOMEM, or -EINVAL: a text
 * that is not UTF-8 or a number out of JSON's range.
 */
int value_write_json(const struct conf_node *node, char **ret_text);
/* Whether a text is JSON, of any type: 0 or -EINVAL. */
int value_check_json(const char *text);

#endif
