/*
 * peer: who is at the other end of the control socket, by what the kernel says of it (SO_PEERCRED).
 *
 * Root and control.admins are admins. The daemon's own user is one only if that is an ordinary user, or
 * in dev mode. What agentd itself has started is nobody, whatever its user: plugins run as the same user.
 */
#ifndef AGENTD_AUTH_PEER_H
#define AGENTD_AUTH_PEER_H

#include <sys/socket.h>

#include "daemon/auth/auth.h"

struct peers;

/* Looks the names up, once. Mistakes go to `errors`; NULL: memory is out. */
struct peers *peers_new(const struct settings *settings, struct conf_errors *errors);
void peers_free(struct peers *peers);
enum auth_verdict peers_ask(const struct peers *peers, const struct ucred *peer,
    struct principal **ret_who, const char **ret_why);
/* The same of one that is known not to be what agentd has started: its process may be gone. */
enum auth_verdict peers_ask_again(const struct peers *peers, const struct ucred *peer,
    struct principal **ret_who, const char **ret_why);

#endif
