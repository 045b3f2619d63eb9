/*
 * upgrade: what agentd needs to become its next version in place: how it was started, the sockets that go along,
 * a check of the program that is there now, and the exec.
 *
 * It does not stop anything: daemon.c drains as it does for SIGTERM, and main.c executes when all is freed.
 */
#ifndef AGENTD_UPGRADE_H
#define AGENTD_UPGRADE_H

#include <stdbool.h>

#include "daemon/conf/schema.h"

struct event_base;
struct sockets;
struct upgrade;

/* Remembers the command line, the environment and the program's path, and receives the sockets that were handed
 * over. First of all in main: it unsets variables, and sockets may lie at any fd. 0 or -errno. */
int upgrade_new(char **argv, struct upgrade **ret);
void upgrade_free(struct upgrade *upgrade);

/* The addresses of those that systemd handed over, also to the agentd before this one; as long as the upgrade. */
const struct schema_list *upgrade_handed(const struct upgrade *upgrade);
/* Those that were handed to this process, and are not taken yet; once an upgrade is due, all for the next. */
struct sockets *upgrade_sockets(struct upgrade *upgrade);
/* What is executed. */
const char *upgrade_path(const struct upgrade *upgrade);

/* Runs the program with -t beside this one. `done` is called once, maybe before this returns: NULL, or why it cannot
 * take over, borrowed for the call. */
void upgrade_check(struct upgrade *upgrade, struct event_base *base,
    void (*done)(void *arg, const char *error), void *arg);
bool upgrade_is_checking(const struct upgrade *upgrade);
void upgrade_stop_check(struct upgrade *upgrade);

/* From now on the process ends with the exec; or not, and then the sockets are closed. */
void upgrade_set_due(struct upgrade *upgrade, bool due);
bool upgrade_is_due(const struct upgrade *upgrade);

/* SIGHUP, SIGUSR1 and SIGUSR2 would end a process that is between its handlers and those of the next: until these
 * are there, they wait. */
void upgrade_hold_signals(bool hold);

/* Becomes the program; if that fails, this one again, so that somebody serves. Returns only if that fails, too: the
 * exit code. */
int upgrade_exec(struct upgrade *upgrade);

#endif
