/*
 * process: fork, and in the child, calls that are safe after fork only, until execve.
 *
 * Ends are told by one signalfd for SIGCHLD, not by a pidfd for each process: that would be one more
 * descriptor for each run (limits.files is 256), and say nothing of orphans, which a worker that lives
 * for months would pile up as zombies.
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agentd/plugin.h"
#include "environment.h"
#include "program.h"

#define END_TERM_MS  150 /* from TERM to KILL when this process ends */
#define END_KILL_MS  50  /* for the killed to be gone */
#define EXIT_NO_EXEC 127

struct process {
	struct processes *all; /* borrowed; NULL once it has ended */
	pid_t pid;             /* also the number of its group */
	/* Shared with the child until its exec, which leaves its errno here if it fails. A pipe for
	 * that would be one more descriptor for each, and to read it would mean to wait. */
	int *exec_error;
	char failure[64]; /* "": none */
	void (*ended)(void *arg);
	void *arg; /* borrowed */
	TAILQ_ENTRY(process) link;
};

struct processes {
	const struct agentd_host *host; /* borrowed */
	int signal_fd;
	struct agentd_watch *watch;
	TAILQ_HEAD(, process) running;
};

/* The end. */

static void process_describe(struct process *process, const siginfo_t *info)
{
	char *text = process->failure;
	size_t size = sizeof(process->failure);
	bool exited = info->si_code == CLD_EXITED;
	const char *signal = exited ? NULL : sigabbrev_np(info->si_status);
	if (*process->exec_error)
		snprintf(text, size, "could not be executed: %s", strerror(*process->exec_error));
	else if (signal)
		snprintf(text, size, "was killed by SIG%s", signal);
	else if (!exited) /* a real-time signal has no name */
		snprintf(text, size, "was killed by signal %d", info->si_status);
	else if (info->si_status)
		snprintf(text, size, "exited with code %d", info->si_status);
}

static struct process *processes_find(const struct processes *processes, pid_t pid)
{
	struct process *process;
	TAILQ_FOREACH (process, &processes->running, link)
		if (process->pid == pid)
			break;
	return process;
}

static void process_forget(struct process *process)
{
	TAILQ_REMOVE(&process->all->running, process, link);
	process->all = NULL;
}

/* Buries a child that is a zombie. Until it is reaped its number cannot be another's, so what it
 * leaves in its group can be killed by that number, now and never again. */
static void processes_bury(struct processes *processes, const siginfo_t *info)
{
	struct process *process = processes_find(processes, info->si_pid);
	if (process)
		process_signal(process, SIGKILL);
	waitid(P_PID, (id_t)info->si_pid, &(siginfo_t){ 0 }, WEXITED | WNOHANG);
	if (!process)
		return; /* an orphan */
	process_describe(process, info);
	process_forget(process);
	if (process->ended)
		process->ended(process->arg);
}

static void processes_reap(struct processes *processes)
{
	struct signalfd_siginfo ignored; /* one may stand for many */
	while (read(processes->signal_fd, &ignored, sizeof(ignored)) > 0)
		;
	for (;;) {
		siginfo_t info = { 0 };
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
			return;
		processes_bury(processes, &info);
	}
}

static void on_child(void *arg, uint32_t what)
{
	(void)what;
	processes_reap(arg);
}

struct processes *processes_new(const struct agentd_host *host)
{
	sigset_t child;
	struct processes *processes = calloc(1, sizeof(*processes));
	if (!processes)
		return NULL;
	TAILQ_INIT(&processes->running);
	processes->host = host;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL); /* a signalfd reads what is blocked */
	processes->signal_fd = signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
	if (processes->signal_fd >= 0)
		processes->watch = host->watch_new(host, processes->signal_fd, on_child, processes);
	if (!processes->watch || host->watch_set(processes->watch, AGENTD_READ) < 0) {
		processes_free(processes);
		return NULL;
	}
	return processes;
}

void processes_free(struct processes *processes)
{
	if (!processes)
		return;
	processes->host->watch_free(processes->watch);
	if (processes->signal_fd >= 0)
		close(processes->signal_fd);
	free(processes);
}

static void processes_signal(const struct processes *processes, int signal)
{
	const struct process *process;
	TAILQ_FOREACH (process, &processes->running, link)
		process_signal(process, signal);
}

static void processes_await(struct processes *processes, uint64_t patience_ms)
{
	const struct agentd_host *host = processes->host;
	uint64_t now = host->now_ms(host), end = now + patience_ms;
	for (; !TAILQ_EMPTY(&processes->running) && now < end; now = host->now_ms(host)) {
		struct pollfd child = { .fd = processes->signal_fd, .events = POLLIN };
		poll(&child, 1, (int)(end - now));
		processes_reap(processes);
	}
}

void processes_end(struct processes *processes)
{
	struct process *process;
	TAILQ_FOREACH (process, &processes->running, link)
		process->ended = NULL;
	processes_signal(processes, SIGTERM);
	processes_await(processes, END_TERM_MS);
	processes_signal(processes, SIGKILL);
	processes_await(processes, END_KILL_MS);
}

/* The birth. */

static void child_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;
	for (int i = 1; i < NSIG; i++)
		sigaction(i, &dfl, NULL); /* fails for KILL, STOP and libc's own: harmless */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void child_main(
    const struct process_plan *plan, pid_t parent, const int ends[3], int *ret_error)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(EXIT_NO_EXEC); /* the parent may have died before the prctl */
	setpgid(0, 0);
	child_signals();
	for (int i = 0; i < 3; i++)
		dup2(ends[i], i); /* the ends stand above: a host's own 0, 1 and 2 are open */
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	execve(plan->program->path, plan->program->argv, environment_list(plan->environment));
	*ret_error = errno;
	_exit(EXIT_NO_EXEC);
}

/* Forks. No handler of this process may run in the child: libevent's would tell the parent's loop of
 * the child's signals. */
static pid_t process_fork(const struct process_plan *plan, const int ends[3], int *exec_error)
{
	sigset_t all, before;
	pid_t parent = getpid();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	if (pid == 0)
		child_main(plan, parent, ends, exec_error);
	int error = -errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid > 0)
		setpgid(pid, pid); /* here, too: a signal to the group may come at once */
	return pid > 0 ? pid : error;
}

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Three pipes: the child's ends, and ours in the same order. */
static int pipes_open(int ret_theirs[3], int ret_ours[3])
{
	int fds[6] = { -1, -1, -1, -1, -1, -1 };
	for (int i = 0; i < 3; i++) {
		if (pipe2(fds + 2 * i, O_CLOEXEC) < 0 ||
		    fcntl(fds[2 * i + (i == 0)], F_SETFL, O_NONBLOCK) < 0) {
			int error = -errno;
			close_all(fds, 6);
			return error;
		}
	}
	for (int i = 0; i < 3; i++) {
		ret_ours[i] = fds[2 * i + (i == 0)]; /* of the first pipe we write */
		ret_theirs[i] = fds[2 * i + (i != 0)];
	}
	return 0;
}

/* A process that is still to be born. */
static struct process *process_new(void)
{
	struct process *process = calloc(1, sizeof(*process));
	if (!process)
		return NULL;
	process->exec_error = mmap(NULL, sizeof(*process->exec_error), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (process->exec_error == MAP_FAILED) {
		free(process);
		return NULL;
	}
	return process;
}

int process_start(struct processes *processes, const struct process_plan *plan,
    struct process **ret, struct process_pipes *ret_pipes)
{
	int theirs[3] = { -1, -1, -1 }, ours[3] = { -1, -1, -1 };
	struct process *process = process_new();
	int error = process ? pipes_open(theirs, ours) : -ENOMEM;
	if (error < 0) {
		process_free(process);
		return error;
	}
	pid_t pid = process_fork(plan, theirs, process->exec_error);
	close_all(theirs, 3);
	if (pid < 0) {
		close_all(ours, 3);
		process_free(process);
		return pid;
	}
	process->pid = pid;
	process->ended = plan->ended;
	process->arg = plan->arg;
	process->all = processes;
	TAILQ_INSERT_TAIL(&processes->running, process, link);
	*ret = process;
	*ret_pipes = (struct process_pipes){ .in = ours[0], .out = ours[1], .err = ours[2] };
	return 0;
}

void process_free(struct process *process)
{
	if (!process)
		return;
	if (process->all) {
		process_signal(process, SIGKILL);
		process_forget(process); /* reaped as an orphan is */
	}
	munmap(process->exec_error, sizeof(*process->exec_error));
	free(process);
}

void process_signal(const struct process *process, int signal)
{
	if (!process->all)
		return;
	kill(-process->pid, signal);
	if (signal == SIGKILL)
		kill(process->pid, signal); /* it may have left its group */
}

bool process_has_ended(const struct process *process)
{
	return !process->all;
}

int process_exec_error(const struct process *process)
{
	return *process->exec_error;
}

const char *process_failure(const struct process *process)
{
	return process->failure[0] ? process->failure : NULL;
}
