/*
 * errors: the part of conf_errors that only daemon/conf needs.
 */
#ifndef AGENTD_CONF_ERRORS_H
#define AGENTD_CONF_ERRORS_H

#include "daemon/conf/conf.h"

/* Gives a file its place in the order of messages, before there is any message about it. */
void conf_errors_file(struct conf_errors *errors, const char *file);
/* Memory was out for something, which may be missing. */
void conf_errors_set_lost(struct conf_errors *errors);
/* A file was not read to its end. */
void conf_errors_set_incomplete(struct conf_errors *errors);

#endif
