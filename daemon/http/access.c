/* access: from a request to a principal. */
#include "daemon/http/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/auth/auth.h"
#include "daemon/http/problem.h"

static struct principal stranger = { .provider = "", .refs = 1 }; /* where auth is not asked */
static struct principal nobody = { .provider = "", .sight = SEES_HTTP, .refs = 1 };
static struct principal anybody_here = {
	.provider = "", .admin = true, .sight = SEES_ALL, .refs = 1
};

static const char *header_of(const void *arg, const char *name, unsigned nth)
{
	return http_header_nth(arg, name, nth);
}

static enum auth_verdict find_principal(struct api *api, struct http_request *request,
    struct access_rule rule, struct principal **ret_who, const char **ret_why)
{
	const struct http_settings *settings = http_settings(request);
	const struct provider_settings *auth = rule.auth ? rule.auth : settings->auth;
	if (http_is_control(request)) {
		struct principal *peer = http_peer(request, ret_why);
		*ret_who = peer ? principal_ref(peer) : NULL;
		return peer ? AUTH_KNOWN : AUTH_REFUSED;
	}
	if (rule.need == ROUTE_NOBODY) {
		*ret_who = principal_ref(&stranger);
		return AUTH_KNOWN;
	}
	if (!auth) {
		*ret_who = principal_ref(settings->loopback_only ? &anybody_here : &nobody);
		return AUTH_KNOWN;
	}
	struct auth_request asked = { .platform = "http", .header = header_of, .arg = request };
	return auth_ask(api->auth, auth, &asked, ret_who, ret_why);
}

/* RFC 6750, section 3: what is missing gets no error code. */
static void refuse(struct http_request *request, enum auth_verdict verdict, const char *why)
{
	http_note_refusal(request, why);
	if (http_is_control(request)) {
		problem_reply(request, PROBLEM_FORBIDDEN, "%s", why);
		return;
	}
	const char *sent = http_header(request, "Authorization"); /* maybe nobody's to judge */
	http_add_header(request, "WWW-Authenticate",
	    verdict == AUTH_ANONYMOUS && !(sent && *sent)
		? "Bearer realm=\"agentd\""
		: "Bearer realm=\"agentd\", error=\"invalid_token\"");
	problem_reply(request, PROBLEM_UNAUTHORIZED, "%s", why);
}

/* True if it may go on; else it is answered. */
static bool is_allowed(struct api *api, struct http_request *request, enum route_auth need)
{
	const struct principal *who = http_principal(request);
	unsigned after_s;
	if (!auth_take(api->auth, who, &after_s)) {
		char seconds[16];
		snprintf(seconds, sizeof(seconds), "%u", after_s);
		http_add_header(request, "Retry-After", seconds);
		http_note_refusal(request, "too many requests");
		problem_reply(request, PROBLEM_RATE_LIMITED,
		    "no more than %lld requests in %lld s; the next in %u s",
		    (long long)who->rate.count, (long long)who->rate.period_ms / 1000, after_s);
		return false;
	}
	if (need != ROUTE_ADMIN || who->admin)
		return true;
	http_note_refusal(request, "not an admin");
	problem_reply(request, PROBLEM_FORBIDDEN, "only an admin may do this%s",
	    who->user_id
		? ""
		: "; without auth that is whoever comes over the control socket (agentctl)");
	return false;
}

/* Waiting for keys. */

struct access_wait {
	struct auth_wait wait;
	struct api *api;              /* borrowed */
	struct http_request *request; /* borrowed */
	struct access_rule rule;
	void (*proceed)(struct api *api, struct http_request *request);
};

static void on_gone(void *arg)
{
	struct access_wait *access = arg;
	auth_wait_stop(access->api->auth, &access->wait);
	free(access);
}

static void on_again(void *arg)
{
	struct access_wait access = *(struct access_wait *)arg;
	free(arg);
	http_on_gone(access.request, NULL, NULL);
	access_ask(access.api, access.request, access.rule, access.proceed);
}

static void wait_for_keys(struct api *api, struct http_request *request, struct access_rule rule,
    void (*proceed)(struct api *api, struct http_request *request))
{
	struct access_wait *access = calloc(1, sizeof(*access));
	if (!access) {
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
		return;
	}
	*access = (struct access_wait){ .wait = { .again = on_again, .arg = access },
		.api = api,
		.request = request,
		.rule = rule,
		.proceed = proceed };
	auth_wait(api->auth, &access->wait);
	http_on_gone(request, on_gone, access);
}

/* What a row needs, where the config has a say in it. */
static enum route_auth settle(const struct http_settings *settings, enum route_auth need)
{
	if (need == ROUTE_DOCS)
		return ROUTE_OPEN; /* it has no secrets, and a browser has no key before it has read it */
	if (need != ROUTE_METRICS)
		return need;
	if (!settings->auth || strcmp(settings->metrics_auth_word, "none") == 0)
		return ROUTE_OPEN;
	return strcmp(settings->metrics_auth_word, "admin") == 0 ? ROUTE_ADMIN : ROUTE_USER;
}

void access_ask(struct api *api, struct http_request *request, struct access_rule rule,
    void (*proceed)(struct api *api, struct http_request *request))
{
	enum route_auth need = settle(http_settings(request), rule.need);
	struct principal *who = NULL;
	const char *why = NULL;
	if (need == ROUTE_OPEN && !http_is_control(request)) {
		proceed(api, request);
		return;
	}
	enum auth_verdict verdict = find_principal(api, request, rule, &who, &why);
	switch (verdict) {
	case AUTH_KNOWN:
		http_set_principal(request, who);
		if (is_allowed(api, request, need))
			proceed(api, request);
		return;
	case AUTH_LATER:
		wait_for_keys(api, request, rule, proceed);
		return;
	case AUTH_UNAVAILABLE:
		http_note_refusal(request, why);
		http_add_header(request, "Retry-After", "5");
		problem_reply(request, PROBLEM_AUTH_UNAVAILABLE, "%s", why);
		return;
	case AUTH_NO_MEMORY:
		problem_reply(request, PROBLEM_INTERNAL, "out of memory");
		return;
	default:
		refuse(request, verdict, why);
	}
}

/* What belongs to whom. */

bool access_is_its_session(const struct http_request *request, const struct store_session *session)
{
	return principal_may_see(
	    http_principal(request), session->user, session->is_of_source ? SOURCE_HTTP : NULL);
}

bool access_may_see_session(struct http_request *request, const struct store_session *session)
{
	if (access_is_its_session(request, session))
		return true;
	access_refuse_other(request, "session");
	return false;
}

bool access_may_see_run(struct http_request *request, const struct store_run *run)
{
	if (principal_may_see(http_principal(request), run->user, run->source))
		return true;
	access_refuse_other(request, "run");
	return false;
}

void access_refuse_other(struct http_request *request, const char *what)
{
	if (http_principal(request)->sight == SEES_HTTP) {
		http_note_refusal(request, "of a chat or a trigger");
		problem_reply(request, PROBLEM_FORBIDDEN,
		    "the %s is of a chat or a trigger: without auth that is for whoever comes over "
		    "the control socket (agentctl)",
		    what);
		return;
	}
	http_note_refusal(request, "another user's");
	problem_reply(request, PROBLEM_FORBIDDEN, "the %s belongs to another user", what);
}

const char *access_only_user(const struct http_request *request)
{
	const struct principal *who = http_principal(request);
	return who->sight == SEES_OWN ? who->user_id : NULL;
}

const char *access_only_source(const struct http_request *request)
{
	return http_principal(request)->sight == SEES_HTTP ? SOURCE_HTTP : NULL;
}

bool access_is_credential(const struct provider_settings *provider, const char *name)
{
	if (strcasecmp(name, "Authorization") == 0 ||
	    (provider->type == AUTH_API_KEY && strcasecmp(name, provider->header) == 0))
		return true;
	for (size_t i = 0; i < provider->part_count; i++)
		if (access_is_credential(provider->parts[i], name))
			return true;
	return false;
}

static bool has_key_header(const struct provider_settings *provider)
{
	return provider->type == AUTH_API_KEY && strcasecmp(provider->header, "Authorization") != 0;
}

const char *access_key_header(const struct provider_settings *provider)
{
	const char *header = has_key_header(provider) ? provider->header : NULL;
	for (size_t i = 0; !header && i < provider->part_count; i++)
		header = access_key_header(provider->parts[i]);
	return header;
}

static void add_header_of(struct buf *names, const struct provider_settings *provider)
{
	if (has_key_header(provider))
		buf_addf(names, ", %s", provider->header);
	for (size_t i = 0; i < provider->part_count; i++)
		add_header_of(names, provider->parts[i]);
}

void access_add_allowed_headers(struct http_request *request, const struct settings *settings)
{
	struct buf names = { 0 };
	buf_add_str(&names, "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, "
			    "X-Request-Id, traceparent");
	if (settings->http.auth)
		add_header_of(&names, settings->http.auth);
	char *text = buf_take(&names);
	if (text)
		http_add_header(request, "Access-Control-Allow-Headers", text);
	free(text);
}
