/* sockets: an array of them, the words of the environment, and what the kernel says of each. */
#include "daemon/proc/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/base/buf.h"

#define FIRST_FD   3    /* SD_LISTEN_FDS_START */
#define MOST       4096 /* more is nonsense, and would be an array of any size */
#define NAME_BOUND "agentd-bound"
#define WORDS      3         /* LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES */
#define NAME_NONE  "unknown" /* as sd_listen_fds_with_names(3) */

struct one {
	int fd;
	char *name, *address;
};

struct sockets {
	struct one *all;
	size_t count;
	char *words[WORDS], **environment; /* for the next program */
};

struct sockets *sockets_new(void)
{
	return calloc(1, sizeof(struct sockets));
}

static void one_done(struct one *one)
{
	close(one->fd);
	free(one->name);
	free(one->address);
}

static bool one_is_bound(const struct one *one)
{
	return strcmp(one->name, NAME_BOUND) == 0;
}

void sockets_free(struct sockets *sockets)
{
	if (!sockets)
		return;
	sockets_close(sockets);
	for (size_t i = 0; i < WORDS; i++)
		free(sockets->words[i]);
	free(sockets->environment);
	free(sockets->all);
	free(sockets);
}

static void remove_file(const struct one *one)
{
	if (one->address && one_is_bound(one) && strncmp(one->address, "unix:", 5) == 0)
		unlink(one->address + 5);
}

void sockets_close(struct sockets *sockets)
{
	for (size_t i = 0; i < sockets->count; i++)
		remove_file(&sockets->all[i]);
	sockets_forget(sockets, 0);
}

void sockets_drop_bound(struct sockets *sockets)
{
	size_t kept = 0;
	for (size_t i = 0; i < sockets->count; i++) {
		struct one *one = &sockets->all[i];
		if (one->address && !one_is_bound(one)) {
			sockets->all[kept++] = *one;
			continue;
		}
		remove_file(one);
		one_done(one);
	}
	sockets->count = kept;
}

void sockets_forget(struct sockets *sockets, size_t i)
{
	for (size_t j = i; j < sockets->count; j++)
		one_done(&sockets->all[j]);
	if (i < sockets->count)
		sockets->count = i;
}

/* What one socket is. */

char *socket_address(int fd)
{
	struct sockaddr_storage address = { 0 };
	socklen_t length = sizeof(address);
	char host[NI_MAXHOST], port[NI_MAXSERV];
	struct buf text = { 0 };
	if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		return NULL;
	if (address.ss_family == AF_UNIX) {
		const struct sockaddr_un *local = (const void *)&address;
		if (local->sun_path[0] != '/')
			return NULL;
		buf_addf(&text, "unix:%s", local->sun_path);
		return buf_take(&text);
	}
	if (address.ss_family != AF_INET && address.ss_family != AF_INET6)
		return NULL;
	if (getnameinfo((struct sockaddr *)&address, length, host, sizeof(host), port, sizeof(port),
		NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return NULL;
	buf_addf(&text, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return buf_take(&text);
}

static bool listens(int fd)
{
	int type = 0, accepts = 0;
	socklen_t length = sizeof(int);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &length) == 0 && accepts;
}

static int prepare(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/* The fd is the sockets' from now on; on failure it stays the caller's. */
static int add(struct sockets *sockets, int fd, const char *name)
{
	struct one *all = reallocarray(sockets->all, sockets->count + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	sockets->all = all;
	struct one *one = &all[sockets->count];
	*one = (struct one){ .fd = fd, .name = strdup(name) };
	if (!one->name)
		return -ENOMEM;
	one->address = listens(fd) ? socket_address(fd) : NULL;
	sockets->count++;
	return 0;
}

/* What was handed over. */

/* A whole number, and nothing else. -1: it is none. */
static long number_in(const char *name)
{
	const char *text = getenv(name);
	char *end;
	if (!text || !*text)
		return -1;
	errno = 0;
	long number = strtol(text, &end, 10);
	return *end || errno ? -1 : number;
}

static int receive_all(struct sockets *sockets, long count, const char *names)
{
	for (long i = 0; i < count; i++) {
		int fd = FIRST_FD + (int)i;
		size_t n = names ? strcspn(names, ":") : 0;
		char *name = n ? strndup(names, n) : strdup(NAME_NONE);
		int error = name ? prepare(fd) : -ENOMEM;
		if (error == 0)
			error = add(sockets, fd, name);
		free(name);
		if (error < 0)
			return error;
		names = names && names[n] ? names + n + 1 : NULL;
	}
	return 0;
}

int sockets_receive(struct sockets *sockets)
{
	int error = 0;
	if (number_in("LISTEN_PID") == getpid()) { /* else they are for somebody else */
		long count = number_in("LISTEN_FDS");
		error = count < 1 || count > MOST
			    ? -EINVAL
			    : receive_all(sockets, count, getenv("LISTEN_FDNAMES"));
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (error < 0)
		sockets_forget(sockets, 0);
	return error;
}

/* Looking, taking, and putting. */

size_t sockets_count(const struct sockets *sockets)
{
	return sockets->count;
}

const char *sockets_address(const struct sockets *sockets, size_t i)
{
	return sockets->all[i].address;
}

const char *sockets_name(const struct sockets *sockets, size_t i)
{
	return sockets->all[i].name;
}

bool sockets_is_bound(const struct sockets *sockets, size_t i)
{
	return one_is_bound(&sockets->all[i]);
}

static bool same_bytes(const void *a, const void *b, size_t n)
{
	return memcmp(a, b, n) == 0;
}

static bool same(const struct sockaddr *a, const struct sockaddr *b, bool any_port)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;
	if (a->sa_family != b->sa_family)
		return false;
	switch (a->sa_family) {
	case AF_UNIX:
		return strcmp(((const struct sockaddr_un *)(const void *)a)->sun_path,
			   ((const struct sockaddr_un *)(const void *)b)->sun_path) == 0;
	case AF_INET:
		return a4->sin_addr.s_addr == b4->sin_addr.s_addr &&
		       (any_port || a4->sin_port == b4->sin_port);
	case AF_INET6:
		return same_bytes(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) &&
		       (any_port || a6->sin6_port == b6->sin6_port);
	default:
		return false;
	}
}

static void take_at(struct sockets *sockets, size_t i, struct socket_handed *ret)
{
	struct one one = sockets->all[i];
	*ret = (struct socket_handed){
		.fd = one.fd, .name = one.name, .is_bound = one_is_bound(&one)
	};
	free(one.address);
	sockets->count--;
	memmove(
	    &sockets->all[i], &sockets->all[i + 1], (sockets->count - i) * sizeof(sockets->all[0]));
}

bool sockets_take(struct sockets *sockets, const struct sockaddr *address, bool any_port,
    struct socket_handed *ret)
{
	for (size_t i = 0; i < sockets->count; i++) {
		struct sockaddr_storage its = { 0 };
		socklen_t length = sizeof(its);
		if (!sockets->all[i].address ||
		    getsockname(sockets->all[i].fd, (struct sockaddr *)&its, &length) < 0 ||
		    !same(address, (struct sockaddr *)&its, any_port))
			continue;
		take_at(sockets, i, ret);
		return true;
	}
	return false;
}

int sockets_put(struct sockets *sockets, int fd, const char *name)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	int error = add(sockets, copy, name ? name : NAME_BOUND);
	if (error < 0)
		close(copy);
	return error;
}

/* Handing over. */

/* Out of the way first, since one may stand on another's place. */
static int place(struct sockets *sockets)
{
	for (size_t i = 0; i < sockets->count; i++) {
		int fd = fcntl(sockets->all[i].fd, F_DUPFD_CLOEXEC, FIRST_FD + (int)sockets->count);
		if (fd < 0)
			return -errno;
		close(sockets->all[i].fd);
		sockets->all[i].fd = fd;
	}
	for (size_t i = 0; i < sockets->count; i++)
		if (dup2(sockets->all[i].fd, FIRST_FD + (int)i) < 0)
			return -errno;
	return 0;
}

/* The words for $LISTEN_…; without sockets there are none. */
static int write_words(struct sockets *sockets)
{
	struct buf texts[WORDS] = { 0 };
	int error = 0;
	buf_addf(&texts[0], "LISTEN_PID=%d", getpid());
	buf_addf(&texts[1], "LISTEN_FDS=%zu", sockets->count);
	buf_add_str(&texts[2], "LISTEN_FDNAMES=");
	for (size_t i = 0; i < sockets->count; i++)
		buf_addf(&texts[2], "%s%s", i ? ":" : "", sockets->all[i].name);
	for (size_t i = 0; i < WORDS; i++) {
		if (sockets->count && !(sockets->words[i] = buf_take(&texts[i])))
			error = -ENOMEM;
		buf_done(&texts[i]);
	}
	return error;
}

int sockets_hand_over(
    struct sockets *sockets, char *const *environment, char *const **ret_environment)
{
	size_t n = 0;
	while (environment[n])
		n++;
	int error = write_words(sockets);
	char **all = calloc(n + WORDS + 1, sizeof(*all));
	if (!all || error < 0) {
		free(all);
		return -ENOMEM;
	}
	memcpy(all, environment, n * sizeof(*all));
	memcpy(all + n, sockets->words, sizeof(sockets->words));
	sockets->environment = all;
	if ((error = place(sockets)) < 0)
		return error;
	*ret_environment = all;
	return 0;
}
