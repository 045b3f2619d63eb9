/*
 * clock: a wall clock that tests can set. Loaded before the C library (LD_PRELOAD).
 *
 * AGENTD_TEST_CLOCK names a file with an int64: milliseconds by which CLOCK_REALTIME is ahead. When
 * it is written, timers that want to know are cancelled, as the kernel does when its clock is set.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS        1000000000ll
#define FDS_MAX   1024
#define CANCEL_ON (TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)

static const volatile int64_t *offset_ms;
static int change_fd;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool wants[FDS_MAX], cancelled[FDS_MAX];

static struct timespec add(struct timespec time, int64_t ms)
{
	int64_t ns = time.tv_sec * NS + time.tv_nsec + ms * 1000000;
	ns = ns > 0 ? ns : 1; /* 0 would be no timer */
	return (struct timespec){ ns / NS, ns % NS };
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int error = (int)syscall(SYS_clock_gettime, clock, now);
	if (error == 0 && clock == CLOCK_REALTIME && offset_ms)
		*now = add(*now, *offset_ms);
	return error;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *given, struct itimerspec *before)
{
	struct itimerspec when = *given;
	bool is_armed = when.it_value.tv_sec || when.it_value.tv_nsec;
	pthread_mutex_lock(&lock);
	if (offset_ms && is_armed && flags & TFD_TIMER_ABSTIME)
		when.it_value = add(when.it_value, -*offset_ms);
	if (fd >= 0 && fd < FDS_MAX) {
		wants[fd] = (flags & CANCEL_ON) == CANCEL_ON;
		cancelled[fd] = false;
	}
	int error = (int)syscall(SYS_timerfd_settime, fd, flags, &when, before);
	pthread_mutex_unlock(&lock);
	return error;
}

ssize_t read(int fd, void *into, size_t size)
{
	bool was_set = false;
	ssize_t n = syscall(SYS_read, fd, into, size);
	if (fd < 0 || fd >= FDS_MAX || !wants[fd])
		return n;
	pthread_mutex_lock(&lock);
	was_set = cancelled[fd];
	cancelled[fd] = false;
	pthread_mutex_unlock(&lock);
	if (!was_set)
		return n;
	errno = ECANCELED;
	return -1;
}

static void *watch(void *arg)
{
	static const struct itimerspec now = { .it_value.tv_nsec = 1 };
	char event[512];
	(void)arg;
	while (syscall(SYS_read, change_fd, event, sizeof(event)) > 0) {
		pthread_mutex_lock(&lock);
		for (int fd = 0; fd < FDS_MAX; fd++)
			if (wants[fd]) {
				cancelled[fd] = true;
				syscall(SYS_timerfd_settime, fd, 0, &now, NULL);
			}
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("AGENTD_TEST_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	pthread_t thread;
	sigset_t all, before;
	if (fd < 0)
		return;
	void *mapped = mmap(NULL, sizeof(*offset_ms), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	change_fd = inotify_init1(IN_CLOEXEC);
	if (mapped == MAP_FAILED || inotify_add_watch(change_fd, path, IN_MODIFY) < 0)
		abort();
	offset_ms = mapped;
	sigfillset(&all); /* signals are for the program */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, watch, NULL))
		abort();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}
