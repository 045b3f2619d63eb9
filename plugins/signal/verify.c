/* verify: a table of questions, asked one after the other. */
#include "verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verdict.h"

#define TIMEOUT_MS 20000 /* within the time that agentd gives an interface to get ready */

struct signal_verify {
	struct signal_verify_setup setup;
	size_t question;
	struct http_call *call;
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

/* No answer, or one that will be another soon. */
static void verify_fail_if_passing(
    const struct signal_verify *verify, const struct http_answer *answer, const char *why)
{
	unsigned status = answer->status;
	char reason[SIGNAL_WHY_SIZE + 100];
	snprintf(reason, sizeof(reason), "signal-cli-rest-api does not answer: %s", why);
	if (status == 0 || status == 408 || status == 429 || status >= 500)
		verify->setup.host->fail_for(verify->setup.host, reason,
		    signal_verdict_retry_ms(http_answer_header(answer, "Retry-After")));
}

/* It may be another program, or a proxy before it that is in trouble: only somebody else can tell. */
static void verify_no_api(
    const struct signal_verify *verify, const struct http_answer *answer, const char *why)
{
	char reason[SIGNAL_WHY_SIZE + 100];
	snprintf(reason, sizeof(reason),
	    "what is at api_base_url is no signal-cli-rest-api, or not now: %s", why);
	verify->setup.host->fail_for(verify->setup.host, reason,
	    signal_verdict_retry_ms(http_answer_header(answer, "Retry-After")));
}

static void on_about(
    const struct signal_verify *verify, const struct http_answer *answer, const char *why)
{
	const struct signal_mode *mode = verify->setup.mode;
	char quoted[40];
	json_t *about = signal_api_json(answer);
	const char *is = json_string_value(json_object_get(about, "mode"));
	if (why || !json_is_object(about))
		verify_no_api(verify, answer, why ? why : "its answer is none of that");
	snprintf(quoted, sizeof(quoted), "|%s|", is ? is : "");
	/* Asked in the wrong way it would lose messages: a handshake in mode native receives them. */
	if (is && !strstr(mode->modes, quoted))
		verify_fatal(verify,
		    "signal-cli-rest-api runs in mode %.40s, and the option mode says %s", is,
		    mode->name);
	json_decref(about);
}

static void on_accounts(
    const struct signal_verify *verify, const struct http_answer *answer, const char *why)
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
}

static void on_settings(
    const struct signal_verify *verify, const struct http_answer *answer, const char *why)
{
	(void)answer;
	if (why)
		verify_fatal(verify,
		    "trust_all_keys cannot be set for %s: %s; with \"trust_all_keys: no\" it is "
		    "left as it is",
		    verify->setup.number, why);
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
	/* `why` is NULL if it succeeded. */
	void (*answered)(
	    const struct signal_verify *verify, const struct http_answer *answer, const char *why);
	bool optional; /* an API may be unable to answer it */
} questions[] = {
	{ "GET", "/v1/about", NULL, NULL, on_about, false },
	{ "GET", "/v1/accounts", NULL, NULL, on_accounts, true },
	{ "POST", "/v1/configuration/{n}/settings", "{\"trust_mode\":\"always\"}", trust_is_wanted,
	    on_settings, false },
};

static void verify_ask(struct signal_verify *verify);

static void on_answer(void *arg, const struct http_answer *answer)
{
	struct signal_verify *verify = arg;
	char why[SIGNAL_WHY_SIZE];
	bool succeeded = signal_api_succeeded(answer, why);
	verify->call = NULL;
	if (!succeeded && !questions[verify->question].optional)
		verify_fail_if_passing(verify, answer, why);
	questions[verify->question].answered(verify, answer, succeeded ? NULL : why);
	verify->question++;
	verify_ask(verify);
}

static void verify_ask(struct signal_verify *verify)
{
	size_t count = sizeof(questions) / sizeof(questions[0]);
	while (verify->question < count && questions[verify->question].wanted &&
	       !questions[verify->question].wanted(verify))
		verify->question++;
	if (verify->question == count) {
		verify->setup.done(verify->setup.arg);
		return;
	}
	struct signal_api_request request = {
		.method = questions[verify->question].method,
		.path = questions[verify->question].path,
		.json = questions[verify->question].json,
		.timeout_ms = TIMEOUT_MS,
		.done = on_answer,
		.arg = verify,
	};
	verify->call = signal_api_send(verify->setup.api, &request);
	if (!verify->call)
		verify->setup.host->fail(verify->setup.host, "memory is out");
}

struct signal_verify *signal_verify_new(const struct signal_verify_setup *setup)
{
	struct signal_verify *verify = calloc(1, sizeof(*verify));
	if (!verify)
		return NULL;
	verify->setup = *setup;
	verify_ask(verify);
	return verify;
}

void signal_verify_free(struct signal_verify *verify)
{
	if (!verify)
		return;
	http_cancel(verify->call);
	free(verify);
}
