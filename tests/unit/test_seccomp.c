/* What the filter of system calls alone refuses, without Landlock: to a process, each thread of the one that is
 * guarded is out of reach. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/sandbox.h"

/* Calls that could do nothing but harmless things: signal 0, the priority and the limit that there are. */
enum way { KILL, TKILL, SIGQUEUE, NICE, LOOK, LIMIT };

static long reach(enum way way, uint64_t id)
{
	siginfo_t info = { .si_code = SI_QUEUE };
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	switch (way) {
	case KILL:
		return syscall(SYS_kill, id, 0);
	case TKILL:
		return syscall(SYS_tkill, id, 0);
	case SIGQUEUE:
		return syscall(SYS_rt_sigqueueinfo, id, 0, &info);
	case NICE:
		return syscall(SYS_setpriority, PRIO_PROCESS, id, 0);
	case LOOK:
		return syscall(SYS_prlimit64, id, RLIMIT_FSIZE, NULL, &limit);
	case LIMIT:
		return syscall(SYS_prlimit64, id, RLIMIT_FSIZE, &limit, NULL);
	}
	return 0;
}

static void *linger(void *arg)
{
	int *fds = arg;
	pid_t id = gettid();
	char byte;
	(void)!write(fds[1], &id, sizeof(id));
	(void)!read(fds[2], &byte, 1); /* until there is nobody to write */
	return NULL;
}

static bool is_refused(enum way way, uint64_t id)
{
	return reach(way, id) < 0 && errno == EPERM;
}

/* 0, or which of the promises is broken. */
static int confined(const struct sandbox *sandbox, pid_t other)
{
	const uint64_t threads[] = { (uint64_t)sandbox->daemon, (uint64_t)sandbox->threads[0] };
	const uint64_t junk = UINT64_C(0xabcd) << 32; /* the kernel looks at the lower half only */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || sandbox_filter_calls(sandbox) < 0)
		return 1;
	for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++)
		for (enum way way = KILL; way <= LIMIT; way++)
			if (!is_refused(way, threads[i]) || !is_refused(way, threads[i] | junk))
				return 10 + (int)way;
	if (!is_refused(LIMIT, (uint64_t)other))
		return 2;
	for (enum way way = KILL; way < LIMIT; way++)
		if (reach(way, (uint64_t)other) < 0 || reach(way, (uint64_t)getpid()) < 0)
			return 30 + (int)way;
	return reach(LIMIT, 0) < 0 ? 3 : 0;
}

static void each_thread_is_guarded(void **state)
{
	(void)state;
	int up[2], down[2], status = 0;
	pthread_t thread;
	pid_t id = 0;
	assert_int_equal(pipe(up) | pipe(down), 0);
	int fds[] = { up[0], up[1], down[0], down[1] };
	assert_int_equal(pthread_create(&thread, NULL, linger, fds), 0);
	assert_int_equal(read(up[0], &id, sizeof(id)), sizeof(id));
	pid_t other = fork();
	if (other == 0)
		for (;;)
			pause();
	struct sandbox sandbox = { .daemon = getpid(), .threads = &id, .thread_count = 1 };
	pid_t child = fork();
	if (child == 0) {
		setsid(); /* as hosts are: the guarded group is not its own */
		_exit(confined(&sandbox, other));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	close(down[1]);
	pthread_join(thread, NULL);
	close(up[0]);
	close(up[1]);
	close(down[0]);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_thread_is_guarded) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
