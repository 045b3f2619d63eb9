/* tables: the core's option tables, for those who read settings (settings.c) and show them
 * (settings_print.c). */
#ifndef AGENTD_CONF_TABLES_H
#define AGENTD_CONF_TABLES_H

#include "daemon/conf/settings.h"

/* A section at the top that has one table, and where in struct settings its values are. */
struct settings_section {
	const char *key;
	const struct schema *schema;
	size_t at;
};

extern const struct schema settings_top, settings_agent, settings_limits;
extern const struct settings_section settings_sections[];
extern const size_t settings_section_count;

#endif
