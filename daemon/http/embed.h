/* embed: files that are a part of the program. Not terminated. */
#ifndef AGENTD_HTTP_EMBED_H
#define AGENTD_HTTP_EMBED_H

extern const char embed_docs[], embed_docs_end[];       /* docs.html: the page of /docs */
extern const char embed_schemas[], embed_schemas_end[]; /* schemas.json: for openapi.c */

#endif
