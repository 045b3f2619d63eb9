/*
 * jwk: the keys that tokens are verified with (RFC 7517, RFC 7518), as an immutable set.
 *
 * A set is made from one shared secret, one public key in PEM, or a JWKS document; the bytes are passed
 * in, not kept, and where they come from is the caller's business. Known are secrets for HMAC, RSA, and
 * EC on P-256, P-384 and P-521. Refused is what would only look safe: a secret shorter than the hash
 * (RFC 7518, section 3.2), RSA of fewer than 2048 bits (section 3.3) or with a public exponent that
 * anyone can invert, a private key in PEM. A certificate is an envelope for its key: its dates and who
 * signed it are not looked at.
 *
 * In a JWKS a key that cannot be used is skipped (RFC 7517, section 5) and the rest counts: a kty, crv
 * or alg not known here, use that is not sig, key_ops without verify, a weak or broken key. Private
 * members are not even read. Of several keys with one kid the first that fits a token's algorithm is
 * used and no other is tried, so that a token costs one verification.
 *
 * All three return 0; -EINVAL with a reason, which has no part of the input in it; or -ENOMEM.
 * Pure, except that OpenSSL reads its own configuration when it is first used. Loop thread only.
 */
#ifndef AGENTD_AUTH_JWK_H
#define AGENTD_AUTH_JWK_H

#include <stdbool.h>
#include <stddef.h>

#define JWK_TEXT_MAX ((size_t)256 << 10) /* bytes of a secret, a PEM text or a JWKS */
#define JWK_KEYS_MAX ((size_t)100)       /* entries of a JWKS, those that are skipped too */

struct jwk_set;

int jwk_set_from_secret(
    const char *secret, size_t n, struct jwk_set **ret, char *reason, size_t size);
/* "PUBLIC KEY", "RSA PUBLIC KEY" or "CERTIFICATE": exactly one of them. */
int jwk_set_from_pem(const char *pem, size_t n, struct jwk_set **ret, char *reason, size_t size);
int jwk_set_from_jwks(const char *json, size_t n, struct jwk_set **ret, char *reason, size_t size);
struct jwk_set *jwk_set_ref(struct jwk_set *set);
void jwk_set_free(struct jwk_set *set); /* gives a reference back */

/* How many keys can be used. */
size_t jwk_set_count(const struct jwk_set *set);
/* Whether some key fits an algorithm: if none does, tokens with it are always refused. HS384 wants a
 * secret of 48 bytes, HS512 one of 64. */
bool jwk_set_fits(const struct jwk_set *set, const char *algorithm);

#endif
