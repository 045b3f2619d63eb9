/*
 * spawn: the birth of a host process. The mechanism only; when to start one is child.c's business.
 *
 * The new process has /dev/null as stdin, a pipe as stdout and stderr, one end of a socketpair as
 * fd 3, the plugin as fd 4, and nothing else: no other fd, an environment of its own, default
 * signals, its own session, and it dies with agentd (PR_SET_PDEATHSIG).
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

struct spawned {
	pid_t pid;
	int pidfd;      /* readable once the process has ended */
	int channel_fd; /* non-blocking */
	int output_fd;  /* what it prints; non-blocking */
};

/* Opens a program of ours, such as agentd-host: beside this one, or where it was installed to. -errno; the
 * place that was tried last is written into `path`. */
int spawn_open(const char *program, char *path, size_t size);

/* 0 and the fds (the caller's to close), or -errno. The caller's thread must be the main one: the
 * death signal is tied to it. */
int spawn_host(const struct spawn_request *request, struct spawned *ret);

#endif
