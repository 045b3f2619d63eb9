/* process: a pidfd, so that a number that is another's by now is never signalled; a channel, and a pipe. */
#include "daemon/proc/process.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/proc/orphan.h"
#include "daemon/proc/output.h"
#include "daemon/proc/spawn.h"

struct process {
	pid_t pid;
	int pidfd; /* -1: it has ended */
	struct own_process own;
	struct event *ended;
	struct channel *channel;
	struct output *output;
	void (*on_ended)(void *arg, int signal, int code);
	void *arg;
};

static void process_on_ended(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct process *process = arg;
	siginfo_t info = { 0 };
	if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
		return;
	/* All that it said lies in the socket. Its end may never come: a process that it has left
	 * behind may hold it too. */
	if (process->channel)
		channel_read_rest(process->channel);
	process_close(process);
	/* It is a zombie still, so its number cannot be another's yet: end what it leaves in its
	 * process group, then let it go. */
	kill(-process->pid, SIGKILL);
	waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG);
	event_free(process->ended);
	process->ended = NULL;
	close(process->pidfd);
	process->pidfd = -1;
	output_finish(process->output);
	bool exited = info.si_code == CLD_EXITED;
	process->on_ended(process->arg, exited ? 0 : info.si_status, exited ? info.si_status : 0);
}

int process_start(struct event_base *base, const struct process_setup *setup, struct process **ret)
{
	struct spawned spawned;
	struct process *process = calloc(1, sizeof(*process));
	int error = process ? spawn_host(setup->request, &spawned) : -ENOMEM;
	if (error < 0) {
		free(process);
		return error;
	}
	process->pid = spawned.pid;
	process->pidfd = spawned.pidfd;
	process->on_ended = setup->ended;
	process->arg = setup->arg;
	own_process_add(&process->own, spawned.pid);
	process->channel = channel_new(base, spawned.channel_fd, setup->ops, setup->arg);
	process->output = output_new(base, spawned.output_fd, setup->label);
	process->ended =
	    event_new(base, process->pidfd, EV_READ | EV_PERSIST, process_on_ended, process);
	if (!process->channel || !process->output || !process->ended ||
	    event_add(process->ended, NULL) < 0) {
		process_free(process);
		return -ENOMEM;
	}
	*ret = process;
	return 0;
}

void process_free(struct process *process)
{
	if (!process)
		return;
	if (process->pidfd >= 0) {
		pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
		kill(-process->pid, SIGKILL);
		waitid(P_PIDFD, (id_t)process->pidfd, &(siginfo_t){ 0 }, WEXITED);
		close(process->pidfd);
	}
	if (process->ended)
		event_free(process->ended);
	process_close(process);
	output_free(process->output);
	own_process_drop(&process->own);
	free(process);
}

struct channel *process_channel(const struct process *process)
{
	return process->channel;
}

void process_close(struct process *process)
{
	channel_free(process->channel);
	process->channel = NULL;
}

struct output *process_output(const struct process *process)
{
	return process->output;
}

pid_t process_pid(const struct process *process)
{
	return process->pid;
}

void process_signal(const struct process *process, int signal)
{
	if (process->pidfd >= 0)
		pidfd_send_signal(process->pidfd, signal, NULL, 0);
}
