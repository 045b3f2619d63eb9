/*
 * files: attachments as JSON, of a request and of an answer:
 *
 *	{"type": "image", "name"?, "mime_type"?, "bytes"?, "path" or "url"}
 */
#ifndef EXEC_FILES_H
#define EXEC_FILES_H

#include <jansson.h>

#include "agentd/plugin.h"

/* The caller's; NULL: memory is out. */
json_t *files_to_json(const struct agentd_request *request);
/* Those of an array, on the heap; their texts are borrowed from it. NULL and 0: it has none, or is none. What
 * has neither a path nor a URL is for agentd to leave out. */
struct agentd_attachment *files_of_json(const json_t *array, size_t *ret_count);

#endif
