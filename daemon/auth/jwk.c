/* jwk: what a key must be, and which key a token gets. */
#include "daemon/auth/jwk.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/auth/key.h"

#define SECRET_MIN  32
#define MODULUS_MIN 256 /* bytes */

/* RFC 7518, sections 3.2 to 3.5. An ECDSA signature is two numbers as long as a coordinate. */
static const struct algorithm algorithms[] = {
	{ "HS256", KEY_SECRET, 32, 32 },
	{ "HS384", KEY_SECRET, 48, 48 },
	{ "HS512", KEY_SECRET, 64, 64 },
	{ "RS256", KEY_RSA, MODULUS_MIN, 0 },
	{ "RS384", KEY_RSA, MODULUS_MIN, 0 },
	{ "RS512", KEY_RSA, MODULUS_MIN, 0 },
	{ "PS256", KEY_RSA, MODULUS_MIN, 0 },
	{ "PS384", KEY_RSA, MODULUS_MIN, 0 },
	{ "PS512", KEY_RSA, MODULUS_MIN, 0 },
	{ "ES256", KEY_P256, 32, 64 },
	{ "ES384", KEY_P384, 48, 96 },
	{ "ES512", KEY_P521, 66, 132 },
};

const struct curve curves[CURVE_COUNT] = {
	{ "P-256", CJOSE_JWK_EC_P_256, KEY_P256, 32 },
	{ "P-384", CJOSE_JWK_EC_P_384, KEY_P384, 48 },
	{ "P-521", CJOSE_JWK_EC_P_521, KEY_P521, 66 },
};

int jwk_set_from_secret(
    const char *secret, size_t n, struct jwk_set **ret, char *reason, size_t size)
{
	const char *why;
	struct jwk_set *set = jwk_set_new(1);
	if (!set)
		return -ENOMEM;
	int error = key_from_secret(&set->keys[0], (const uint8_t *)secret, n, &why);
	if (error) {
		if (error == -EINVAL)
			snprintf(reason, size, "%s", why);
		jwk_set_free(set);
		return error;
	}
	set->count = 1;
	*ret = set;
	return 0;
}

struct jwk_set *jwk_set_ref(struct jwk_set *set)
{
	set->refs++;
	return set;
}

void jwk_set_free(struct jwk_set *set)
{
	if (!set || --set->refs)
		return;
	for (size_t i = 0; i < set->count; i++)
		key_done(&set->keys[i]);
	free(set);
}

size_t jwk_set_count(const struct jwk_set *set)
{
	return set->count;
}

static bool fits(const struct key *key, const struct algorithm *algorithm)
{
	return key->type == algorithm->type && key->bytes >= algorithm->key_min &&
	       (!key->only || key->only == algorithm);
}

bool jwk_set_fits(const struct jwk_set *set, const char *algorithm)
{
	const struct algorithm *found = algorithm_find(algorithm);
	for (size_t i = 0; found && i < set->count; i++)
		if (fits(&set->keys[i], found))
			return true;
	return false;
}

const struct algorithm *algorithm_find(const char *name)
{
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (strcmp(algorithms[i].name, name) == 0)
			return &algorithms[i];
	return NULL;
}

struct jwk_set *jwk_set_new(size_t room)
{
	struct jwk_set *set = calloc(1, sizeof(*set) + room * sizeof(set->keys[0]));
	if (set)
		set->refs = 1;
	return set;
}

void key_done(struct key *key)
{
	if (key->jwk)
		cjose_jwk_release(key->jwk);
	free(key->kid);
	*key = (struct key){ 0 };
}

/*
 * OpenSSL's errors wait in a queue of the thread, where somebody else would take them for his own. And
 * cjose says that memory is out when OpenSSL did not like a point: what OpenSSL says counts.
 */
static int refused(const cjose_err *error, const char *why, const char **ret_why)
{
	unsigned long cause = ERR_peek_last_error();
	ERR_clear_error();
	if (cause ? ERR_GET_REASON(cause) == ERR_R_MALLOC_FAILURE
		  : error->code == CJOSE_ERR_NO_MEMORY)
		return -ENOMEM;
	*ret_why = why;
	return -EINVAL;
}

int key_from_secret(struct key *key, const uint8_t *secret, size_t n, const char **ret_why)
{
	cjose_err error = { 0 };
	if (n < SECRET_MIN) {
		*ret_why = "a secret of fewer than 32 bytes can be guessed (RFC 7518, section 3.2)";
		return -EINVAL;
	}
	if (n > JWK_TEXT_MAX) {
		*ret_why = "a secret of more than 256 KiB";
		return -EINVAL;
	}
	key->jwk = cjose_jwk_create_oct_spec(secret, n, &error);
	if (!key->jwk)
		return refused(&error, "the secret cannot be used", ret_why);
	key->type = KEY_SECRET;
	key->bytes = n;
	return 0;
}

static void drop_zeros(uint8_t **number, size_t *n)
{
	while (*n && **number == 0) {
		++*number;
		--*n;
	}
}

/* An exponent of 1 makes every message its own signature; OpenSSL takes no more than 64 bits. */
static const char *wrong_with_rsa(
    const uint8_t *modulus, size_t n, const uint8_t *exponent, size_t m)
{
	if (n < MODULUS_MIN || (n == MODULUS_MIN && modulus[0] < 0x80))
		return "an RSA key of fewer than 2048 bits is weak (RFC 7518, section 3.3)";
	if (n > KEY_NUMBER_MAX)
		return "an RSA key of more than 8192 bits";
	if (modulus[n - 1] % 2 == 0)
		return "an RSA key with an even modulus";
	if (m == 0 || m > 8 || exponent[m - 1] % 2 == 0 || (m == 1 && exponent[0] == 1))
		return "an RSA key with an unsafe exponent";
	return NULL;
}

int key_from_rsa(struct key *key, uint8_t *modulus, size_t modulus_length, uint8_t *exponent,
    size_t exponent_length, const char **ret_why)
{
	cjose_err error = { 0 };
	drop_zeros(&modulus, &modulus_length);
	drop_zeros(&exponent, &exponent_length);
	const char *why = wrong_with_rsa(modulus, modulus_length, exponent, exponent_length);
	if (why) {
		*ret_why = why;
		return -EINVAL;
	}
	cjose_jwk_rsa_keyspec spec = {
		.n = modulus, .nlen = modulus_length, .e = exponent, .elen = exponent_length
	};
	key->jwk = cjose_jwk_create_RSA_spec(&spec, &error);
	if (!key->jwk)
		return refused(&error, "an RSA key that cannot be used", ret_why);
	key->type = KEY_RSA;
	key->bytes = modulus_length;
	return 0;
}

int key_from_ec(
    struct key *key, const struct curve *curve, uint8_t *x, uint8_t *y, const char **ret_why)
{
	cjose_err error = { 0 };
	cjose_jwk_ec_keyspec spec = {
		.crv = curve->nid, .x = x, .xlen = curve->bytes, .y = y, .ylen = curve->bytes
	};
	key->jwk = cjose_jwk_create_EC_spec(&spec, &error); /* checks that it is on the curve */
	if (!key->jwk)
		return refused(&error, "an EC key that is not on its curve", ret_why);
	key->type = curve->type;
	key->bytes = curve->bytes;
	return 0;
}

static enum key_search find_by_kid(const struct jwk_set *set, const char *kid,
    const struct algorithm *algorithm, const struct key **ret)
{
	enum key_search found = KEY_UNKNOWN;
	for (size_t i = 0; i < set->count; i++) {
		const struct key *key = &set->keys[i];
		if (!key->kid || strcmp(key->kid, kid) != 0)
			continue;
		found = KEY_UNFIT;
		if (fits(key, algorithm)) {
			*ret = key;
			return KEY_FOUND;
		}
	}
	return found;
}

enum key_search key_find(const struct jwk_set *set, const char *kid,
    const struct algorithm *algorithm, const struct key **ret)
{
	const struct key *found = NULL;
	if (kid && !(set->count == 1 && !set->keys[0].kid))
		return find_by_kid(set, kid, algorithm, ret);
	for (size_t i = 0; i < set->count; i++) {
		if (!fits(&set->keys[i], algorithm))
			continue;
		if (found)
			return KEY_AMBIGUOUS;
		found = &set->keys[i];
	}
	if (!found)
		return KEY_UNFIT;
	*ret = found;
	return KEY_FOUND;
}
