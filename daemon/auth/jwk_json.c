/* jwk_json: a JWKS document, key by key. Members that are not named here are not looked at. */
#include <errno.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/auth/base64url.h"
#include "daemon/auth/key.h"

/* A member that is base64url, of at most KEY_NUMBER_MAX bytes. */
static bool get_bytes(const json_t *entry, const char *member, uint8_t *into, size_t *ret_n)
{
	const json_t *value = json_object_get(entry, member);
	size_t length = json_string_length(value);
	if (length == 0 || BASE64URL_DECODED(length) > KEY_NUMBER_MAX ||
	    base64url_decode(json_string_value(value), length, into) < 0)
		return false;
	*ret_n = BASE64URL_DECODED(length);
	return true;
}

static int read_secret(struct key *key, const json_t *entry, const char **ret_why)
{
	uint8_t secret[KEY_NUMBER_MAX];
	size_t n;
	int error = -EINVAL;
	*ret_why = "k is missing or broken";
	if (get_bytes(entry, "k", secret, &n))
		error = key_from_secret(key, secret, n, ret_why);
	OPENSSL_cleanse(secret, sizeof(secret));
	return error;
}

static int read_rsa(struct key *key, const json_t *entry, const char **ret_why)
{
	uint8_t modulus[KEY_NUMBER_MAX], exponent[KEY_NUMBER_MAX];
	size_t n, m;
	*ret_why = "n or e is missing or broken";
	if (!get_bytes(entry, "n", modulus, &n) || !get_bytes(entry, "e", exponent, &m))
		return -EINVAL;
	return key_from_rsa(key, modulus, n, exponent, m, ret_why);
}

static int read_ec(struct key *key, const json_t *entry, const char **ret_why)
{
	uint8_t x[KEY_NUMBER_MAX], y[KEY_NUMBER_MAX];
	size_t n, m;
	const char *name = json_string_value(json_object_get(entry, "crv"));
	const struct curve *curve = NULL;
	for (size_t i = 0; name && i < CURVE_COUNT; i++)
		if (strcmp(curves[i].name, name) == 0)
			curve = &curves[i];
	*ret_why = "its crv is not P-256, P-384 or P-521";
	if (!curve)
		return -EINVAL;
	*ret_why = "x or y is missing or broken";
	if (!get_bytes(entry, "x", x, &n) || !get_bytes(entry, "y", y, &m) || n != curve->bytes ||
	    m != curve->bytes)
		return -EINVAL;
	return key_from_ec(key, curve, x, y, ret_why);
}

static const struct {
	const char *kty;
	int (*read)(struct key *key, const json_t *entry, const char **ret_why);
} types[] = {
	{ "RSA", read_rsa },
	{ "EC", read_ec },
	{ "oct", read_secret },
};

/* use and key_ops (RFC 7517, sections 4.2 and 4.3). */
static bool is_to_verify(const json_t *entry)
{
	const json_t *use = json_object_get(entry, "use"), *operations, *operation;
	const char *text = json_string_value(use);
	size_t i;
	if (use && (!text || strcmp(text, "sig") != 0))
		return false;
	operations = json_object_get(entry, "key_ops");
	if (!operations)
		return true;
	json_array_foreach (operations, i, operation) {
		text = json_string_value(operation);
		if (text && strcmp(text, "verify") == 0)
			return true;
	}
	return false;
}

/* What a key says of itself beside its numbers. */
static int read_about(struct key *key, const json_t *entry, const char **ret_why)
{
	const json_t *kid = json_object_get(entry, "kid"), *alg = json_object_get(entry, "alg");
	if (!is_to_verify(entry)) {
		*ret_why = "its use or key_ops is not to verify";
		return -EINVAL;
	}
	if (alg) {
		const char *name = json_string_value(alg);
		key->only = name ? algorithm_find(name) : NULL;
		if (!key->only) {
			*ret_why = "its alg is not known";
			return -EINVAL;
		}
	}
	if (!kid)
		return 0;
	if (!json_is_string(kid)) {
		*ret_why = "its kid is not a string";
		return -EINVAL;
	}
	key->kid = strdup(json_string_value(kid));
	return key->kid ? 0 : -ENOMEM;
}

static int read_key(struct key *key, const json_t *entry, const char **ret_why)
{
	const char *kty = json_string_value(json_object_get(entry, "kty"));
	int error = -EINVAL;
	*ret_why = "its kty is not RSA, EC or oct";
	for (size_t i = 0; kty && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].kty, kty) == 0)
			error = types[i].read(key, entry, ret_why);
	if (!error)
		error = read_about(key, entry, ret_why);
	if (!error && key->only &&
	    (key->only->type != key->type || key->bytes < key->only->key_min)) {
		*ret_why = "its alg is not for such a key";
		error = -EINVAL;
	}
	if (error)
		key_done(key);
	return error;
}

static int read_keys(const json_t *keys, struct jwk_set *set, char *reason, size_t size)
{
	const json_t *entry;
	const char *why, *first = NULL;
	size_t i, first_at = 0;
	json_array_foreach (keys, i, entry) {
		int error = read_key(&set->keys[set->count], entry, &why);
		if (error == -ENOMEM)
			return error;
		if (!error) {
			set->count++;
		} else if (!first) {
			first = why;
			first_at = i + 1;
		}
	}
	if (set->count)
		return 0;
	if (first)
		snprintf(reason, size, "no key can be used; key %zu: %s", first_at, first);
	else
		snprintf(reason, size, "there is no key in it");
	return -EINVAL;
}

int jwk_set_from_jwks(const char *json, size_t n, struct jwk_set **ret, char *reason, size_t size)
{
	json_error_t at = { 0 }; /* jansson may leave it alone, when memory is out */
	if (n > JWK_TEXT_MAX) {
		snprintf(reason, size, "more than %zu bytes", JWK_TEXT_MAX);
		return -EINVAL;
	}
	json_t *document = json_loadb(n ? json : "", n, JSON_REJECT_DUPLICATES, &at);
	if (!document) {
		if (json_error_code(&at) <= json_error_out_of_memory)
			return -ENOMEM;
		snprintf(reason, size, "not JSON at line %d, column %d", at.line, at.column);
		return -EINVAL;
	}
	int error = -EINVAL;
	struct jwk_set *set = NULL;
	const json_t *keys = json_object_get(document, "keys");
	if (!json_is_array(keys)) {
		snprintf(reason, size, "not a JWKS: it has no list \"keys\"");
		goto done;
	}
	if (json_array_size(keys) > JWK_KEYS_MAX) {
		snprintf(reason, size, "more than %zu keys", JWK_KEYS_MAX);
		goto done;
	}
	error = -ENOMEM;
	set = jwk_set_new(json_array_size(keys));
	if (!set)
		goto done;
	error = read_keys(keys, set, reason, size);
	if (!error) {
		*ret = set;
		set = NULL;
	}
done:
	jwk_set_free(set);
	json_decref(document);
	return error;
}
