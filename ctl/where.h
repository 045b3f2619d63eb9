/* where: which agentd is meant, and the key for it. */
#ifndef AGENTCTL_WHERE_H
#define AGENTCTL_WHERE_H

#include <stdbool.h>

#include "ctl/client.h"

/* Exactly one of them is set; both are the caller's to free. */
struct where_found {
	char *socket, *url;
};

/* The command line before the environment, a socket before the network. Returns 0, or an exit code
 * and has said why. */
int where_find(const struct client_where *where, struct where_found *ret_found);

/* The header that carries the key, to be freed, or NULL if there is none. Returns as above. */
int where_find_key(const struct client_where *where, char **ret_header);

#endif
