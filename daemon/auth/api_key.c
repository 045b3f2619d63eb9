/*
 * api_key: keys that are random, so that a plain SHA-256 of one tells nothing about it (RFC 4086: what
 * cannot be guessed needs no slow hash). The config has the hashes only.
 */
#define OPENSSL_API_COMPAT 0x10100000L /* SHA256_Init is "deprecated" since 3.0, and stays */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/auth/internal.h"

#define KEY_MAX_BYTES 1024
#define USER_DIGITS   12 /* of the hash, in the user's id, as in the original */

struct keys_state {
	struct principal **principals; /* as many as the settings have keys, in their order */
};

static int make_principal(
    struct provider *provider, const struct auth_key_settings *key, struct principal **ret)
{
	static const char digits[] = "0123456789abcdef";
	char user[sizeof("apikey_") + USER_DIGITS] = "apikey_";
	size_t n = strlen(user);
	for (size_t i = 0; i < USER_DIGITS / 2; i++) {
		user[n++] = digits[key->hash[i] >> 4];
		user[n++] = digits[key->hash[i] & 15];
	}
	user[n] = '\0';
	struct principal who = {
		.provider = provider->settings->name,
		.label = key->name,
		.user_id = user,
		.admin = key->admin,
		.sight = key->admin ? SEES_ALL : SEES_OWN,
		.agents = &key->agents,
		.rate = key->rate.count ? key->rate : provider->settings->rate,
	};
	*ret = principal_new(&who);
	return *ret ? 0 : -ENOMEM;
}

static int api_key_open(struct provider *provider, struct conf_errors *errors)
{
	(void)errors;
	const struct provider_settings *settings = provider->settings;
	struct keys_state *state = provider->state = calloc(1, sizeof(*state));
	if (!state)
		return -ENOMEM;
	state->principals = calloc(settings->key_count + 1, sizeof(*state->principals));
	if (!state->principals)
		return -ENOMEM;
	int error = 0;
	for (size_t i = 0; error == 0 && i < settings->key_count; i++)
		error = make_principal(provider, &settings->keys[i], &state->principals[i]);
	return error;
}

static void api_key_close(struct provider *provider)
{
	struct keys_state *state = provider->state;
	if (!state)
		return;
	for (size_t i = 0; state->principals && i < provider->settings->key_count; i++)
		principal_unref(state->principals[i]);
	free(state->principals);
	free(state);
}

/* Straight into libcrypto's SHA-256. Its EVP interface reads a configuration and sets up providers first,
 * which would cost every start of agentd 3 ms and a megabyte. */
static void make_hash(const char *key, size_t length, unsigned char hash[AUTH_HASH_SIZE])
{
	SHA256_CTX context;
	SHA256_Init(&context);
	SHA256_Update(&context, key, length);
	SHA256_Final(hash, &context);
}

/* All are compared, whole, so that the time it takes tells nothing. */
static struct principal *find(struct provider *provider, const unsigned char hash[AUTH_HASH_SIZE])
{
	const struct keys_state *state = provider->state;
	struct principal *found = NULL;
	for (size_t i = 0; i < provider->settings->key_count; i++)
		if (CRYPTO_memcmp(provider->settings->keys[i].hash, hash, AUTH_HASH_SIZE) == 0)
			found = state->principals[i];
	return found;
}

/* In its own header, or as a bearer; the header may be Authorization, which has the scheme in front. NULL:
 * there is none, and the verdict says what that means. */
static const char *find_key(const struct provider *provider, const struct auth_request *request,
    bool *ret_is_token, enum auth_verdict *ret_verdict, const char **ret_why)
{
	const char *header = provider->settings->header;
	*ret_is_token = false;
	if (strcasecmp(header, "Authorization") != 0) {
		const char *key = auth_header(request, header, ret_verdict, ret_why);
		if (key || *ret_verdict != AUTH_ANONYMOUS)
			return key;
	}
	const char *key = auth_bearer(request, ret_verdict, ret_why);
	*ret_is_token = key && auth_is_token(key);
	return key;
}

static enum auth_verdict api_key_ask(struct provider *provider, const struct auth_request *request,
    struct principal **ret_who, const char **ret_why)
{
	unsigned char hash[AUTH_HASH_SIZE];
	enum auth_verdict verdict;
	bool is_token;
	const char *key = find_key(provider, request, &is_token, &verdict, ret_why);
	if (!key)
		return verdict;
	size_t length = strnlen(key, KEY_MAX_BYTES + 1);
	*ret_why = "the key is not known";
	if (length > KEY_MAX_BYTES)
		return AUTH_REFUSED;
	make_hash(key, length, hash);
	struct principal *found = find(provider, hash);
	if (!found) /* a token is somebody else's to judge */
		return is_token ? AUTH_ANONYMOUS : AUTH_REFUSED;
	*ret_who = principal_ref(found);
	return AUTH_KNOWN;
}

const struct provider_type auth_api_key = { api_key_open, api_key_ask, api_key_close };
