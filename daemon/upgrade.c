/* upgrade: the same command line once more, for a check, and for good. */
#include "daemon/upgrade.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/proc/command.h"
#include "daemon/proc/sockets.h"

#define CHECK_PATIENCE_MS 60000
#define SELF              "/proc/self/exe"
#define DELETED           " (deleted)" /* as readlink of that ends once the file was replaced */

struct upgrade {
	char path[PATH_MAX];
	char **argv,
	    **environment; /* the arrays; getopt and unsetenv change those that they are from */
	struct sockets *sockets;
	struct schema_list handed;
	struct command *check; /* NULL: none goes on */
	struct stat checked;   /* the file that the check was begun with */
	void (*done)(void *arg, const char *error);
	void *arg;
	bool is_due;
};

/* As it was called, links and all: a new version may be behind a link that is turned. Not the file that this process
 * is, which is gone once there is a new one. */
static int find_path(char *path, size_t size)
{
	const char *called = (const char *)getauxval(AT_EXECFN);
	char folder[PATH_MAX];
	if (called && called[0] == '/' && strncmp(called, "/proc/", 6) &&
	    strncmp(called, "/dev/", 5))
		return snprintf(path, size, "%s", called) < (int)size ? 0 : -ENAMETOOLONG;
	if (called && called[0] && called[0] != '/') {
		if (!getcwd(folder, sizeof(folder)))
			return -errno;
		return snprintf(path, size, "%s/%s", folder, called) < (int)size ? 0
										 : -ENAMETOOLONG;
	}
	ssize_t n = readlink(SELF, path, size - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	size_t end = strlen(DELETED), length = (size_t)n;
	if (length > end && strcmp(path + length - end, DELETED) == 0)
		path[length - end] = '\0';
	return 0;
}

static size_t count_of(char *const *texts)
{
	size_t n = 0;
	while (texts[n])
		n++;
	return n;
}

static char **copy_arguments(char *const *argv)
{
	size_t n = count_of(argv);
	char **copy = calloc(n + 1, sizeof(*copy));
	for (size_t i = 0; copy && i < n; i++)
		copy[i] = argv[i];
	return copy;
}

static char **copy_environment(void)
{
	size_t n = count_of(environ), kept = 0;
	char **copy = calloc(n + 1, sizeof(*copy));
	for (size_t i = 0; copy && i < n; i++)
		if (strncmp(environ[i], "LISTEN_PID=", 11) &&
		    strncmp(environ[i], "LISTEN_FDS=", 11) &&
		    strncmp(environ[i], "LISTEN_FDNAMES=", 15))
			copy[kept++] = environ[i];
	return copy;
}

/* Kept, since the sockets get taken. */
static int list_handed(struct upgrade *upgrade)
{
	struct schema_list *handed = &upgrade->handed;
	size_t most = sockets_count(upgrade->sockets);
	handed->items = calloc(most + 1, sizeof(*handed->items));
	if (!handed->items)
		return -ENOMEM;
	for (size_t i = 0; i < most; i++) {
		const char *address = sockets_address(upgrade->sockets, i);
		if (!address || sockets_is_bound(upgrade->sockets, i))
			continue;
		if (!(handed->items[handed->count] = strdup(address)))
			return -ENOMEM;
		handed->count++;
	}
	return 0;
}

int upgrade_new(char **argv, struct upgrade **ret)
{
	struct upgrade *upgrade = calloc(1, sizeof(*upgrade));
	if (!upgrade)
		return -ENOMEM;
	upgrade->argv = copy_arguments(argv);
	upgrade->environment = copy_environment();
	upgrade->sockets = sockets_new();
	int error = upgrade->argv && upgrade->environment && upgrade->sockets ? 0 : -ENOMEM;
	if (error == 0)
		error = sockets_receive(upgrade->sockets);
	if (error == 0)
		error = list_handed(upgrade);
	if (error == 0)
		error = find_path(upgrade->path, sizeof(upgrade->path));
	if (error < 0) {
		upgrade_free(upgrade);
		return error;
	}
	*ret = upgrade;
	return 0;
}

void upgrade_free(struct upgrade *upgrade)
{
	if (!upgrade)
		return;
	upgrade_stop_check(upgrade);
	sockets_free(upgrade->sockets);
	for (size_t i = 0; i < upgrade->handed.count; i++)
		free(upgrade->handed.items[i]);
	free(upgrade->handed.items);
	free(upgrade->argv);
	free(upgrade->environment);
	free(upgrade);
}

const struct schema_list *upgrade_handed(const struct upgrade *upgrade)
{
	return &upgrade->handed;
}

struct sockets *upgrade_sockets(struct upgrade *upgrade)
{
	return upgrade->sockets;
}

const char *upgrade_path(const struct upgrade *upgrade)
{
	return upgrade->path;
}

/* The check. */

static void upgrade_on_checked(void *arg, const struct command_end *end)
{
	struct upgrade *upgrade = arg;
	upgrade->check = NULL;
	upgrade->done(upgrade->arg, end->error);
}

void upgrade_check(struct upgrade *upgrade, struct event_base *base,
    void (*done)(void *arg, const char *error), void *arg)
{
	size_t n = count_of(upgrade->argv);
	char **argv = calloc(n + 2, sizeof(*argv));
	char test[] = "-t";
	struct command_setup setup = {
		.path = upgrade->path,
		.argv = argv,
		.label = "agentd -t",
		.patience_ms = CHECK_PATIENCE_MS,
		.done = upgrade_on_checked,
		.arg = upgrade,
	};
	upgrade->done = done;
	upgrade->arg = arg;
	if (!argv || stat(upgrade->path, &upgrade->checked) < 0) {
		int error = errno;
		free(argv);
		done(arg, strerror(error));
		return;
	}
	argv[0] = upgrade->argv[0];
	argv[1] = test;
	memcpy(argv + 2, upgrade->argv + 1, (n - 1) * sizeof(*argv));
	int error = command_start(base, &setup, &upgrade->check);
	free(argv);
	if (error < 0)
		done(arg, strerror(-error));
}

bool upgrade_is_checking(const struct upgrade *upgrade)
{
	return upgrade->check;
}

void upgrade_stop_check(struct upgrade *upgrade)
{
	command_stop(upgrade->check);
	upgrade->check = NULL;
}

/* The exec. */

void upgrade_set_due(struct upgrade *upgrade, bool due)
{
	upgrade->is_due = due;
	if (!due)
		sockets_close(upgrade->sockets);
}

bool upgrade_is_due(const struct upgrade *upgrade)
{
	return upgrade->is_due;
}

void upgrade_hold_signals(bool hold)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

/* A file that is only half there may be executed all the same, and end this process. */
static bool is_as_checked(const struct upgrade *upgrade)
{
	const struct stat *then = &upgrade->checked;
	struct stat now;
	return stat(upgrade->path, &now) == 0 && now.st_dev == then->st_dev &&
	       now.st_ino == then->st_ino && now.st_size == then->st_size &&
	       now.st_mtim.tv_sec == then->st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == then->st_mtim.tv_nsec;
}

int upgrade_exec(struct upgrade *upgrade)
{
	char *const *environment;
	signal(SIGPIPE, SIG_DFL);
	log_info("becoming %s", upgrade->path);
	log_close_journal(); /* its fd may be where a socket goes */
	int error = sockets_hand_over(upgrade->sockets, upgrade->environment, &environment);
	if (error < 0) {
		log_error("cannot hand over the listening sockets: %s", strerror(-error));
		return EX_OSERR;
	}
	if (is_as_checked(upgrade)) {
		execve(upgrade->path, upgrade->argv, environment);
		log_error("cannot execute %s: %s; going on with the version that is running",
		    upgrade->path, strerror(errno));
	} else {
		log_error(
		    "%s has changed since it was checked; going on with the version that is running",
		    upgrade->path);
	}
	execve(SELF, upgrade->argv, environment);
	log_error("cannot execute that either: %s", strerror(errno));
	return EX_OSERR;
}
