/* verify: a table of questions, asked one after the other. */
#include "verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/common/backoff.h"
#include "plugins/common/outage.h"
#include "verdict.h"

/* All within the time that agentd gives an interface to get ready. */
#define MODE_TIMEOUT_MS 10000
#define TIMEOUT_MS      20000
#define TRIES_MS        8000 /* another try does not begin later */

struct signal_verify {
	struct signal_verify_setup setup;
	size_t question;
	bool is_good; /* and that has been said */
	struct http_call *call;
	struct agentd_timer *timer; /* to ask once more */
	struct backoff backoff;
	struct outage outage;
	uint64_t began_ms;
};

__attribute__((format(printf, 2, 3))) static void verify_fatal(
    const struct signal_verify *verify, const char *format, ...)
{
	char reason[600];
	va_list args;
	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	verify->setup.host->fatal(verify->setup.host, reason);
}

/* It does not work now: the same is asked once more, if that may still help, else this process ends. */
static void verify_failed(struct signal_verify *verify, const struct http_answer *answer,
    const char *what, const char *why)
{
	const struct agentd_host *host = verify->setup.host;
	uint64_t asked_ms = signal_verdict_retry_ms(http_answer_header(answer, "Retry-After"));
	uint64_t now_ms = host->now_ms(host);
	uint64_t delay_ms = backoff_next_ms(&verify->backoff, 0, (uint32_t)now_ms * 2654435761u);
	bool is_long = outage_is_long(&verify->outage, verify->began_ms, now_ms, delay_ms);
	char reason[SIGNAL_WHY_SIZE + 100];
	snprintf(reason, sizeof(reason), "%s: %s", what, why);
	if (!verify->setup.mode->is_pushed || asked_ms || is_long)
		host->fail_for(host, reason, asked_ms);
	host->log(
	    host, AGENTD_LOG_WARN, "%s; again in %llu ms", reason, (unsigned long long)delay_ms);
	host->timer_set(verify->timer, delay_ms);
}

/* Whether there is no answer, or one that will be another soon. */
static bool is_passing(unsigned status)
{
	return status == 0 || status == 408 || status == 429 || status >= 500;
}

/* It may be another program, or a proxy before it that is in trouble: only somebody else can tell. */
static bool on_about(
    struct signal_verify *verify, const struct http_answer *answer, const char *why)
{
	const struct signal_mode *mode = verify->setup.mode;
	char quoted[40];
	json_t *about = signal_api_json(answer);
	const char *is = json_string_value(json_object_get(about, "mode"));
	if (why || !json_is_object(about)) {
		json_decref(about);
		verify_failed(verify, answer,
		    "what is at api_base_url is no signal-cli-rest-api, or not now",
		    why ? why : "its answer is none of that");
		return false;
	}
	snprintf(quoted, sizeof(quoted), "|%s|", is ? is : "");
	/* Asked in the wrong way it would lose messages: a handshake in mode native receives them. */
	if (is && !strstr(mode->modes, quoted))
		verify_fatal(verify,
		    "signal-cli-rest-api runs in mode %.40s, and the option mode says %s", is,
		    mode->name);
	json_decref(about);
	return true;
}

static bool on_accounts(
    struct signal_verify *verify, const struct http_answer *answer, const char *why)
{
	json_t *accounts = why ? NULL : signal_api_json(answer);
	bool known = !json_is_array(accounts); /* one too old to be asked: receiving will tell */
	size_t i;
	json_t *account;
	json_array_foreach (accounts, i, account) {
		const char *number = json_string_value(account);
		known = known || (number && strcmp(number, verify->setup.number) == 0);
	}
	json_decref(accounts);
	if (!known || (why && signal_verdict_unknown_account(answer->status, why)))
		verify_fatal(verify,
		    "signal-cli-rest-api knows no account %s: register or link it there first",
		    verify->setup.number);
	return true;
}

static bool on_settings(
    struct signal_verify *verify, const struct http_answer *answer, const char *why)
{
	(void)answer;
	if (why)
		verify_fatal(verify,
		    "trust_all_keys cannot be set for %s: %s; with \"trust_all_keys: no\" it is "
		    "left as it is",
		    verify->setup.number, why);
	return true;
}

static bool trust_is_wanted(const struct signal_verify *verify)
{
	const struct agentd_host *host = verify->setup.host;
	if (!verify->setup.trust_all_keys)
		return false;
	if (verify->setup.mode == &signal_mode_native)
		return true;
	host->log(host, AGENTD_LOG_INFO,
	    "in mode json-rpc signal-cli-rest-api takes trust_all_keys from its own environment: "
	    "JSON_RPC_TRUST_NEW_IDENTITIES=always");
	return false;
}

static const struct {
	const char *method, *path, *json;
	bool (*wanted)(const struct signal_verify *verify); /* NULL: always */
	/* `why` is NULL if it succeeded. False: it is asked once more. */
	bool (*answered)(
	    struct signal_verify *verify, const struct http_answer *answer, const char *why);
	bool optional; /* an API may be unable to answer it */
	bool first;    /* before anything is received, however it comes */
	int64_t timeout_ms;
} questions[] = {
	{ "GET", "/v1/about", NULL, NULL, on_about, false, true, MODE_TIMEOUT_MS },
	{ "GET", "/v1/accounts", NULL, NULL, on_accounts, true, false, TIMEOUT_MS },
	{ "POST", "/v1/configuration/{n}/settings", "{\"trust_mode\":\"always\"}", trust_is_wanted,
	    on_settings, false, false, TIMEOUT_MS },
};

#define COUNT (sizeof(questions) / sizeof(questions[0]))

static void verify_ask(struct signal_verify *verify);

static void on_answer(void *arg, const struct http_answer *answer)
{
	struct signal_verify *verify = arg;
	char why[SIGNAL_WHY_SIZE];
	bool succeeded = signal_api_succeeded(answer, why);
	verify->call = NULL;
	if (!succeeded && !questions[verify->question].optional && is_passing(answer->status)) {
		verify_failed(verify, answer, "signal-cli-rest-api does not answer", why);
	} else if (questions[verify->question].answered(verify, answer, succeeded ? NULL : why)) {
		verify->question++;
		verify_ask(verify);
	}
}

/* Is all known that has to be, before anything is received? */
static void verify_look(struct signal_verify *verify)
{
	bool may = verify->question == COUNT ||
		   (verify->setup.mode->is_pushed && !questions[verify->question].first);
	if (!may || verify->is_good)
		return;
	verify->is_good = true;
	verify->setup.good(verify->setup.arg);
}

static void verify_ask(struct signal_verify *verify)
{
	while (verify->question < COUNT && questions[verify->question].wanted &&
	       !questions[verify->question].wanted(verify))
		verify->question++;
	verify_look(verify);
	if (verify->question == COUNT)
		return;
	struct signal_api_request request = {
		.method = questions[verify->question].method,
		.path = questions[verify->question].path,
		.json = questions[verify->question].json,
		.timeout_ms = questions[verify->question].timeout_ms,
		.done = on_answer,
		.arg = verify,
	};
	verify->call = signal_api_send(verify->setup.api, &request);
	if (!verify->call)
		verify->setup.host->fail(verify->setup.host, "memory is out");
}

static void on_time(void *arg)
{
	verify_ask(arg);
}

struct signal_verify *signal_verify_new(const struct signal_verify_setup *setup)
{
	struct signal_verify *verify = calloc(1, sizeof(*verify));
	if (!verify)
		return NULL;
	verify->setup = *setup;
	verify->backoff = (struct backoff){ .min_ms = setup->interval_ms < SIGNAL_RETRY_MAX_MS
							  ? setup->interval_ms
							  : SIGNAL_RETRY_MAX_MS,
		.max_ms = SIGNAL_RETRY_MAX_MS };
	verify->outage =
	    (struct outage){ .failures_max = OUTAGE_FAILURES, .lasts_max_ms = TRIES_MS };
	verify->began_ms = setup->host->now_ms(setup->host);
	verify->timer = setup->host->timer_new(setup->host, on_time, verify);
	if (!verify->timer) {
		free(verify);
		return NULL;
	}
	verify_ask(verify);
	return verify;
}

void signal_verify_free(struct signal_verify *verify)
{
	if (!verify)
		return;
	http_cancel(verify->call);
	verify->setup.host->timer_free(verify->timer);
	free(verify);
}
