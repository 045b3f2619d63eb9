/* receive: begins, again and again, with delays; never before what a process that was killed had received is in the
 * inbox. */
#include "receive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "inbox.h"
#include "journal.h"
#include "output.h"
#include "plugins/common/backoff.h"
#include "plugins/common/outage.h"
#include "verdict.h"

#define BACKOFF_MAX_MS 60000

/* What is pushed is away for so long before agentd is told: while it waits with the next start, nobody listens. */
#define PUSHED_FAILURES 15
#define PUSHED_MS       20000

struct signal_receive {
	struct signal_receive_setup setup;
	struct signal_inbox *inbox;
	struct signal_journal *journal;
	void *mode; /* what its `open` returned */
	struct agentd_timer *timer;
	bool stopped, ready;
	bool taking;  /* there may be more to take when the inbox is empty */
	bool waiting; /* for the inbox, and then for `delay_ms` */
	uint64_t delay_ms;
	struct backoff backoff;
	struct outage outage;
	uint64_t began_ms;  /* of what goes on; 0: it has worked */
	uint64_t worked_ms; /* when it did, the last time; 0: never */
};

static void on_time(void *arg)
{
	struct signal_receive *receive = arg;
	receive->began_ms = receive->setup.host->now_ms(receive->setup.host);
	if (!receive->stopped)
		receive->setup.mode->begin(receive->mode);
}

void signal_receive_again(struct signal_receive *receive, uint64_t delay_ms)
{
	bool may_wait = !receive->setup.mode->is_pushed;
	receive->waiting = true;
	receive->delay_ms = delay_ms;
	if ((may_wait && !signal_inbox_is_empty(receive->inbox)) || receive->stopped)
		return;
	receive->waiting = false;
	receive->setup.host->timer_set(receive->timer, delay_ms);
}

/* With anything that only this process has. */
static bool is_busy(const struct signal_receive *receive)
{
	return !signal_inbox_is_empty(receive->inbox) ||
	       receive->setup.mode->is_busy(receive->mode);
}

static void check_stopped(struct signal_receive *receive)
{
	if (receive->stopped && !is_busy(receive))
		receive->setup.host->stopped(receive->setup.host);
}

/* What comes is left where it is while the inbox is full. */
static void look_for_room(struct signal_receive *receive)
{
	if (receive->setup.mode->hold)
		receive->setup.mode->hold(receive->mode, signal_inbox_is_full(receive->inbox));
}

static void on_less(void *arg)
{
	struct signal_receive *receive = arg;
	look_for_room(receive);
	if (receive->taking || !signal_inbox_is_empty(receive->inbox))
		return;
	if (!is_busy(receive))
		signal_journal_clear(receive->journal);
	check_stopped(receive);
	if (receive->waiting)
		signal_receive_again(receive, receive->delay_ms);
}

/* How long to wait after failures, and for how long before agentd is told. */
static void set_patience(struct signal_receive *receive)
{
	uint64_t interval_ms = receive->setup.interval_ms;
	bool pushed = receive->setup.mode->is_pushed;
	uint64_t max_ms = pushed ? SIGNAL_RETRY_MAX_MS : BACKOFF_MAX_MS;
	if (pushed && interval_ms > max_ms)
		interval_ms = max_ms;
	receive->backoff = (struct backoff){ .min_ms = interval_ms,
		.max_ms = max_ms < interval_ms ? interval_ms : max_ms };
	receive->outage =
	    (struct outage){ .failures_max = pushed ? PUSHED_FAILURES : OUTAGE_FAILURES,
		    .lasts_max_ms = pushed ? PUSHED_MS : OUTAGE_MS };
}

struct signal_receive *signal_receive_new(const struct signal_receive_setup *setup)
{
	struct signal_receive *receive = calloc(1, sizeof(*receive));
	if (!receive)
		return NULL;
	receive->setup = *setup;
	set_patience(receive);
	receive->inbox = signal_inbox_new(setup->host, setup->api, on_less, receive);
	receive->journal = signal_journal_new(setup->host);
	receive->mode = setup->mode->open(receive);
	receive->timer = setup->host->timer_new(setup->host, on_time, receive);
	if (!receive->inbox || !receive->journal || !receive->mode || !receive->timer) {
		signal_receive_free(receive);
		return NULL;
	}
	return receive;
}

void signal_receive_free(struct signal_receive *receive)
{
	if (!receive)
		return;
	if (receive->mode)
		receive->setup.mode->close(receive->mode);
	signal_inbox_free(receive->inbox);
	signal_journal_free(receive->journal);
	if (receive->timer)
		receive->setup.host->timer_free(receive->timer);
	free(receive);
}

void signal_receive_start(struct signal_receive *receive)
{
	const struct agentd_host *host = receive->setup.host;
	size_t n;
	char *left = signal_journal_take_up(receive->journal, &n);
	if (left) {
		host->log(host, AGENTD_LOG_INFO,
		    "%zu bytes were received before the last end and not stored: they are now", n);
		signal_receive_take(receive, agentd_text(left, n));
	}
	free(left);
	signal_receive_again(receive, 0);
}

bool signal_receive_stop(struct signal_receive *receive)
{
	if (!receive->stopped) {
		receive->stopped = true;
		receive->setup.host->timer_clear(receive->timer);
		receive->setup.mode->stop(receive->mode);
	}
	return !is_busy(receive);
}

const struct signal_receive_setup *signal_receive_setup(const struct signal_receive *receive)
{
	return &receive->setup;
}

typedef bool take_function(struct signal_receive *receive, const json_t *object);

/* A message, or something else that has come. False: it is neither. */
static bool take_envelope(struct signal_receive *receive, const json_t *object)
{
	const struct agentd_host *host = receive->setup.host;
	struct signal_message *message;
	int got = signal_envelope_read(object, receive->setup.account, &message);
	if (got > 0)
		signal_inbox_add(receive->inbox, message);
	else if (got < 0)
		host->log(host, AGENTD_LOG_WARN, "something was received that is no message: %s",
		    strerror(-got));
	return got >= 0;
}

/* How many objects there are, and of them those that `take` could read. */
struct taken {
	size_t count, good, lost; /* lost: bytes that are no objects */
};

static struct taken take_each(
    struct signal_receive *receive, struct agentd_text bytes, take_function *take)
{
	const struct agentd_host *host = receive->setup.host;
	struct signal_batch batch = { .rest = bytes };
	struct taken taken = { 0 };
	for (json_t *object; (object = signal_batch_next(&batch));) {
		taken.count++;
		taken.good += take(receive, object);
		json_decref(object);
	}
	taken.lost = batch.lost;
	if (batch.lost)
		host->log(host, AGENTD_LOG_ERROR,
		    "%zu of %zu bytes that were received cannot be read: if there was a message in "
		    "them it is lost",
		    batch.lost, bytes.n);
	return taken;
}

/* What signal-cli had received before it failed, and why it did. */
static void take_error(struct signal_receive *receive, const json_t *error)
{
	const struct agentd_host *host = receive->setup.host;
	const char *output = json_string_value(error);
	struct agentd_text rest = agentd_text(output, json_string_length(error)), line;
	char words[SIGNAL_WHY_SIZE];
	while (signal_output_next(&rest, &line))
		take_each(receive, line, take_envelope);
	signal_output_words(output, words, sizeof(words));
	host->log(host, AGENTD_LOG_WARN, "signal-cli-rest-api says: %s", words);
}

/* One of what has come: an envelope, or an error of the API's. False: neither. */
static bool take_one(struct signal_receive *receive, const json_t *object)
{
	const json_t *error = json_object_get(object, "error");
	if (!json_is_string(error) || json_object_get(object, "envelope"))
		return take_envelope(receive, object);
	take_error(receive, error);
	return true;
}

void signal_receive_keep(struct signal_receive *receive, struct agentd_text bytes)
{
	signal_journal_add(receive->journal, bytes);
}

ssize_t signal_receive_take(struct signal_receive *receive, struct agentd_text bytes)
{
	receive->taking = true;
	struct taken taken = take_each(receive, bytes, take_one);
	receive->taking = false;
	look_for_room(receive);
	if (!is_busy(receive))
		signal_journal_clear(receive->journal);
	if (!taken.good && (taken.count || taken.lost))
		return -EBADMSG;
	return (ssize_t)taken.count;
}

void signal_receive_ready(struct signal_receive *receive)
{
	if (!receive->ready && !receive->stopped)
		receive->setup.host->ready(receive->setup.host);
	receive->ready = true;
}

void signal_receive_worked(struct signal_receive *receive)
{
	const struct agentd_host *host = receive->setup.host;
	if (receive->backoff.failures)
		host->log(host, AGENTD_LOG_INFO, "receiving works again");
	backoff_reset(&receive->backoff);
	outage_end(&receive->outage);
	receive->began_ms = 0;
	receive->worked_ms = host->now_ms(host);
	check_stopped(receive);
}

/* Until the next try. A connection that has held is made again at once: each moment without it may lose a message. */
static uint64_t delay_ms_after(struct signal_receive *receive, uint64_t now_ms, uint64_t asked_ms)
{
	uint32_t chance = (uint32_t)now_ms * 2654435761u;
	bool is_first = receive->backoff.failures == 0;
	bool has_held = receive->worked_ms && now_ms - receive->worked_ms >= SIGNAL_RETRY_MAX_MS;
	uint64_t delay_ms = backoff_next_ms(&receive->backoff, asked_ms, chance);
	return receive->setup.mode->is_pushed && is_first && has_held ? 0 : delay_ms;
}

void signal_receive_failed(
    struct signal_receive *receive, unsigned status, const char *why, uint64_t asked_ms)
{
	const struct agentd_host *host = receive->setup.host;
	char reason[SIGNAL_WHY_SIZE + 100];
	if (receive->stopped) {
		check_stopped(receive);
		return;
	}
	snprintf(reason, sizeof(reason), "cannot receive: %s", why);
	if (!receive->worked_ms &&
	    (status == 401 || status == 403 || signal_verdict_unknown_account(status, why)))
		host->fatal(host, reason);
	uint64_t now_ms = host->now_ms(host);
	uint64_t delay_ms = delay_ms_after(receive, now_ms, asked_ms);
	bool is_long = outage_is_long(
	    &receive->outage, receive->began_ms ? receive->began_ms : now_ms, now_ms, delay_ms);
	/* What is in the inbox would go with this process. */
	if (is_long && signal_inbox_is_empty(receive->inbox))
		host->fail_for(host, reason, asked_ms);
	host->log(
	    host, AGENTD_LOG_WARN, "%s; again in %llu ms", reason, (unsigned long long)delay_ms);
	signal_receive_again(receive, delay_ms);
}
