/* Tries on each thread of agentd what kill_parent and slow_parent try on its process: to the kernel each of
 * them is as good a name for it. With what would do nothing. agentd must refuse all of it. */
#include "animal.h"

#include <dirent.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static cpu_set_t cpus;
static struct sched_param normal;
static siginfo_t info = { .si_code = SI_QUEUE };
static struct rlimit files; /* of this process; agentd has more */

static long by_kill(pid_t id)
{
	return kill(id, 0);
}

static long by_tkill(pid_t id)
{
	return syscall(SYS_tkill, id, 0);
}

static long by_tgkill(pid_t id)
{
	return syscall(SYS_tgkill, getppid(), id, 0);
}

static long by_sigqueue(pid_t id)
{
	return syscall(SYS_rt_sigqueueinfo, id, 0, &info);
}

static long by_tgsigqueue(pid_t id)
{
	return syscall(SYS_rt_tgsigqueueinfo, getppid(), id, 0, &info);
}

static long by_limit(pid_t id)
{
	struct rlimit same = { 0 };
	getrlimit(RLIMIT_FSIZE, &same);
	return syscall(SYS_prlimit64, id, RLIMIT_FSIZE, &same, NULL);
}

static long by_look(pid_t id)
{
	return syscall(SYS_prlimit64, id, RLIMIT_NOFILE, NULL, &files);
}

static long by_affinity(pid_t id)
{
	return sched_setaffinity(id, sizeof(cpus), &cpus);
}

static long by_scheduler(pid_t id)
{
	return sched_setscheduler(id, SCHED_OTHER, &normal);
}

static long by_parameter(pid_t id)
{
	return sched_setparam(id, &normal);
}

static long by_nice(pid_t id)
{
	return setpriority(PRIO_PROCESS, (id_t)id, 0);
}

static long by_ioprio(pid_t id)
{
	return syscall(SYS_ioprio_set, 1, id, 0);
}

static const struct {
	const char *name;
	long (*reach)(pid_t id);
} ways[] = {
	{ "kill", by_kill },
	{ "tkill", by_tkill },
	{ "tgkill", by_tgkill },
	{ "sigqueue", by_sigqueue },
	{ "tgsigqueue", by_tgsigqueue },
	{ "limit", by_limit },
	{ "look", by_look },
	{ "affinity", by_affinity },
	{ "scheduler", by_scheduler },
	{ "parameter", by_parameter },
	{ "nice", by_nice },
	{ "ioprio", by_ioprio },
};

/* Of all but the first, which has the name of the process; at most `most` of them. */
static size_t find_threads(pid_t *ids, size_t most)
{
	char path[64];
	size_t count = 0;
	const struct dirent *entry;
	snprintf(path, sizeof(path), "/proc/%d/task", getppid());
	DIR *folder = opendir(path);
	while (folder && count < most && (entry = readdir(folder))) {
		pid_t id = (pid_t)strtol(entry->d_name, NULL, 10);
		if (id > 0 && id != getppid())
			ids[count++] = id;
	}
	if (folder)
		closedir(folder);
	return count;
}

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	struct report report = { 0 };
	pid_t ids[16];
	size_t count = find_threads(ids, sizeof(ids) / sizeof(ids[0]));
	if (count < 3) /* writer, reader, and keeper of the store */
		return -ENOENT;
	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
		long best = -1;
		for (size_t i = 0; i < count && best < 0; i++)
			best = ways[way].reach(ids[i]);
		tried(&report, ways[way].name, best);
	}
	return say(run, report.text);
}

ANIMAL(.open = animal_open, .run = bite);
