/* attach: files that go along with a text, as POST /run takes them. */
#ifndef AGENTCTL_ATTACH_H
#define AGENTCTL_ATTACH_H

#include <jansson.h>

#include "ctl/arguments.h"

/* The files of every --attach, in their order; *ret_attachments is NULL if there is none. Returns 0, or an exit
 * code and has said why. */
int attach_files(const struct arguments *arguments, json_t **ret_attachments);

#endif
