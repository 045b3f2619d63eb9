/* command: posix_spawn, which says why a file cannot be executed, a pipe, and a pidfd. It has no death signal to
 * give: if agentd is killed, a command goes on. */
#include "daemon/proc/command.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/proc/exit.h"
#include "daemon/proc/orphan.h"
#include "daemon/proc/output.h"

struct command {
	struct command_setup setup;
	pid_t pid; /* 0: there is none */
	int pidfd;
	struct output *output;
	struct event *ended, *patience;
	char error[64]; /* why it was killed */
	struct own_process own;
};

static void command_end(struct command *command, siginfo_t *ret_info)
{
	if (!command->pid)
		return;
	/* It is not reaped yet, so its number is its own, and its group's. */
	kill(-command->pid, SIGKILL);
	waitid(P_PID, (id_t)command->pid, ret_info, WEXITED);
	own_process_drop(&command->own);
	orphans_end(
	    ORPHANS_SOON_MS, &(unsigned){ 0 }); /* what its group had, and what has left that */
	command->pid = 0;
}

void command_stop(struct command *command)
{
	if (!command)
		return;
	command_end(command, &(siginfo_t){ 0 });
	if (command->ended)
		event_free(command->ended);
	if (command->patience)
		event_free(command->patience);
	if (command->pidfd >= 0)
		close(command->pidfd);
	output_free(command->output);
	free(command);
}

static void command_on_ended(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct command *command = arg;
	siginfo_t info = { 0 };
	command_end(command, &info);
	output_finish(command->output);
	struct child_exit exit = { .signal = info.si_code == CLD_EXITED ? 0 : info.si_status,
		.code = info.si_code == CLD_EXITED ? info.si_status : 0 };
	exit_describe(
	    &exit, command->error, command->setup.keep ? "" : output_last_line(command->output));
	struct command_end end = { .is_late = command->error[0] };
	if (end.is_late || exit.signal || exit.code)
		end.error = exit.whole;
	end.output = output_kept(command->output, &end.output_length);
	command->setup.done(command->setup.arg, &end);
	command_stop(command);
}

static void command_on_patience(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct command *command = arg;
	snprintf(command->error, sizeof(command->error), "did not end within %.3g s",
	    (double)command->setup.patience_ms / 1000);
	kill(-command->pid, SIGKILL);
}

/* 0 or -errno. Descriptors of ours are close-on-exec; what is not is closed here. */
static int spawn(const struct command_setup *setup, int output, pid_t *ret_pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	int error = posix_spawn_file_actions_init(&files);
	if (error)
		return -error;
	if ((error = posix_spawnattr_init(&attributes))) {
		posix_spawn_file_actions_destroy(&files);
		return -error;
	}
	posix_spawnattr_setflags(
	    &attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	if ((error = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)) == 0 &&
	    (error = posix_spawn_file_actions_adddup2(&files, output, 1)) == 0 &&
	    (error = posix_spawn_file_actions_adddup2(&files, output, 2)) == 0 &&
	    (error = posix_spawn_file_actions_addclosefrom_np(&files, 3)) == 0 &&
	    (!setup->folder ||
		(error = posix_spawn_file_actions_addchdir_np(&files, setup->folder)) == 0)) {
		unshare(CLONE_FS); /* the mask of other threads stays, for agentd's own files */
		mode_t before = umask(022);
		error =
		    posix_spawnp(ret_pid, setup->path, &files, &attributes, setup->argv, environ);
		umask(before);
	}
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return -error;
}

/* The process, and its output; what is not there afterwards is NULL or -1. */
static int command_spawn(struct command *command, struct event_base *base)
{
	int output[2];
	if (pipe2(output, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	fcntl(output[1], F_SETFL, 0); /* who writes to it does wait */
	int error = spawn(&command->setup, output[1], &command->pid);
	close(output[1]);
	if (error < 0) {
		command->pid = 0;
		close(output[0]);
		return error;
	}
	own_process_add(&command->own, command->pid);
	command->pidfd = pidfd_open(command->pid, 0); /* cannot race: we alone reap it */
	command->output = output_new(base, output[0], command->setup.label);
	if (command->output)
		output_keep(command->output, command->setup.keep);
	return command->pidfd < 0 ? -errno : command->output ? 0 : -ENOMEM;
}

int command_start(struct event_base *base, const struct command_setup *setup, struct command **ret)
{
	struct timeval patience = { .tv_sec = setup->patience_ms / 1000,
		.tv_usec = setup->patience_ms % 1000 * 1000 };
	struct command *command = calloc(1, sizeof(*command));
	if (!command)
		return -ENOMEM;
	command->setup = *setup;
	command->pidfd = -1;
	int error = command_spawn(command, base);
	command->setup.path = NULL;
	command->setup.argv = NULL;
	command->setup.folder = NULL;
	if (error == 0) {
		command->ended =
		    event_new(base, command->pidfd, EV_READ, command_on_ended, command);
		command->patience = event_new(base, -1, 0, command_on_patience, command);
		if (!command->ended || !command->patience || event_add(command->ended, NULL) < 0 ||
		    event_add(command->patience, &patience) < 0)
			error = -ENOMEM;
	}
	if (error < 0) {
		command_stop(command);
		return error;
	}
	*ret = command;
	return 0;
}
