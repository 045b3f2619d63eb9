/* Does with itself, its threads and its children what others may not do with agentd. agentd must let it. */
#include "animal.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	struct report report = { 0 };
	struct rlimit limit;
	struct sched_param normal = { 0 };
	cpu_set_t cpus;
	pid_t child = fork();
	if (child == 0)
		hang();
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur -= 1;
	tried(&report, "setrlimit", setrlimit(RLIMIT_NOFILE, &limit));
	tried(&report, "prlimit", prlimit(0, RLIMIT_NOFILE, &limit, NULL));
	tried(&report, "look", prlimit(getpid(), RLIMIT_NOFILE, NULL, &limit));
	tried(&report, "look_at_child", prlimit(child, RLIMIT_NOFILE, NULL, &limit));
	tried(&report, "nice", nice(1));
	tried(&report, "nice_thread", setpriority(PRIO_PROCESS, (id_t)gettid(), 2));
	tried(&report, "nice_child", setpriority(PRIO_PROCESS, (id_t)child, 2));
	tried(&report, "ioprio", syscall(SYS_ioprio_set, 1, child, 0));
	sched_getaffinity(0, sizeof(cpus), &cpus);
	tried(&report, "affinity", -pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus));
	tried(&report, "scheduler", sched_setscheduler(child, SCHED_BATCH, &normal));
	tried(&report, "tkill", syscall(SYS_tkill, gettid(), 0));
	tried(&report, "sigqueue", sigqueue(child, 0, (union sigval){ 0 }));
	tried(&report, "kill", kill(child, SIGKILL));
	tried(&report, "wait", waitpid(child, NULL, 0));
	return say(run, report.text);
}

ANIMAL(.open = animal_open, .run = bite);
