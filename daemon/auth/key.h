/* key: keys and algorithms, as the files about tokens share them. Nothing outside this folder includes
 * it. */
#ifndef AGENTD_AUTH_KEY_H
#define AGENTD_AUTH_KEY_H

#include <cjose/cjose.h>
#include <stdint.h>

#include "daemon/auth/jwk.h"

/* Bytes of the largest number in a key: an RSA modulus of 8192 bits. Without a bound, whoever writes
 * the JWKS says how long a verification takes. */
#define KEY_NUMBER_MAX ((size_t)1024)

/* An EC key has its curve's type: each of ES256, ES384 and ES512 is bound to one curve. */
enum key_type { KEY_SECRET, KEY_RSA, KEY_P256, KEY_P384, KEY_P521 };

struct algorithm {
	const char *name;
	enum key_type type;
	size_t key_min;   /* bytes */
	size_t signature; /* bytes; 0: as many as the key */
};

/* NULL: not known, as "none" is not. */
const struct algorithm *algorithm_find(const char *name);

struct curve {
	const char *name; /* as in a JWK */
	cjose_jwk_ec_curve nid;
	enum key_type type;
	size_t bytes; /* of a coordinate */
};

#define CURVE_COUNT 3
extern const struct curve curves[CURVE_COUNT];

struct key {
	cjose_jwk_t *jwk;
	enum key_type type;
	size_t bytes;                 /* of the secret, the modulus, a coordinate */
	char *kid;                    /* NULL: it has none */
	const struct algorithm *only; /* borrowed, constant; NULL: any that fits the type */
};

struct jwk_set {
	unsigned refs;
	size_t count;
	struct key keys[];
};

/* Fill in jwk, type and bytes. 0; -EINVAL with why, a constant; or -ENOMEM. Leading zeros of an RSA
 * number are dropped; EC coordinates are as long as the curve's. */
int key_from_secret(struct key *key, const uint8_t *secret, size_t n, const char **ret_why);
int key_from_rsa(struct key *key, uint8_t *modulus, size_t modulus_length, uint8_t *exponent,
    size_t exponent_length, const char **ret_why);
int key_from_ec(
    struct key *key, const struct curve *curve, uint8_t *x, uint8_t *y, const char **ret_why);
void key_done(struct key *key);

/* With room for so many keys, none yet, and one reference; NULL: out of memory. */
struct jwk_set *jwk_set_new(size_t room);

enum key_search { KEY_FOUND, KEY_UNKNOWN, KEY_UNFIT, KEY_AMBIGUOUS };

/*
 * The key for a token. With a kid: KEY_UNKNOWN if no key has it, KEY_UNFIT if the algorithm is not for
 * any that has. Without (NULL): the one key that fits, KEY_UNFIT if none does, KEY_AMBIGUOUS if more
 * do. A kid is overlooked where the set is one key without.
 */
enum key_search key_find(const struct jwk_set *set, const char *kid,
    const struct algorithm *algorithm, const struct key **ret);

#endif
