/*
 * process: birth and end of the programs that this plugin starts.
 *
 * Each is the leader of a process group of its own, has three pipes to us and no other descriptor,
 * and is killed by the kernel if this process dies. When it ends, what is left of its group is
 * killed. All children of this process are reaped here, also those that nobody asked for: the host
 * is a subreaper, so whatever a program leaves behind becomes ours.
 *
 * All of it belongs to the loop thread, and nothing waits, but for processes_end.
 */
#ifndef EXEC_PROCESS_H
#define EXEC_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

struct agentd_host;
struct environment;
struct process;
struct processes; /* all that were started */
struct program;

struct process_plan {
	const struct program *program;         /* borrowed for the call */
	const struct environment *environment; /* borrowed for the call */
	/* The program has ended, and its group with it. May free the process. */
	void (*ended)(void *arg);
	void *arg;
};

/* Our ends, non-blocking; they belong to who gets them. */
struct process_pipes {
	int in, out, err;
};

/* NULL: memory or descriptors are out. */
struct processes *processes_new(const struct agentd_host *host);
/* For the end of this process: asks all programs to end, and kills those that still run after a
 * moment. Their `ended` is not called. Waits up to 200 ms. */
void processes_end(struct processes *processes);
/* After all of its processes. */
void processes_free(struct processes *processes);

/* Starts a program. An exec that fails is seen as its end. */
int process_start(struct processes *processes, const struct process_plan *plan,
    struct process **ret, struct process_pipes *ret_pipes);
/* Kills it, if it still runs. */
void process_free(struct process *process);

/* Sends a signal to the whole group. Nothing happens after its end. */
void process_signal(const struct process *process, int signal);
bool process_has_ended(const struct process *process);
/* The errno of its exec; 0: it was executed. */
int process_exec_error(const struct process *process);
/* How it ended: NULL if well, with code 0, else a phrase, which lives as long as the process:
 * "exited with code 3". */
const char *process_failure(const struct process *process);

#endif
