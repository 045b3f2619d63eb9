/*
 * jwt: whether a signed JSON Web Token is good (RFC 7519; RFC 7515; RFC 8725 for what to watch).
 *
 * Three parts in strict base64url; a header and claims without duplicate members; an algorithm that the
 * rules list and that is made for the key; then the signature; then the claims. The key comes from the
 * set alone: a token that brings a key or says where to find one (jwk, jku, x5c, x5u) is refused, and so
 * is one with extensions (crit, b64), compressed or encrypted. The algorithm "none" does not exist.
 *
 * Pure: the time is passed in, nothing is fetched, nothing is kept. Loop thread only.
 */
#ifndef AGENTD_AUTH_JWT_H
#define AGENTD_AUTH_JWT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/auth/jwk.h"

#define JWT_MAX ((size_t)8192) /* bytes of a token */

/* All borrowed, for the time of the call. */
struct jwt_rules {
	const char *const *algorithms; /* of HS256 … HS512, RS256 …, PS256 …, ES256 … ES512 */
	size_t algorithm_count;
	const char *issuer;           /* what iss must be; NULL: anything, or none */
	const char *const *audiences; /* one of them must be in aud */
	size_t audience_count;        /* 0: aud may be anything, or missing */
	int64_t leeway_s;             /* not negative; how much clocks may differ */
};

enum jwt_verdict {
	JWT_GOOD,
	JWT_REFUSED,
	JWT_NO_KEY, /* its kid is not in the set: to fetch the set again may help */
	JWT_NO_MEMORY,
};

/*
 * The claims of a good token are the caller's: a JSON object; exp is a number, and nbf, iat, iss, sub
 * and aud are of their types where they are there. Otherwise ret_why says what was wrong, in words for
 * a log and for the client: a constant, with no part of the token in it.
 *
 * A token without a kid is good if exactly one key fits its algorithm. A kid does not matter where the
 * set is one key that has none, as from a secret or from PEM. Times are seconds since 1970.
 */
enum jwt_verdict jwt_verify(const struct jwk_set *keys, const struct jwt_rules *rules,
    const char *token, size_t length, int64_t now_s, json_t **ret_claims, const char **ret_why);

bool jwt_algorithm_is_known(const char *name);

#endif
