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
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

/* Puts fds at their numbers, from 0 on, and closes all others. They are moved out of the way first, since one may stand on another's
 * place. */
static void child_fds(int *from, int count)
{
	for (int i = 0; i < count; i++)
		if ((from[i] = fcntl(from[i], F_DUPFD, 16)) < 0)
			_exit(HOST_EXIT_NO_EXEC);
	for (int i = 0; i < count; i++)
		if (dup2(from[i], i) < 0)
			_exit(HOST_EXIT_NO_EXEC);
	close_range((unsigned)count, ~0U, 0);
}

/* What is only there in the new process, before it is another program. */
struct birth {
	pid_t parent;
	int channel, output; /* its ends */
};

static void child_begin(const struct birth *birth)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != birth->parent)
		_exit(HOST_EXIT_NO_EXEC); /* the parent may have died before the prctl */
	setsid();
	child_signals();
	child_limit(RLIMIT_CORE, 0);
}

static void host_main(const void *arg, const struct birth *birth)
{
	const struct spawn_request *request = arg;
	int null = open("/dev/null", O_RDWR);
	int fds[] = { null, birth->output, birth->output, birth->channel, request->plugin_fd,
		request->host_fd };
	child_begin(birth);
	child_fds(fds, sizeof(fds) / sizeof(fds[0]));
	fcntl(HOST_FD_EXEC, F_SETFD, FD_CLOEXEC);
	if (request->files)
		child_limit(RLIMIT_NOFILE, (rlim_t)request->files);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their shadow is data, too */
	if (request->memory_bytes)
		child_limit(RLIMIT_DATA, (rlim_t)request->memory_bytes);
#endif
	char *const argv[] = { (char *)(uintptr_t)request->program,
		(char *)(uintptr_t)request->name, NULL };
	fexecve(HOST_FD_EXEC, argv, host_environment());
}

/* No stdio: its locks may be held by a thread that is not here. */
static void complain(const char *what)
{
	const char *pieces[] = { "cannot run ", what, ": ", strerrordesc_np(errno), "\n" };
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		if (pieces[i] && write(STDERR_FILENO, pieces[i], strlen(pieces[i])) < 0)
			return;
}

static void command_main(const void *arg, const struct birth *birth)
{
	const struct spawn_command *command = arg;
	int fds[] = { open("/dev/null", O_RDWR), birth->output, birth->output };
	child_begin(birth);
	child_fds(fds, sizeof(fds) / sizeof(fds[0]));
	umask(022); /* what it makes is no secret; agentd's own mask is for its files */
	if (chdir(command->folder) < 0)
		complain(command->folder);
	else if (execvp(command->argv[0], command->argv) < 0)
		complain(command->argv[0]);
	_exit(SPAWN_EXIT_NO_COMMAND);
}

static void close_pair(int fds[2])
{
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* `child_main` returns only if it cannot exec. The fds stay the caller's. */
static int fork_process(void (*child_main)(const void *arg, const struct birth *birth),
    const void *arg, int channel[2], int output[2], struct spawned *ret)
{
	struct birth birth = { .parent = getpid(), .channel = channel[1], .output = output[1] };
	sigset_t all, before;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before); /* no handler of ours may run in the child */
	pid_t pid = fork();
	if (pid == 0) {
		child_main(arg, &birth);
		_exit(HOST_EXIT_NO_EXEC);
	}
	int error = -errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		return error;
	int pidfd = pidfd_open(pid, 0); /* cannot race: we alone reap it */
	if (pidfd < 0) {
		error = -errno;
		kill(pid, SIGKILL);
		return error;
	}
	*ret = (struct spawned){
		.pid = pid, .pidfd = pidfd, .channel_fd = channel[0], .output_fd = output[0]
	};
	return 0;
}

static int spawn(void (*child_main)(const void *arg, const struct birth *birth), const void *arg,
    bool has_channel, struct spawned *ret)
{
	int channel[2] = { -1, -1 }, output[2] = { -1, -1 }, error;
	if ((has_channel && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) < 0) ||
	    pipe2(output, O_CLOEXEC) < 0)
		goto fail;
	if ((has_channel && fcntl(channel[0], F_SETFL, O_NONBLOCK) < 0) ||
	    fcntl(output[0], F_SETFL, O_NONBLOCK) < 0)
		goto fail;
	if ((error = fork_process(child_main, arg, channel, output, ret)) < 0) {
		errno = -error;
		goto fail;
	}
	if (has_channel)
		close(channel[1]);
	close(output[1]);
	return 0;

fail:
	error = -errno;
	close_pair(channel);
	close_pair(output);
	return error;
}

int spawn_host(const struct spawn_request *request, struct spawned *ret)
{
	return spawn(host_main, request, true, ret);
}

int spawn_command(const struct spawn_command *command, struct spawned *ret)
{
	return spawn(command_main, command, false, ret);
}
