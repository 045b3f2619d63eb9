/*
 * yaml: the text of one file as nodes.
 *
 * The subset of YAML that conf.h names. What breaks it ends the reading of the file, with one
 * message: file, line, column, what was expected, and the hint to quote a value whose first
 * character means something to YAML. A doubled key or a bad ${…} is said and reading goes on.
 */
#ifndef AGENTD_CONF_YAML_H
#define AGENTD_CONF_YAML_H

#include "daemon/conf/conf.h"

/* What the files of one config have in common. */
struct conf_yaml {
	const struct conf_reader *reader;
	struct conf_errors *errors;
	size_t budget; /* nodes that may still be made */
};

/*
 * Fills `map`, an empty map whose `file` is the one that the text comes from. Returns 0, -EINVAL
 * (said; what was read so far is in the map) or -ENOMEM.
 */
int conf_yaml_read(struct conf_yaml *yaml, const char *text, size_t length, struct conf_node *map);

#endif
