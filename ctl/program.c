/* program: pipes, and poll until both are closed. */
#include "ctl/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX (4u << 20)

static char *in_folder(const char *folder, size_t n)
{
	struct buf path = { 0 };
	buf_addf(&path, "%.*s/agentd", n ? (int)n : 1, n ? folder : ".");
	char *file = buf_take(&path);
	if (file && access(file, X_OK) == 0)
		return file;
	free(file);
	return NULL;
}

char *program_find_agentd(void)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self));
	const char *slash = n > 0 ? memrchr(self, '/', (size_t)n) : NULL;
	char *found = slash ? in_folder(self, (size_t)(slash - self)) : NULL;
	for (const char *at = getenv("PATH"); at && !found;) {
		size_t length = strcspn(at, ":");
		found = in_folder(at, length);
		at = at[length] ? at + length + 1 : NULL;
	}
	return found;
}

static void read_both(const int fds[2], struct buf *out, struct buf *err)
{
	struct buf *into[] = { out, err };
	struct pollfd polled[] = { { fds[0], POLLIN, 0 }, { fds[1], POLLIN, 0 } };
	while (polled[0].fd >= 0 || polled[1].fd >= 0) {
		if (poll(polled, 2, -1) < 0 && errno != EINTR)
			return;
		for (size_t i = 0; i < 2; i++) {
			char bytes[4096];
			if (polled[i].fd < 0 || !polled[i].revents)
				continue;
			ssize_t n = read(polled[i].fd, bytes, sizeof(bytes));
			if (n > 0 && into[i]->length < OUTPUT_MAX)
				buf_add(into[i], bytes, (size_t)n);
			if (n <= 0)
				polled[i].fd = -1;
		}
	}
}

int program_run(char *const *argv, struct buf *out, struct buf *err)
{
	int to_us[2][2] = { { -1, -1 }, { -1, -1 } }, status = 0, error = 0;
	pid_t pid = -1;
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	if (pipe2(to_us[0], O_CLOEXEC) < 0 || pipe2(to_us[1], O_CLOEXEC) < 0) {
		error = errno;
	} else {
		posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
		posix_spawn_file_actions_adddup2(&actions, to_us[0][1], 1);
		posix_spawn_file_actions_adddup2(&actions, to_us[1][1], 2);
		error = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
	}
	posix_spawn_file_actions_destroy(&actions);
	for (size_t i = 0; i < 2; i++)
		if (to_us[i][1] >= 0)
			close(to_us[i][1]);
	if (error == 0) {
		read_both((int[]){ to_us[0][0], to_us[1][0] }, out, err);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	for (size_t i = 0; i < 2; i++)
		if (to_us[i][0] >= 0)
			close(to_us[i][0]);
	if (error)
		return -error;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
