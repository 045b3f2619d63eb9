/*
 * schema: option rows → checked values.
 *
 * One row says all about one option: type, default, bounds, choices, help. The core's tables
 * (settings.c) and the tables that plugins bring in their descriptors are the same rows, so there
 * is one checker, one style of message, and manuals are made from what is checked.
 *
 * Pure: no file, no log, no clock. Messages go to conf_errors, with file:line.
 */
#ifndef AGENTD_CONF_SCHEMA_H
#define AGENTD_CONF_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agentd/plugin.h" /* AGENTD_STRING … AGENTD_JSON: the types are the ABI's */
#include "daemon/conf/conf.h"

/* Types that only the core's tables have. */
#define SCHEMA_SECTION 100u /* a map with a table of its own; schema_check leaves it alone */
#define SCHEMA_SECRETS 102u /* as AGENTD_LIST, but never shown */

struct schema_row {
	const char *key;
	uint32_t type;
	bool required;        /* the config must say it, whatever the default; a secret not empty */
	const char *fallback; /* the default as it would be written, a list "a, b", a map
	                       * "k: v, k: v", json as JSON; NULL: none */
	const char *choices;  /* string, and each item of a list: "a|b|c" */
	int64_t min, max;     /* both 0: unbounded */
	const char *help;
	size_t at; /* core tables: where schema_store puts it, offsetof(struct x, member) */
};

struct schema {
	const struct schema_row *rows;
	size_t count;
};

/* A checked value. Owned by the array that schema_check returns. */
struct schema_value {
	bool set;       /* false: not in the config, or wrong there, and no default */
	bool given;     /* true: the config says it, right or wrong */
	int64_t number; /* int, bool, duration (ms), size (bytes) */
	double real;    /* number */
	char *text;     /* string, secret, json (compact) */
	char **items;   /* list: texts; map: key, value, key, value … */
	size_t count;   /* of items: a map of two entries has four */
};

/* A list as schema_store leaves it. */
struct schema_list {
	char **items;
	size_t count;
};
/* Whether one of the texts is that; NULL is none. */
bool schema_list_has(const struct schema_list *list, const char *text);

/*
 * Checks the rows of one table against a section and returns one value for each row, in order.
 * `section` may be NULL (all defaults). Mistakes: missing required option (said of the section),
 * wrong type, out of range, not one of the choices, and of a plugin's table a bad
 * default or an unknown type. A value that is wrong becomes the default, so that the caller can
 * go on to the next mistake. Keys that no row names are not looked at: schema_reject_unknown does
 * that, since a section may have two tables.
 *
 * A list may be written as one scalar, and an empty list, map or section as nothing at all.
 * NULL only when memory is out.
 */
struct schema_value *schema_check(
    const struct schema *schema, const struct conf_node *section, struct conf_errors *errors);
void schema_values_free(struct schema_value *values, size_t count);

/* An error for every key of the section that none of the tables names, with the nearest name
 * that one of them has. */
void schema_reject_unknown(const struct conf_node *section, const struct schema *const *tables,
    size_t count, struct conf_errors *errors);

/*
 * Moves values into a struct, each row at its offset: string and secret char *, int, duration and
 * size int64_t, bool bool, number double, list, secrets and map struct schema_list, json char *. An unset
 * value leaves its member untouched. What was moved belongs to the struct: schema_release frees it.
 */
void schema_store(const struct schema *schema, struct schema_value *values, void *into);
void schema_release(const struct schema *schema, void *from);

/* The nearest of some names, for "did you mean"; NULL if none is near (Damerau-Levenshtein, at
 * most a third of the word; or a word that others have for it). `next` is called with 0, 1, 2 …
 * until it returns NULL. */
const char *schema_nearest(
    const char *word, const char *(*next)(const void *arg, size_t i), const void *arg);

/* Text to value: the parts of schema_check that others need. Return 0, or -EINVAL, or -ERANGE.
 * Decimals are fine where they come out whole (1.5s, 0.5K); suffixes of sizes are K, KB or KiB. */
int schema_parse_duration(
    const char *text, int64_t *ret_ms); /* 500ms 30s 5m 2h 1d; 0 without unit */
int schema_parse_size(const char *text, int64_t *ret_bytes); /* 100 64K 1M 2G; 1024s */
int schema_parse_int(const char *text, int64_t *ret);
int schema_parse_bool(const char *text, bool *ret); /* true/false, yes/no, on/off */

/* A type's name as people read it: "duration (500ms, 30s, 5m, 2h, 1d)". */
const char *schema_type_name(uint32_t type);

#endif
