/* auth: the providers, by name, and what they have in common. */
#include "daemon/auth/auth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/auth/internal.h"
#include "daemon/auth/peer.h"
#include "daemon/auth/rate.h"
#include "daemon/base/id.h"

struct auth {
	const struct settings *settings; /* borrowed */
	struct event_base *base;         /* borrowed; NULL: not started yet */
	struct auth_fetcher fetcher;
	struct rates *rates;
	struct peers *peers;
	struct provider *providers; /* as many as the settings have, in their order */
	TAILQ_HEAD(, auth_wait) waiting;
};

static const struct provider_type *const types[] = {
	[AUTH_API_KEY] = &auth_api_key,
	[AUTH_JWT] = &auth_jwt,
	[AUTH_ALLOWLIST] = &auth_allowlist,
	[AUTH_COMPOSITE] = &auth_composite,
};

struct auth *auth_new(const struct settings *settings, struct conf_errors *errors)
{
	struct auth *auth = calloc(1, sizeof(*auth));
	if (!auth)
		return NULL;
	auth->settings = settings;
	TAILQ_INIT(&auth->waiting);
	auth->rates = rates_new();
	auth->peers = peers_new(settings, errors);
	auth->providers = calloc(settings->provider_count + 1, sizeof(*auth->providers));
	int error = auth->rates && auth->peers && auth->providers ? 0 : -ENOMEM;
	for (size_t i = 0; error == 0 && i < settings->provider_count; i++) {
		struct provider *provider = &auth->providers[i];
		provider->auth = auth;
		provider->settings = &settings->providers[i];
		provider->type = types[provider->settings->type];
		error = provider->type->open(provider, errors);
	}
	if (error == 0)
		return auth;
	auth_free(auth);
	return NULL;
}

void auth_free(struct auth *auth)
{
	if (!auth)
		return;
	for (size_t i = 0; auth->providers && i < auth->settings->provider_count; i++)
		if (auth->providers[i].type && auth->providers[i].type->close)
			auth->providers[i].type->close(&auth->providers[i]);
	free(auth->providers);
	peers_free(auth->peers);
	rates_free(auth->rates);
	free(auth);
}

/* An issuer's keys are the same, whatever the provider is called. */
static void inherit_keys(struct provider *provider, const struct auth *before)
{
	for (size_t i = 0; i < before->settings->provider_count; i++)
		if (before->providers[i].type == &auth_jwt)
			token_inherit(provider, &before->providers[i]);
}

void auth_inherit(struct auth *auth, const struct auth *before)
{
	/* One set of buckets for both: what is still asked of the other is taken out of them too. */
	rates_free(auth->rates);
	auth->rates = rates_ref(before->rates);
	for (size_t i = 0; i < auth->settings->provider_count; i++)
		if (auth->providers[i].type == &auth_jwt)
			inherit_keys(&auth->providers[i], before);
}

int auth_start(struct auth *auth, struct event_base *base, const struct auth_fetcher *fetcher)
{
	int error = 0;
	auth->base = base;
	auth->fetcher = *fetcher;
	for (size_t i = 0; error == 0 && i < auth->settings->provider_count; i++)
		if (auth->providers[i].type == &auth_jwt)
			error = token_start(&auth->providers[i]);
	return error;
}

struct event_base *auth_base(const struct auth *auth)
{
	return auth->base;
}

const struct auth_fetcher *auth_fetcher(const struct auth *auth)
{
	return auth->base ? &auth->fetcher : NULL;
}

struct provider *auth_provider(struct auth *auth, const struct provider_settings *settings)
{
	return &auth->providers[settings - auth->settings->providers];
}

enum auth_verdict auth_ask(struct auth *auth, const struct provider_settings *settings,
    const struct auth_request *request, struct principal **ret_who, const char **ret_why)
{
	struct provider *provider = auth_provider(auth, settings);
	return provider->type->ask(provider, request, ret_who, ret_why);
}

enum auth_verdict auth_ask_peer(struct auth *auth, const struct ucred *peer, bool again,
    struct principal **ret_who, const char **ret_why)
{
	return (again ? peers_ask_again : peers_ask)(auth->peers, peer, ret_who, ret_why);
}

/* Waiting. */

void auth_wait(struct auth *auth, struct auth_wait *wait)
{
	TAILQ_INSERT_TAIL(&auth->waiting, wait, link);
}

void auth_wait_stop(struct auth *auth, struct auth_wait *wait)
{
	TAILQ_REMOVE(&auth->waiting, wait, link);
}

/* Whoever must wait again goes into a list that is not looked at now. */
void auth_wake(struct auth *auth)
{
	TAILQ_HEAD(, auth_wait) waiting = TAILQ_HEAD_INITIALIZER(waiting);
	struct auth_wait *wait;
	TAILQ_CONCAT(&waiting, &auth->waiting, link);
	while ((wait = TAILQ_FIRST(&waiting))) {
		TAILQ_REMOVE(&waiting, wait, link);
		wait->again(wait->arg);
	}
}

/* Headers. */

const char *auth_header(const struct auth_request *request, const char *name,
    enum auth_verdict *ret_verdict, const char **ret_why)
{
	const char *value = request->header ? request->header(request->arg, name, 0) : NULL;
	*ret_verdict = AUTH_ANONYMOUS;
	*ret_why = "the request does not say who sends it";
	if (!value || !*value)
		return NULL;
	if (!request->header(request->arg, name, 1))
		return value;
	*ret_verdict = AUTH_REFUSED;
	*ret_why = "the header came twice";
	return NULL;
}

const char *auth_bearer(
    const struct auth_request *request, enum auth_verdict *ret_verdict, const char **ret_why)
{
	const char *value = auth_header(request, "Authorization", ret_verdict, ret_why);
	if (!value)
		return NULL;
	size_t n = strlen("Bearer ");
	if (strncasecmp(value, "Bearer ", n) == 0 && value[n + strspn(value + n, " ")])
		return value + n + strspn(value + n, " ");
	*ret_verdict = AUTH_REFUSED;
	*ret_why = "Authorization must be \"Bearer\" and what is to be believed";
	return NULL;
}

bool auth_may_renew(const struct provider *provider)
{
	static const struct rate rate = { 4, 240000 };
	uint64_t wait_us;
	return rates_take(provider->auth->rates, provider->settings->name, "", &rate,
	    clock_monotonic_us(), &wait_us);
}

bool auth_is_chat_user(const struct auth *auth, const char *user)
{
	size_t n = strcspn(user, ":");
	for (size_t i = 0; user[n] && i < auth->settings->interface_count; i++) {
		const char *platform = auth->settings->interfaces[i].platform;
		if (platform && strlen(platform) == n && strncmp(platform, user, n) == 0)
			return true;
	}
	return false;
}

bool auth_is_token(const char *text)
{
	size_t dots = 0;
	for (; *text; text++)
		dots += *text == '.';
	return dots == 2;
}

bool auth_take(struct auth *auth, const struct principal *who, unsigned *ret_after_s)
{
	uint64_t wait_us = 0;
	if (!who->user_id || rates_take(auth->rates, who->provider, who->user_id, &who->rate,
				 clock_monotonic_us(), &wait_us))
		return true;
	*ret_after_s = (unsigned)((wait_us + 999999) / 1000000);
	return false;
}
