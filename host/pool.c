/* pool: a queue, its threads, and two conditions. */
#include "host/pool.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

/* Room for a TLS library's call tree; 8 MiB each would count against limits.memory. */
#define STACK_BYTES (2u << 20)

static struct {
	pthread_mutex_t lock;
	pthread_cond_t added, idle;
	STAILQ_HEAD(, pool_call) calls;
	unsigned threads;
	unsigned going; /* calls that are not over, queued ones too */
} pool = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.added = PTHREAD_COND_INITIALIZER,
	.idle = PTHREAD_COND_INITIALIZER,
	.calls = STAILQ_HEAD_INITIALIZER(pool.calls),
};

static void *pool_thread(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&pool.lock);
	for (;;) {
		struct pool_call *call;
		while (!(call = STAILQ_FIRST(&pool.calls)))
			pthread_cond_wait(&pool.added, &pool.lock);
		STAILQ_REMOVE_HEAD(&pool.calls, link);
		pthread_mutex_unlock(&pool.lock);
		call->execute(call);
		pthread_mutex_lock(&pool.lock);
		if (--pool.going == 0)
			pthread_cond_signal(&pool.idle);
	}
	return NULL;
}

/* Signals are the loop's, but for those that a thread's own fault raises. */
static void set_of_the_loop(sigset_t *set)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };
	sigfillset(set);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(set, faults[i]);
}

static int pool_make_thread(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t blocked, before;
	int error = pthread_attr_init(&attributes);
	if (error)
		return -error;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	set_of_the_loop(&blocked);
	pthread_sigmask(SIG_SETMASK, &blocked, &before);
	error = pthread_create(&thread, &attributes, pool_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -error;
}

int pool_add(struct pool_call *call, unsigned threads_max)
{
	int error = 0;
	pthread_mutex_lock(&pool.lock);
	/* Every call that is not over needs a thread, those not yet woken for one too. */
	if (pool.going >= pool.threads && pool.threads < threads_max) {
		error = pool_make_thread();
		if (error == 0)
			pool.threads++;
	}
	if (pool.threads) {
		error = 0; /* it waits for one of those that are there */
		pool.going++;
		STAILQ_INSERT_TAIL(&pool.calls, call, link);
		pthread_cond_signal(&pool.added);
	}
	pthread_mutex_unlock(&pool.lock);
	return error;
}

bool pool_wait_idle(int64_t most_ms)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += most_ms / 1000;
	until.tv_nsec += most_ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&pool.lock);
	while (pool.going && pthread_cond_timedwait(&pool.idle, &pool.lock, &until) == 0)
		;
	bool idle = pool.going == 0;
	pthread_mutex_unlock(&pool.lock);
	return idle;
}
