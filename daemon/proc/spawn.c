/*
 * spawn: fork, and in the child, calls that are safe after fork only, until fexecve.
 *
 * fork and exec rather than posix_spawn, which cannot set a death signal, limits, or close what it
 * does not know. The file is executed by descriptor: daemon and host are one build, also while a
 * package manager replaces both.
 */
#include "daemon/proc/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/message.h"

#ifndef AGENTD_LIBEXECDIR
#define AGENTD_LIBEXECDIR "/usr/libexec/agentd"
#endif

#define HOST_FD_EXEC (HOST_FD_PLUGIN + 1)

int spawn_open(const char *program, char *path, size_t size)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n > 0) {
		self[n] = '\0';
		char *slash = strrchr(self, '/');
		int length = (int)(slash ? slash - self : 0);
		snprintf(path, size, "%.*s/%s", length, self, program);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			return fd;
	}
	snprintf(path, size, "%s/%s", AGENTD_LIBEXECDIR, program);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

/* Sanitizers are told what to do by the environment; a plain build passes nothing on. */
static char *const *host_environment(void)
{
	static char *environment[8];
	static const char *const passed[] = {
		"ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=", "TSAN_OPTIONS="
	};
	size_t n = 0;
	environment[n++] = "PATH=/usr/local/bin:/usr/bin:/bin";
	environment[n++] = "LANG=C.UTF-8";
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		for (char **entry = environ; *entry; entry++)
			if (strncmp(*entry, passed[i], strlen(passed[i])) == 0)
				environment[n++] = *entry;
#else
	(void)passed;
#endif
	environment[n] = NULL;
	return environment;
}

static void child_limit(__rlimit_resource_t resource, rlim_t most)
{
	struct rlimit limit;
	if (getrlimit(resource, &limit) < 0)
		_exit(HOST_EXIT_NO_EXEC);
	if (limit.rlim_max != RLIM_INFINITY && most > limit.rlim_max)
		most = limit.rlim_max;
	limit = (struct rlimit){ most, most };
	if (setrlimit(resource, &limit) < 0)
		_exit(HOST_EXIT_NO_EXEC);
}

static void child_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	for (int i = 1; i < NSIG; i++)
		sigaction(i, &dfl, NULL); /* fails for KILL, STOP and libc's own: harmless */
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Puts fds at their numbers. They are moved out of the way first, since one may stand on another's
 * place. */
static void child_fds(const struct spawn_request *request, int channel, int output)
{
	int null = open("/dev/null", O_RDWR);
	int from[] = { null, output, output, channel, request->plugin_fd, request->host_fd };
	enum { COUNT = sizeof(from) / sizeof(from[0]) };
	for (int i = 0; i < COUNT; i++)
		if ((from[i] = fcntl(from[i], F_DUPFD, 16)) < 0)
			_exit(HOST_EXIT_NO_EXEC);
	for (int i = 0; i < COUNT; i++)
		if (dup2(from[i], i) < 0)
			_exit(HOST_EXIT_NO_EXEC);
	fcntl(HOST_FD_EXEC, F_SETFD, FD_CLOEXEC);
	close_range(HOST_FD_EXEC + 1, ~0U, 0);
}

static _Noreturn void child_main(const struct spawn_request *request, pid_t parent, int channel,
    int output, char *const *environment)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(HOST_EXIT_NO_EXEC); /* the parent may have died before the prctl */
	setsid();
	child_signals();
	child_fds(request, channel, output);
	child_limit(RLIMIT_CORE, 0);
	if (request->files)
		child_limit(RLIMIT_NOFILE, (rlim_t)request->files);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their shadow is data, too */
	if (request->memory_bytes)
		child_limit(RLIMIT_DATA, (rlim_t)request->memory_bytes);
#endif
	char *const argv[] = { (char *)(uintptr_t)request->program,
		(char *)(uintptr_t)request->name, NULL };
	fexecve(HOST_FD_EXEC, argv, environment);
	_exit(HOST_EXIT_NO_EXEC);
}

static void close_pair(int fds[2])
{
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

int spawn_host(const struct spawn_request *request, struct spawned *ret)
{
	int channel[2] = { -1, -1 }, output[2] = { -1, -1 }, error;
	sigset_t all, before;
	char *const *environment = host_environment();
	pid_t parent = getpid();

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) < 0 ||
	    pipe2(output, O_CLOEXEC) < 0)
		goto fail;
	if (fcntl(channel[0], F_SETFL, O_NONBLOCK) < 0 || fcntl(output[0], F_SETFL, O_NONBLOCK) < 0)
		goto fail;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before); /* no handler of ours may run in the child */
	pid_t pid = fork();
	if (pid == 0)
		child_main(request, parent, channel[1], output[1], environment);
	int fork_error = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0) {
		errno = fork_error;
		goto fail;
	}
	int pidfd = pidfd_open(pid, 0); /* cannot race: we alone reap it */
	if (pidfd < 0) {
		error = -errno;
		kill(pid, SIGKILL);
		close_pair(channel);
		close_pair(output);
		return error;
	}
	close(channel[1]);
	close(output[1]);
	*ret = (struct spawned){
		.pid = pid, .pidfd = pidfd, .channel_fd = channel[0], .output_fd = output[0]
	};
	return 0;

fail:
	error = -errno;
	close_pair(channel);
	close_pair(output);
	return error;
}
