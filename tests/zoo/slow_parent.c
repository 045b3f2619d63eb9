/* Tries to take the processor from agentd, itself or with others; by setting the priorities that it has.
 * agentd must refuse all of it. */
#include "animal.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	struct report report = { 0 };
	pid_t parent = getppid();
	id_t group = (id_t)getpgid(parent);
	struct sched_param normal = { 0 };
	cpu_set_t cpus;
	sched_getaffinity(0, sizeof(cpus), &cpus);
	tried(&report, "affinity", sched_setaffinity(parent, sizeof(cpus), &cpus));
	tried(&report, "scheduler", sched_setscheduler(parent, SCHED_OTHER, &normal));
	tried(&report, "parameter", sched_setparam(parent, &normal));
	tried(&report, "nice", setpriority(PRIO_PROCESS, (id_t)parent, 0));
	tried(&report, "nice_group", setpriority(PRIO_PGRP, group, 0));
	tried(&report, "nice_user", setpriority(PRIO_USER, 0, 0));
	tried(&report, "ioprio", syscall(SYS_ioprio_set, 1, parent, 0));
	tried(&report, "ioprio_group", syscall(SYS_ioprio_set, 2, group, 0));
	return say(run, report.text);
}

ANIMAL(.open = animal_open, .run = bite);
