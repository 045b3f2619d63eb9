/*
 * log: a hook that writes down what goes on in chats, a line for each stage: message, before the run, after
 * it, error. Who, where, how much and how long; the texts themselves only if `text` says so, since what
 * people write is theirs.
 *
 * It changes nothing and refuses nothing.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agentd/plugin.h"

#define CLOCKS         1024 /* messages whose beginning is known; an older one has no duration */
#define TEXT_MAX_BYTES 400  /* of a text; a line of the log has room for 1023 bytes in all */

static const char *const levels[] = {
	[AGENTD_LOG_ERROR] = "error",
	[AGENTD_LOG_WARN] = "warn",
	[AGENTD_LOG_INFO] = "info",
	[AGENTD_LOG_DEBUG] = "debug",
};

static const struct agentd_option options[] = {
	{ .key = "text",
	    .type = AGENTD_BOOL,
	    .fallback = "no",
	    .help = "log also what is said, up to 400 bytes of it" },
	{ .key = "level",
	    .type = AGENTD_STRING,
	    .fallback = "info",
	    .choices = "error|warn|info|debug",
	    .help = "the level of the lines; an error is at least a warning" },
};

/* When a message came. Messages that end nowhere (a later hook refuses them) need no end here either: their
 * place is taken by another. */
struct clock {
	uint64_t message; /* hash of its interface and key; 0: nobody's */
	uint64_t began_ms;
};

struct log {
	const struct agentd_host *host; /* borrowed */
	uint32_t level;
	bool text;
	struct clock clocks[CLOCKS];
};

/* FNV-1a. */
static uint64_t hash_add(uint64_t hash, struct agentd_text text)
{
	for (size_t i = 0; i < text.n; i++)
		hash = (hash ^ (unsigned char)text.p[i]) * 0x100000001b3u;
	return (hash ^ 0xff) * 0x100000001b3u;
}

static uint64_t message_hash(const struct agentd_exchange *exchange)
{
	uint64_t hash = hash_add(0xcbf29ce484222325u, exchange->interface);
	return hash_add(hash, exchange->message->key) | 1;
}

static void clock_start(struct log *log, const struct agentd_exchange *exchange)
{
	uint64_t hash = message_hash(exchange);
	log->clocks[(hash >> 1) % CLOCKS] =
	    (struct clock){ .message = hash, .began_ms = log->host->now_ms(log->host) };
}

/* Milliseconds since the message came; -1: not known. */
static long long clock_read(const struct log *log, const struct agentd_exchange *exchange)
{
	uint64_t hash = message_hash(exchange);
	const struct clock *clock = &log->clocks[(hash >> 1) % CLOCKS];
	if (clock->message != hash)
		return -1;
	return (long long)(log->host->now_ms(log->host) - clock->began_ms);
}

/* "message: user 42 in chat 7 of telegram (tg), 12 bytes: hello". `took_ms` is -1 where it is not known. */
static void log_stage(const struct log *log, uint32_t level, const char *stage,
    const struct agentd_exchange *exchange, struct agentd_text said, long long took_ms, bool shown)
{
	const struct agentd_incoming *message = exchange->message;
	char took[40] = "";
	size_t n = !shown ? 0 : said.n > TEXT_MAX_BYTES ? TEXT_MAX_BYTES : said.n;
	if (took_ms >= 0)
		snprintf(took, sizeof(took), ", %lld ms", took_ms);
	log->host->log(log->host, level,
	    "%s: user %.*s in chat %.*s of %.*s (%.*s), %zu bytes%s%s%.*s", stage,
	    (int)message->user_id.n, message->user_id.p, (int)message->chat_id.n,
	    message->chat_id.p, (int)exchange->platform.n, exchange->platform.p,
	    (int)exchange->interface.n, exchange->interface.p, said.n, took, n ? ": " : "", (int)n,
	    n ? said.p : "");
}

static int log_on_message(
    void *self, struct agentd_call *call, const struct agentd_exchange *exchange)
{
	struct log *log = self;
	(void)call;
	clock_start(log, exchange);
	log_stage(log, log->level, "message", exchange, exchange->message->text, -1, log->text);
	return 0;
}

static int log_before_run(
    void *self, struct agentd_call *call, const struct agentd_exchange *exchange)
{
	struct log *log = self;
	(void)call;
	log_stage(log, log->level, "before the run", exchange, exchange->message->text,
	    clock_read(log, exchange), log->text);
	return 0;
}

static int log_after_run(
    void *self, struct agentd_call *call, const struct agentd_exchange *exchange)
{
	struct log *log = self;
	(void)call;
	log_stage(log, log->level, "after the run", exchange, exchange->reply,
	    clock_read(log, exchange), log->text);
	return 0;
}

/* The error is not what somebody said, so it is shown whatever `text` says. */
static int log_on_error(
    void *self, struct agentd_call *call, const struct agentd_exchange *exchange)
{
	struct log *log = self;
	(void)call;
	log_stage(log, log->level < AGENTD_LOG_WARN ? log->level : AGENTD_LOG_WARN, "error",
	    exchange, exchange->error, clock_read(log, exchange), true);
	return 0;
}

static int log_open(
    const struct agentd_host *host, const struct agentd_options *given, void **ret_self)
{
	struct log *log = calloc(1, sizeof(*log));
	if (!log)
		return -ENOMEM;
	log->host = host;
	log->text = agentd_get_int(given, "text") != 0;
	for (uint32_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strcmp(agentd_get_text(given, "level"), levels[i]) == 0)
			log->level = i;
	*ret_self = log;
	return 0;
}

static void log_close(void *self)
{
	free(self);
}

static const struct agentd_hook_ops hook = {
	.size = sizeof(hook),
	.open = log_open,
	.on_message = log_on_message,
	.before_run = log_before_run,
	.after_run = log_after_run,
	.on_error = log_on_error,
	.close = log_close,
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_HOOK,
	.name = "log",
	.version = "0.1.0",
	.summary = "writes down what goes on in chats",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.hook = &hook,
};
