/*
 * fuzz_jwt: any bytes as a token, as a JWKS, as PEM; and as the header and as the claims of a token
 * that is signed well, since no fuzzer finds a signature.
 *
 * What must hold: no token is good but the three that RFC 7515 signs; what is signed well is good only
 * if it says HS256 and a time to expire that has not come, and nothing that is refused.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/auth/jwt.h"
#include "daemon/base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW    1300819379
#define HEADER "{\"alg\":\"HS256\"}"
#define CLAIMS "{\"exp\":1300819380}"
#define SECRET "0123456789abcdef0123456789abcdef"
#define PAYLOAD \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

/* RFC 7515, appendix A.1 to A.3. */
static const char jwks[] =
    "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"},"
    "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"},"
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
static const char *const good[] = {
	"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." PAYLOAD
	".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
	"eyJhbGciOiJSUzI1NiJ9." PAYLOAD
	".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
	"eyJhbGciOiJFUzI1NiJ9." PAYLOAD
	".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
};
static const char *const algorithms[] = { "HS256", "HS384", "HS512", "RS256", "RS384", "RS512",
	"PS256", "PS384", "PS512", "ES256", "ES384", "ES512" };
static const struct jwt_rules rules = { .algorithms = algorithms, .algorithm_count = 12 };

static bool verify(const struct jwk_set *keys, const char *token, size_t n, json_t **ret_claims)
{
	const char *why = NULL;
	*ret_claims = NULL;
	enum jwt_verdict verdict = jwt_verify(keys, &rules, token, n, NOW, ret_claims, &why);
	if (verdict == JWT_GOOD ? !json_is_object(*ret_claims) : *ret_claims || !why)
		abort();
	return verdict == JWT_GOOD;
}

static void check_token(const struct jwk_set *keys, const char *bytes, size_t n)
{
	json_t *claims;
	bool known = false;
	if (!verify(keys, bytes, n, &claims))
		return;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		known = known || (n == strlen(good[i]) && memcmp(bytes, good[i], n) == 0);
	if (!known)
		abort();
	json_decref(claims);
}

/* EVP_EncodeBlock's, made url's. */
static void add_base64url(struct buf *out, const void *bytes, size_t n)
{
	char *text = malloc(n / 3 * 4 + 8);
	size_t length = (size_t)EVP_EncodeBlock((unsigned char *)text, bytes, (int)n);
	while (length && text[length - 1] == '=')
		length--;
	for (size_t i = 0; i < length; i++)
		text[i] = (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
	buf_add(out, text, length);
	free(text);
}

static void check_signed(
    const struct jwk_set *keys, const char *header, size_t n, const char *json, size_t m)
{
	unsigned char signature[32];
	struct buf token = { 0 };
	json_t *claims;
	add_base64url(&token, header, n);
	buf_add_str(&token, ".");
	add_base64url(&token, json, m);
	HMAC(EVP_sha256(), SECRET, (int)strlen(SECRET), (unsigned char *)token.data, token.length,
	    signature, NULL);
	buf_add_str(&token, ".");
	add_base64url(&token, signature, sizeof(signature));
	if (verify(keys, token.data, token.length, &claims)) {
		static const char *const never[] = { "crit", "b64", "jwk", "jku", "x5c", "x5u" };
		json_t *said = json_loadb(header, n, JSON_REJECT_DUPLICATES, NULL);
		const char *alg = json_string_value(json_object_get(said, "alg"));
		if (!alg || strcmp(alg, "HS256") != 0 ||
		    !(json_number_value(json_object_get(claims, "exp")) > NOW))
			abort();
		for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
			if (json_object_get(said, never[i]))
				abort();
		json_decref(said);
		json_decref(claims);
	}
	buf_done(&token);
}

/* A set that was read verifies or refuses, and is freed. */
static void check_set(int error, struct jwk_set *set, const char *reason)
{
	json_t *claims;
	if (error ? set != NULL || !reason[0] : jwk_set_count(set) == 0)
		abort();
	for (size_t i = 0; !error && i < sizeof(good) / sizeof(good[0]); i++)
		if (verify(set, good[i], strlen(good[i]), &claims))
			json_decref(claims);
	jwk_set_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct jwk_set *keys, *secret;
	const char *bytes = (const char *)data;
	char reason[256] = "";
	struct jwk_set *set = NULL;
	if (!keys &&
	    (jwk_set_from_jwks(jwks, strlen(jwks), &keys, reason, sizeof(reason)) < 0 ||
		jwk_set_from_secret(SECRET, strlen(SECRET), &secret, reason, sizeof(reason)) < 0))
		abort();
	check_token(keys, bytes, size);
	check_signed(secret, bytes, size, CLAIMS, strlen(CLAIMS));
	check_signed(secret, HEADER, strlen(HEADER), bytes, size);
	int error = jwk_set_from_jwks(bytes, size, &set, reason, sizeof(reason));
	check_set(error, set, reason);
	set = NULL;
	reason[0] = '\0';
	error = jwk_set_from_pem(bytes, size, &set, reason, sizeof(reason));
	check_set(error, set, reason);
	return 0;
}
