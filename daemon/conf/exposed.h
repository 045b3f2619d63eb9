/*
 * exposed: files that others on this machine may write, or read although there are secrets in them. That is noted, and no
 * mistake: a clone, or a folder from outside a container, may come with such modes.
 */
#ifndef AGENTD_CONF_EXPOSED_H
#define AGENTD_CONF_EXPOSED_H

#include "daemon/conf/settings.h"

/* A note of each file that is hidden from plugins and that others may write, and of each with the value of an option that is a secret, written out and not from ${...}. Once the options
 * of plugins are read, whose tables say which are secret. What ${file:} names is not looked at: where others lay it
 * down (Docker, Kubernetes), all may read it as a rule, within a container. */
void exposed_note(const struct settings *settings, struct conf_errors *notes);

#endif
