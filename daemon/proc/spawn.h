/*
 * spawn: the birth of a process. The mechanism only; when to start one is child.c's business, or build.c's.
 *
 * A host has /dev/null as stdin, a pipe as stdout and stderr, one end of a socketpair as
 * fd 3, the plugin as fd 4, and nothing else: no other fd, an environment of its own, default
 * signals, its own session, and it dies with agentd (PR_SET_PDEATHSIG). A command of the config is not one of
 * ours: it has fds 0 to 2 only, agentd's environment, a folder, and else the same.
 */
#ifndef AGENTD_PROC_SPAWN_H
#define AGENTD_PROC_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

struct spawn_request {
	const char *program;  /* as ps shows it, before the name */
	const char *name;     /* NULL: none */
	int host_fd;          /* the program, from spawn_open */
	int plugin_fd;        /* handed over as fd 4 */
	int64_t memory_bytes; /* RLIMIT_DATA; 0: no limit */
	int64_t files;        /* RLIMIT_NOFILE; 0: as it is */
};

struct spawn_command {
	char *const *argv; /* NULL at its end; the first is looked for in $PATH */
	const char *folder;
};

struct spawned {
	pid_t pid;
	int pidfd;      /* readable once the process has ended */
	int channel_fd; /* non-blocking; of a command, -1 */
	int output_fd;  /* what it prints; non-blocking */
};

/* Opens a program of ours, such as agentd-host: beside this one, or where it was installed to. -errno; the
 * place that was tried last is written into `path`. */
int spawn_open(const char *program, char *path, size_t size);

/* 0 and the fds (the caller's to close), or -errno. The caller's thread must be the main one: the
 * death signal is tied to it. */
int spawn_host(const struct spawn_request *request, struct spawned *ret);
/* The same. A command that cannot be run says so on its output, and exits with SPAWN_EXIT_NO_COMMAND. */
int spawn_command(const struct spawn_command *command, struct spawned *ret);

#define SPAWN_EXIT_NO_COMMAND 127 /* as a shell's */

#endif
