/* token: a jwt provider. Whether a token is good jwt.c knows, and where the keys come from keys.c. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/auth/internal.h"
#include "daemon/auth/jwk.h"
#include "daemon/auth/jwt.h"
#include "daemon/base/id.h"

#define USER_MAX_BYTES 256

struct token_state {
	struct jwt_rules rules;
	struct keys *keys;
};

static int token_open(struct provider *provider, struct conf_errors *errors)
{
	const struct provider_settings *settings = provider->settings;
	struct token_state *state = provider->state = calloc(1, sizeof(*state));
	if (!state)
		return -ENOMEM;
	state->rules = (struct jwt_rules){
		.algorithms = (const char *const *)settings->algorithms.items,
		.algorithm_count = settings->algorithms.count,
		.issuer = settings->issuer,
		.audiences = (const char *const *)settings->audience.items,
		.audience_count = settings->audience.count,
		.leeway_s = (settings->leeway_ms + 999) / 1000,
	};
	return keys_open(provider, errors, &state->keys);
}

static void token_close(struct provider *provider)
{
	struct token_state *state = provider->state;
	if (state)
		keys_free(state->keys);
	free(state);
}

int token_start(struct provider *provider)
{
	struct token_state *state = provider->state;
	return keys_start(state->keys);
}

void token_inherit(struct provider *provider, const struct provider *before)
{
	const struct token_state *state = provider->state, *other = before->state;
	keys_inherit(state->keys, other->keys);
}

/* sub, or what the original took in its place. NULL: it names nobody. */
static const char *user_of(const json_t *claims)
{
	static const char *const names[] = { "sub", "user_id", "id" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *user = json_string_value(json_object_get(claims, names[i]));
		if (user && *user)
			return user;
	}
	return NULL;
}

static bool user_is_good(const char *user)
{
	for (const char *c = user; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	return strlen(user) <= USER_MAX_BYTES;
}

/* Those of keys, of the control socket, and of chats: a token must not be taken for one of them. */
static bool user_is_reserved(const struct provider *provider, const char *user)
{
	return strncmp(user, "apikey_", 7) == 0 || strncmp(user, "unix_", 5) == 0 ||
	       auth_is_chat_user(provider->auth, user);
}

static enum auth_verdict make_principal(const struct provider *provider, const json_t *claims,
    struct principal **ret_who, const char **ret_why)
{
	const struct provider_settings *settings = provider->settings;
	const char *user = user_of(claims);
	*ret_why = "the token names no user (sub), or one that is no plain text of up to 256 bytes";
	if (!user || !user_is_good(user))
		return AUTH_REFUSED;
	*ret_why =
	    "the token's user begins as one of a key, of this machine or of a chat: apikey_, unix_, "
	    "PLATFORM:";
	if (user_is_reserved(provider, user))
		return AUTH_REFUSED;
	char *text = json_dumps(claims, JSON_COMPACT);
	if (!text)
		return AUTH_NO_MEMORY;
	bool admin = schema_list_has(&settings->admins, user);
	struct principal who = {
		.provider = settings->name,
		.user_id = user,
		.claims = text,
		.admin = admin,
		.sight = admin ? SEES_ALL : SEES_OWN,
		.rate = settings->rate,
	};
	*ret_who = principal_new(&who);
	free(text);
	return *ret_who ? AUTH_KNOWN : AUTH_NO_MEMORY;
}

static enum auth_verdict token_ask(struct provider *provider, const struct auth_request *request,
    struct principal **ret_who, const char **ret_why)
{
	struct token_state *state = provider->state;
	enum auth_verdict verdict;
	const char *token = auth_bearer(request, &verdict, ret_why);
	if (!token)
		return verdict;
	*ret_why = "what came is no token";
	if (!auth_is_token(token)) /* but may be a key */
		return AUTH_ANONYMOUS;
	const struct jwk_set *set = keys_current(state->keys);
	*ret_why = "the keys of the tokens' issuer could not be got";
	if (!set)
		return keys_renew(state->keys) ? AUTH_LATER : AUTH_UNAVAILABLE;

	json_t *claims = NULL;
	switch (jwt_verify(set, &state->rules, token, strlen(token),
	    (int64_t)(clock_wall_ms() / 1000), &claims, ret_why)) {
	case JWT_GOOD:
		verdict = make_principal(provider, claims, ret_who, ret_why);
		json_decref(claims);
		return verdict;
	case JWT_NO_KEY:
		return keys_renew(state->keys) ? AUTH_LATER : AUTH_REFUSED;
	case JWT_REFUSED:
		return AUTH_REFUSED;
	default:
		return AUTH_NO_MEMORY;
	}
}

const struct provider_type auth_jwt = { token_open, token_ask, token_close };
