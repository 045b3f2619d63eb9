/*
 * echo: says what it was told. The agent to try agentd with, and, slowed down by its options, a
 * stand-in for a model that streams.
 */
#include "agentd/plugin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct agentd_option options[] = {
	{ .key = "delay",
	    .type = AGENTD_DURATION,
	    .fallback = "0",
	    .help = "wait before the first word" },
	{ .key = "chunk",
	    .type = AGENTD_SIZE,
	    .fallback = "0",
	    .help = "stream in pieces of so many bytes; 0: in one piece",
	    .max = 65536 },
	{ .key = "interval",
	    .type = AGENTD_DURATION,
	    .fallback = "0",
	    .help = "wait between two pieces" },
};

struct echo {
	const struct agentd_host *host;
	uint64_t delay_ms, interval_ms;
	size_t chunk;
	struct answer *answers;
};

/* A run that is not finished yet. */
struct answer {
	struct echo *echo;
	struct agentd_run *run;
	struct agentd_timer *timer;
	char *text;
	size_t length, said;
	struct answer *next;
};

static int echo_open(
    const struct agentd_host *host, const struct agentd_options *given, void **ret_self)
{
	struct echo *echo = calloc(1, sizeof(*echo));
	if (!echo)
		return -ENOMEM;
	echo->host = host;
	echo->delay_ms = (uint64_t)agentd_get_int(given, "delay");
	echo->interval_ms = (uint64_t)agentd_get_int(given, "interval");
	echo->chunk = (size_t)agentd_get_int(given, "chunk");
	*ret_self = echo;
	return 0;
}

static void answer_finish(struct answer *answer, uint32_t status)
{
	struct echo *echo = answer->echo;
	struct agentd_result result = { .size = sizeof(result), .status = status };
	if (!echo->chunk)
		result.content = agentd_text(answer->text, answer->length);
	echo->host->finish(answer->run, &result);
	for (struct answer **link = &echo->answers; *link; link = &(*link)->next)
		if (*link == answer) {
			*link = answer->next;
			break;
		}
	echo->host->timer_free(answer->timer);
	free(answer->text);
	free(answer);
}

/* Says what it can now: all of it, or a piece, or nothing while the reader is behind. */
static void answer_go_on(void *arg)
{
	struct answer *answer = arg;
	const struct echo *echo = answer->echo;
	while (echo->chunk && answer->said < answer->length) {
		size_t left = answer->length - answer->said;
		size_t piece = left < echo->chunk ? left : echo->chunk;
		struct agentd_text text = agentd_text(answer->text + answer->said, piece);
		if (echo->host->delta(answer->run, text) == -EAGAIN)
			return; /* echo_writable goes on */
		answer->said += piece;
		if (echo->interval_ms && answer->said < answer->length) {
			echo->host->timer_set(answer->timer, echo->interval_ms);
			return;
		}
	}
	answer_finish(answer, AGENTD_DONE);
}

static int echo_run(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	struct echo *echo = self;
	if (!echo->delay_ms && !echo->chunk) { /* nothing to wait for: no need to remember it */
		struct agentd_result result = { .size = sizeof(result), .content = request->input };
		return echo->host->finish(run, &result);
	}
	struct answer *answer = calloc(1, sizeof(*answer));
	if (!answer)
		return -ENOMEM;
	answer->echo = echo;
	answer->run = run;
	answer->length = request->input.n;
	answer->text = malloc(request->input.n + 1);
	answer->timer = echo->host->timer_new(echo->host, answer_go_on, answer);
	if (!answer->text || !answer->timer) {
		echo->host->timer_free(answer->timer);
		free(answer->text);
		free(answer);
		return -ENOMEM;
	}
	memcpy(answer->text, request->input.p, request->input.n);
	answer->next = echo->answers;
	echo->answers = answer;
	return echo->host->timer_set(answer->timer, echo->delay_ms);
}

static struct answer *find(const struct echo *echo, const struct agentd_run *run)
{
	struct answer *answer = echo->answers;
	while (answer && answer->run != run)
		answer = answer->next;
	return answer;
}

static void echo_cancel(void *self, struct agentd_run *run)
{
	struct answer *answer = find(self, run);
	if (answer)
		answer_finish(answer, AGENTD_CANCELLED);
}

static void echo_writable(void *self, struct agentd_run *run)
{
	struct answer *answer = find(self, run);
	if (answer)
		answer_go_on(answer);
}

static void echo_close(void *self)
{
	struct echo *echo = self;
	while (echo->answers)
		answer_finish(echo->answers, AGENTD_CANCELLED);
	free(echo);
}

static const struct agentd_agent_ops agent = {
	.size = sizeof(agent),
	.open = echo_open,
	.run = echo_run,
	.cancel = echo_cancel,
	.writable = echo_writable,
	.close = echo_close,
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_AGENT,
	.name = "echo",
	.version = "0.1.0",
	.summary = "says what it was told",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.agent = &agent,
};
