/* tables: the core's option tables, for those who read settings (settings.c, providers.c) and
 * show them (settings_print.c). */
#ifndef AGENTD_CONF_TABLES_H
#define AGENTD_CONF_TABLES_H

#include "daemon/conf/settings.h"

/* A section at the top that has one table, and where in struct settings its values are. */
struct settings_section {
	const char *key;
	const struct schema *schema;
	size_t at;
};

extern const struct schema settings_top, settings_limits, settings_process, settings_deliver,
    settings_api_key, settings_auth_key, settings_jwt, settings_allowlist, settings_composite;
extern const struct settings_section settings_sections[];
extern const size_t settings_section_count;

/* The sections of plugins, by their kind. */
struct settings_kind {
	const char *key;           /* of the section in which they are */
	const char *word, *a_word; /* what one of them is called */
	const struct schema
	    *schema; /* of one's struct, which begins with struct instance_settings */
	const struct schema *limits; /* of struct host_limits */
};
extern const struct settings_kind settings_kinds[INSTANCE_KINDS];

/* The sections of triggers, by their kind. */
struct settings_trigger_section {
	const char *key;
	const struct schema *schema; /* of struct trigger_settings */
};
extern const struct settings_trigger_section settings_triggers[];

/* What a table says, into the struct; the section may have other keys. */
void settings_read_part(const struct schema *schema, const struct conf_node *section, void *into,
    struct conf_errors *errors);
/* One table against one section: values into the struct, and, if `section` has no other table, an
 * error for each key that it does not know. */
void settings_read_table(const struct schema *schema, const struct conf_node *section, void *into,
    struct conf_errors *errors);

/* The node that a value stands in, for a message: the i-th item, or the key, or the section. */
const struct conf_node *settings_place(const struct conf_node *section, const char *key, size_t i);

#endif
