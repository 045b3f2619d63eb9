/*
 * type: what an option's type can do. Private to daemon/conf.
 */
#ifndef AGENTD_CONF_TYPE_H
#define AGENTD_CONF_TYPE_H

#include "daemon/conf/schema.h"

/* One option being checked. */
struct check {
	const struct schema_row *row;
	const struct type *type;
	const struct conf_node *section; /* may be NULL */
	bool is_default;                 /* the nodes are a default's, which has no place */
	bool not_a_section;              /* said already: nothing is missing from it */
	struct conf_errors *errors;
};

/* What the values of a type have in common with those of other types. */
struct shape {
	/* Fills what the type has in a value. Returns 0, -EINVAL (said, the value as it was) or
	 * -ENOMEM. */
	int (*read)(
	    const struct check *check, const struct conf_node *node, struct schema_value *value);
	/* Moves a value to a member of a struct. */
	void (*store)(struct schema_value *value, void *member);
	/* Frees such a member and clears it; NULL: there is nothing to free. */
	void (*release)(void *member);
	/* Of the types that are a whole number: its text, and how a bound of it is shown. */
	int (*parse)(const char *text, int64_t *ret);
	void (*format)(int64_t value, char *buffer, size_t size);
};

struct type {
	uint32_t number;
	const char *name;
	const struct shape *shape; /* NULL: an option of this type has no value */
};

/* NULL for a number that is no type: tables of plugins come from outside. */
const struct type *type_find(uint32_t number);

/* Says a mistake of the node; one of a default is said of the section, as the table's. Returns
 * -EINVAL. */
int type_refuse(const struct check *check, const struct conf_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "a list", "nothing", or the text, shortened and in quotes, in the buffer. The text of a secret
 * is never shown. */
#define TYPE_FOUND_MAX 72
const char *type_found(
    const struct check *check, const struct conf_node *node, char buffer[static TYPE_FOUND_MAX]);

#endif
