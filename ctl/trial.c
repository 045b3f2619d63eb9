/* trial: start, wait until it serves, stop, tidy up. */
#include "ctl/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl/interrupt.h"
#include "ctl/program.h"
#include "ctl/say.h"
#include "ctl/trial_log.h"
#include "daemon/base/id.h"

#define READY_MS    40000 /* agentd's own supervision.ready is 30 s */
#define STOP_MS     40000 /* and its drain too */
#define STEP_MS     20
#define SOCKET_MAX  108 /* sockaddr_un.sun_path */
#define SOCKET_NAME "/http.sock"

struct trial {
	char folder[SOCKET_MAX], socket[SOCKET_MAX + 16];
	char *plugin, *agentd;
	pid_t pid; /* 0: not running */
	struct trial_log *log;
	struct client *client;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

/* Whether it has ended by now. */
static bool has_ended(struct trial *trial)
{
	if (trial->pid && waitpid(trial->pid, NULL, WNOHANG) == trial->pid)
		trial->pid = 0;
	return trial->pid == 0;
}

static void end_process(struct trial *trial)
{
	uint64_t end = clock_monotonic_ms() + STOP_MS;
	if (!trial->pid)
		return;
	kill(trial->pid, SIGTERM);
	while (!has_ended(trial) && clock_monotonic_ms() < end)
		poll(NULL, 0, STEP_MS);
	if (!trial->pid)
		return;
	kill(trial->pid, SIGKILL);
	waitpid(trial->pid, NULL, 0);
	trial->pid = 0;
}

static void trial_free(struct trial *trial, bool show)
{
	end_process(trial);
	trial_log_free(trial->log, show);
	client_free(trial->client);
	if (trial->folder[0])
		nftw(trial->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(trial->plugin);
	free(trial->agentd);
	free(trial);
}

/* In the child. Its group is its own, so that Ctrl-C on our terminal is not for it; if we are killed it is
 * told to end. */
static _Noreturn void become_agentd(const struct trial *trial, int log_fd, pid_t parent)
{
	char listen[SOCKET_MAX + 32];
	snprintf(listen, sizeof(listen), "unix:%s", trial->socket);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EX_OSERR);
	int null = open("/dev/null", O_RDWR);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(log_fd, STDERR_FILENO);
	setenv("XDG_STATE_HOME", trial->folder, 1);    /* its store */
	setenv("RUNTIME_DIRECTORY", trial->folder, 1); /* not the control socket of another one */
	unsetenv("STATE_DIRECTORY");
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("JOURNAL_STREAM");
	execl(trial->agentd, "agentd", "--listen", listen, trial->plugin, (char *)NULL);
	dprintf(STDERR_FILENO, "cannot start %s: %s\n", trial->agentd, strerror(errno));
	_exit(EX_OSERR);
}

static int start_process(struct trial *trial)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return say_error(EX_OSERR, "no pipe: %s", strerror(errno));
	pid_t parent = getpid();
	trial->pid = fork();
	if (trial->pid == 0)
		become_agentd(trial, fds[1], parent);
	int error = errno;
	close(fds[1]);
	if (trial->pid < 0) {
		trial->pid = 0;
		close(fds[0]);
		return say_error(EX_OSERR, "cannot fork: %s", strerror(error));
	}
	trial->log = trial_log_new(fds[0]);
	return 0;
}

/* Its agent's state and why it is in it; false as long as nothing is known. */
static bool ask_state(struct trial *trial, char state[32], char reason[256])
{
	struct reply reply;
	if (client_exchange(trial->client, "GET", "/agents", NULL, &reply) < 0)
		return false;
	const json_t *agent = json_array_get(json_object_get(reply.json, "agents"), 0);
	const char *word = json_string_value(json_object_get(agent, "state"));
	const char *why =
	    json_string_value(json_object_get(json_object_get(agent, "last_exit"), "reason"));
	snprintf(state, 32, "%s", word ? word : "");
	snprintf(reason, 256, "%s", why ? why : "it does not say why");
	reply_done(&reply);
	return word != NULL;
}

/* Agentd has ended at once. Only an agent can be talked with; what else is wrong it has said itself. */
static int say_not_taken(const struct trial *trial)
{
	static const struct {
		const char *line, *a_word, *section, *why;
	} others[] = {
		{ "\nkind: interface", "an interface", "interfaces", "it speaks with a platform" },
		{ "\nkind: hook", "a hook", "hooks", "it looks at what goes through an interface" },
	};
	struct buf out = { 0 }, err = { 0 };
	char *argv[] = { trial->agentd, (char[]){ "--probe" }, trial->plugin, NULL };
	int code = program_run(argv, &out, &err);
	buf_add(&out, "", 1);
	for (size_t i = 0; code == 0 && i < sizeof(others) / sizeof(others[0]); i++)
		if (strstr(out.data, others[i].line))
			code = say_error(EXIT_REFUSED,
			    "%s is %s, which cannot be tried alone: %s; name it in the section %s of "
			    "an agent.conf and start that with agentd -c (agentctl new interface "
			    "writes one; agentd --probe shows its options)",
			    trial->plugin, others[i].a_word, others[i].why, others[i].section);
	if (code == 0 &&
	    (strstr(out.data, ", required\n") || strstr(out.data, ", required, from ")))
		code = say_error(EXIT_REFUSED,
		    "%s needs options, and there is no config here to give them: name it in the section "
		    "agents of an agent.conf and start that with agentd -c",
		    trial->plugin);
	buf_done(&out);
	buf_done(&err);
	if (code != EXIT_REFUSED)
		say_error(EXIT_REFUSED, "agentd does not take this plugin");
	return EXIT_REFUSED;
}

static int wait_ready(struct trial *trial)
{
	uint64_t end = clock_monotonic_ms() + READY_MS;
	char state[32] = "", reason[256];
	while (clock_monotonic_ms() < end) {
		struct pollfd interrupt = { .fd = interrupt_fd(), .events = POLLIN };
		if (has_ended(trial))
			return say_not_taken(trial);
		if (access(trial->socket, F_OK) == 0 && ask_state(trial, state, reason)) {
			if (strcmp(state, "ready") == 0)
				return 0;
			if (strcmp(state, "starting") != 0 && strcmp(state, "down") != 0)
				return say_error(
				    EXIT_REFUSED, "the plugin does not start: %s", reason);
		}
		poll(&interrupt, 1, STEP_MS);
		if (interrupt_take())
			return say_error(EXIT_INTERRUPTED, "interrupted");
	}
	return say_error(EXIT_REFUSED, "the plugin is not ready after %d s", READY_MS / 1000);
}

/* A path of its own, since a bare name is one of a plugin that came with agentd. */
static char *whole_path(const char *plugin)
{
	char *path = realpath(plugin, NULL);
	return path ? path : strdup(plugin);
}

static int prepare(struct trial *trial, const char *plugin)
{
	const char *folder = getenv("TMPDIR");
	char template[] = "/agentctl-XXXXXX";
	if (strchr(plugin, '/') && access(plugin, R_OK) < 0)
		return say_error(EX_NOINPUT, "cannot read %s: %s", plugin, strerror(errno));
	trial->plugin = whole_path(plugin);
	trial->agentd = program_find_agentd();
	if (!trial->agentd)
		return say_error(
		    EX_UNAVAILABLE, "there is no agentd beside agentctl, nor in $PATH");
	bool fits = folder && folder[0] == '/' &&
		    strlen(folder) + sizeof(template) + sizeof(SOCKET_NAME) <= SOCKET_MAX;
	snprintf(trial->folder, sizeof(trial->folder), "%s%s", fits ? folder : "/tmp", template);
	if (!mkdtemp(trial->folder)) {
		int error = errno;
		char wanted[sizeof(trial->folder)];
		memcpy(wanted, trial->folder, sizeof(wanted));
		trial->folder[0] = '\0';
		return say_error(
		    EX_CANTCREAT, "cannot make the folder %s: %s", wanted, strerror(error));
	}
	snprintf(trial->socket, sizeof(trial->socket), "%s" SOCKET_NAME, trial->folder);
	return client_new(&(struct client_where){ .socket = trial->socket }, &trial->client);
}

int trial_start(const char *plugin, struct trial **ret_trial)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	if (!trial)
		abort();
	int code = prepare(trial, plugin);
	if (code == 0)
		code = start_process(trial);
	if (code == 0)
		code = wait_ready(trial);
	if (code)
		trial_free(trial, code != EXIT_INTERRUPTED);
	else
		*ret_trial = trial;
	return code;
}

struct client *trial_client(const struct trial *trial)
{
	return trial->client;
}

void trial_stop(struct trial *trial)
{
	trial_free(trial, false);
}
