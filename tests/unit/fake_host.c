/* fake_host: one libevent event behind each timer and watch. */
#include "fake_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE_MS 10000

static struct fake_host *the_fake;
static struct event_base *base;

struct agentd_timer {
	struct event *event;
	void (*fn)(void *arg);
	void *arg;
};

struct agentd_watch {
	struct event *event;
	int fd;
	void (*fn)(void *arg, uint32_t what);
	void *arg;
};

static void fake_log(const struct agentd_host *host, uint32_t level, const char *format, ...)
{
	(void)host;
	char line[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	size_t used = strlen(the_fake->log);
	snprintf(the_fake->log + used, sizeof(the_fake->log) - used, "%u %s\n", level, line);
}

static void fake_ready(const struct agentd_host *host)
{
	(void)host;
	the_fake->ready = true;
}

static void fake_end(const struct agentd_host *host, const char *reason)
{
	(void)host;
	snprintf(the_fake->ended, sizeof(the_fake->ended), "%s", reason);
}

static uint64_t fake_now_ms(const struct agentd_host *host)
{
	(void)host;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void on_timer(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct agentd_timer *timer = arg;
	timer->fn(timer->arg);
}

static struct agentd_timer *fake_timer_new(
    const struct agentd_host *host, void (*fn)(void *arg), void *arg)
{
	(void)host;
	struct agentd_timer *timer = calloc(1, sizeof(*timer));
	*timer = (struct agentd_timer){ evtimer_new(base, on_timer, timer), fn, arg };
	the_fake->timers++;
	return timer;
}

static int fake_timer_set(struct agentd_timer *timer, uint64_t after_ms)
{
	struct timeval after = { (time_t)(after_ms / 1000), (suseconds_t)(after_ms % 1000) * 1000 };
	return event_add(timer->event, &after);
}

static void fake_timer_clear(struct agentd_timer *timer)
{
	event_del(timer->event);
}

static void fake_timer_free(struct agentd_timer *timer)
{
	the_fake->timers--;
	event_free(timer->event);
	free(timer);
}

static void on_watch(int fd, short what, void *arg)
{
	(void)fd;
	struct agentd_watch *watch = arg;
	watch->fn(
	    watch->arg, (what & EV_READ ? AGENTD_READ : 0) | (what & EV_WRITE ? AGENTD_WRITE : 0));
}

static struct agentd_watch *fake_watch_new(
    const struct agentd_host *host, int fd, void (*fn)(void *arg, uint32_t what), void *arg)
{
	(void)host;
	struct agentd_watch *watch = calloc(1, sizeof(*watch));
	*watch =
	    (struct agentd_watch){ event_new(base, fd, EV_PERSIST, on_watch, watch), fd, fn, arg };
	the_fake->watches++;
	return watch;
}

static int fake_watch_set(struct agentd_watch *watch, uint32_t what)
{
	event_del(watch->event);
	short wanted =
	    (short)((what & AGENTD_READ ? EV_READ : 0) | (what & AGENTD_WRITE ? EV_WRITE : 0));
	if (!wanted)
		return 0;
	event_assign(watch->event, base, watch->fd, (short)(wanted | EV_PERSIST), on_watch, watch);
	return event_add(watch->event, NULL);
}

static void fake_watch_free(struct agentd_watch *watch)
{
	the_fake->watches--;
	event_free(watch->event);
	free(watch);
}

static int fake_submit(const struct agentd_host *host, const struct agentd_incoming *message,
    void (*done)(void *arg, int error), void *arg)
{
	(void)host;
	return the_fake->on_submit ? the_fake->on_submit(message, done, arg) : -EINVAL;
}

static int fake_sent(const struct agentd_host *host, uint64_t reply, const struct agentd_sent *sent)
{
	(void)host;
	if (the_fake->on_sent)
		the_fake->on_sent(reply, sent);
	return 0;
}

static int fake_spool(const struct agentd_host *host, char *path, size_t size)
{
	(void)host;
	if (!the_fake->spool)
		return -ENOSYS;
	int n = snprintf(path, size, "%s/0192f0c1-0000-7000-8000-00000000%04u", the_fake->spool,
	    ++the_fake->spooled);
	return n > 0 && (size_t)n < size ? 0 : -ENOSPC;
}

static void fake_fail_for(const struct agentd_host *self, const char *reason, uint64_t after_ms)
{
	(void)after_ms;
	fake_end(self, reason);
}

static const struct agentd_host table = {
	.size = sizeof(table),
	.abi = AGENTD_ABI,
	.name = "fake",
	.log = fake_log,
	.ready = fake_ready,
	.fail = fake_end,
	.fatal = fake_end,
	.fail_for = fake_fail_for,
	.done = fake_end,
	.now_ms = fake_now_ms,
	.timer_new = fake_timer_new,
	.timer_set = fake_timer_set,
	.timer_clear = fake_timer_clear,
	.timer_free = fake_timer_free,
	.watch_new = fake_watch_new,
	.watch_set = fake_watch_set,
	.watch_free = fake_watch_free,
	.submit = fake_submit,
	.sent = fake_sent,
	.spool = fake_spool,
};

struct fake_host *fake_host_new(void)
{
	the_fake = calloc(1, sizeof(*the_fake));
	the_fake->host = table;
	base = event_base_new();
	return the_fake;
}

void fake_host_free(struct fake_host *fake)
{
	assert_int_equal(fake->timers, 0);
	assert_int_equal(fake->watches, 0);
	event_base_free(base);
	free(fake);
	the_fake = NULL;
}

void fake_host_run(struct fake_host *fake, bool (*is_done)(void *arg), void *arg)
{
	uint64_t end = fake_now_ms(&fake->host) + PATIENCE_MS;
	struct timeval tick = { 0, 50000 }; /* so that the deadline is seen */
	while (!is_done(arg)) {
		if (fake_now_ms(&fake->host) > end)
			fail_msg("waited %d ms in vain; the log:\n%s", PATIENCE_MS, fake->log);
		event_base_loopexit(base, &tick);
		event_base_loop(base, EVLOOP_ONCE);
	}
}

static bool is_set(void *arg)
{
	return *(const bool *)arg;
}

void fake_host_run_flag(struct fake_host *fake, const bool *flag)
{
	fake_host_run(fake, is_set, (void *)(uintptr_t)flag);
}
