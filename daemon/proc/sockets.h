/*
 * sockets: listening sockets that are older than this process, or will outlive it: those that systemd
 * or the agentd before this one handed over, and those for the one after it.
 *
 * Both are handed over as sd_listen_fds(3) has it: from fd 3 on, $LISTEN_FDS of them, to the process
 * $LISTEN_PID, their names in $LISTEN_FDNAMES. libsystemd is not needed for that. agentd hands on what
 * it bound itself under a name of its own, so that its successor knows which socket files are agentd's
 * to remove.
 */
#ifndef AGENTD_PROC_SOCKETS_H
#define AGENTD_PROC_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct sockets;

/* A socket that is taken out: all of it is the caller's. */
struct socket_handed {
	int fd;        /* close-on-exec, non-blocking */
	char *name;    /* on the heap */
	bool is_bound; /* by agentd: its file, if it has one, is agentd's to remove */
};

/* None. NULL: memory is out. */
struct sockets *sockets_new(void);
void sockets_free(struct sockets *sockets); /* closes them first */
/* Closes all that are left; with one that agentd bound goes its file. */
void sockets_close(struct sockets *sockets);
/* The same, but keeps those of systemd that can be listened on. */
void sockets_drop_bound(struct sockets *sockets);
/* Closes those from the i-th on, and no more: somebody else has them as well. */
void sockets_forget(struct sockets *sockets, size_t i);

/* Adds what the environment says was handed to this process, and takes that out of the environment, so
 * that no child takes it for its own. To be called before there is any other fd. 0; -ENOMEM; -EBADF or
 * -EINVAL: what it says cannot be, and no socket was added. */
int sockets_receive(struct sockets *sockets);

size_t sockets_count(const struct sockets *sockets);
/* Of the i-th: "127.0.0.1:8000", "[::1]:8000" or "unix:/path" as the kernel has it. NULL: it is no
 * stream socket that listens, or one without a path, which everybody may connect to. */
const char *sockets_address(const struct sockets *sockets, size_t i);
const char *sockets_name(const struct sockets *sockets, size_t i);
bool sockets_is_bound(const struct sockets *sockets, size_t i);

/* Takes out the one that has this address; `any_port`: the first that has its host. False:
 * there is none. */
bool sockets_take(struct sockets *sockets, const struct sockaddr *address, bool any_port,
    struct socket_handed *ret);
/* Adds a copy of the fd: the socket stays open when the caller closes it. `name` as it came; NULL: agentd bound
 * it. 0 or -errno. */
int sockets_put(struct sockets *sockets, int fd, const char *name);

/* Puts all at their numbers, for a program that is executed next, and says so in `environment`, an array that
 * ends with NULL and has no words of this kind: ret_environment has these as well, and belongs to the sockets.
 * 0 or -errno. Nothing but exec may follow: other fds may have been overwritten. */
int sockets_hand_over(
    struct sockets *sockets, char *const *environment, char *const **ret_environment);

/* The address of a socket, as above; NULL. The caller frees it. */
char *socket_address(int fd);

#endif
