/* jwt, jwk: tokens that are good, and every way known of forging one. Tokens are signed here, with
 * OpenSSL and not with the library that verifies them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/auth/base64url.h"
#include "daemon/auth/jwt.h"
#include "daemon/base/buf.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW          1000000
#define SECRET       "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CLAIMS       "{\"exp\":1000100,\"sub\":\"joe\"}"

static const char *const all[] = { "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256",
	"PS384", "PS512", "ES256", "ES384", "ES512" };
static const char *const kids[] = { "h", "h", "h", "r", "r", "r", "r", "r", "r", "e256", "e384",
	"e512" };
static const struct jwt_rules any = { .algorithms = all, .algorithm_count = COUNT(all) };

static EVP_PKEY *rsa, *other_rsa, *weak_rsa, *p256, *p384, *p521;
static char *public_pem; /* of rsa */
static struct jwk_set *keys;

/* What the last call said. */
static const char *why;
static char reason[256];

static char *encode(const void *bytes, size_t n)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const uint8_t *in = bytes;
	struct buf out = { 0 };
	for (size_t i = 0; i < n * 8; i += 6) {
		unsigned two = (unsigned)in[i / 8] << 8 | (i / 8 + 1 < n ? in[i / 8 + 1] : 0u);
		buf_add(&out, &alphabet[two >> (10 - i % 8) & 63], 1);
	}
	buf_add(&out, "", 0);
	return out.length ? buf_take(&out) : strdup("");
}

static EVP_PKEY *signing_key(const char *alg)
{
	if (alg[0] == 'R' || alg[0] == 'P')
		return rsa;
	return alg[2] == '2' ? p256 : alg[2] == '3' ? p384 : p521;
}

/* r and s of a DER signature, side by side. */
static size_t raw_of_der(const uint8_t *der, size_t n, size_t half, uint8_t *out)
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
	assert_non_null(sig);
	BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, (int)half);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + half, (int)half);
	ECDSA_SIG_free(sig);
	return 2 * half;
}

static size_t sign_with(EVP_PKEY *key, const char *alg, const char *text, size_t n, uint8_t *out)
{
	static uint8_t der[1024];
	EVP_PKEY_CTX *settings;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const EVP_MD *md = alg[2] == '2'   ? EVP_sha256()
			   : alg[2] == '3' ? EVP_sha384()
					   : EVP_sha512();
	size_t length = sizeof(der);
	assert_int_equal(EVP_DigestSignInit(ctx, &settings, md, NULL, key), 1);
	if (alg[0] == 'P') {
		EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST);
	}
	assert_int_equal(EVP_DigestSign(ctx, der, &length, (const uint8_t *)text, n), 1);
	EVP_MD_CTX_free(ctx);
	if (alg[0] == 'E')
		return raw_of_der(der, length, ((size_t)EVP_PKEY_get_bits(key) + 7) / 8, out);
	memcpy(out, der, length);
	return length;
}

static size_t hmac(const char *secret, const char *alg, const char *text, size_t n, uint8_t *out)
{
	const EVP_MD *md = alg[2] == '2'   ? EVP_sha256()
			   : alg[2] == '3' ? EVP_sha384()
					   : EVP_sha512();
	unsigned length = 0;
	assert_non_null(
	    HMAC(md, secret, (int)strlen(secret), (const uint8_t *)text, n, out, &length));
	return length;
}

/* header.claims, without a signature. */
static struct buf start(const char *header, const char *claims)
{
	struct buf out = { 0 };
	char *a = encode(header, strlen(header)), *b = encode(claims, strlen(claims));
	buf_addf(&out, "%s.%s", a, b);
	free(a);
	free(b);
	return out;
}

static char *finish(struct buf *token, const uint8_t *signature, size_t n)
{
	char *text = encode(signature, n);
	buf_addf(token, ".%s", text);
	free(text);
	return buf_take(token);
}

/* Signed as `alg` would be, whatever the header says; to be freed. */
static char *make(const char *alg, const char *header, const char *claims)
{
	static uint8_t signature[1024];
	struct buf token = start(header, claims);
	size_t n = alg[0] == 'H'
		       ? hmac(SECRET, alg, token.data, token.length, signature)
		       : sign_with(signing_key(alg), alg, token.data, token.length, signature);
	return finish(&token, signature, n);
}

static char *make_simple(const char *alg, const char *kid, const char *claims)
{
	char header[128];
	snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\"}", alg, kid);
	return make(alg, header, claims);
}

static enum jwt_verdict verify_with(const struct jwk_set *set, const struct jwt_rules *rules,
    const char *token, size_t n, int64_t now_s)
{
	json_t *claims = NULL;
	why = "";
	enum jwt_verdict verdict = jwt_verify(set, rules, token, n, now_s, &claims, &why);
	assert_true(verdict == JWT_GOOD ? json_is_object(claims) : claims == NULL);
	assert_true(verdict == JWT_GOOD || why[0]);
	assert_int_equal(ERR_peek_error(), 0); /* nothing left for others to stumble over */
	json_decref(claims);
	return verdict;
}

static enum jwt_verdict verify(const char *token)
{
	return verify_with(keys, &any, token, strlen(token), NOW);
}

/* Verifies, and frees the token. */
static enum jwt_verdict verify_free(char *token)
{
	enum jwt_verdict verdict = verify(token);
	free(token);
	return verdict;
}

static void assert_refused(char *token, const char *expected)
{
	assert_int_equal(verify_free(token), JWT_REFUSED);
	assert_string_equal(why, expected);
}

/* A number of a public key as a member of a JWK. */
static void add_number(
    struct buf *out, const char *member, EVP_PKEY *key, const char *name, int length)
{
	uint8_t bytes[1024];
	BIGNUM *number = NULL;
	assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
	int n = length ? length : BN_num_bytes(number);
	assert_int_equal(BN_bn2binpad(number, bytes, n), n);
	BN_free(number);
	char *text = encode(bytes, (size_t)n);
	buf_addf(out, ",\"%s\":\"%s\"", member, text);
	free(text);
}

/* Without the brace at the end, so that more can be said. */
static void add_jwk(struct buf *out, EVP_PKEY *key)
{
	int bits = EVP_PKEY_get_bits(key), n = (bits + 7) / 8;
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
		buf_add_str(out, "{\"kty\":\"RSA\"");
		add_number(out, "n", key, OSSL_PKEY_PARAM_RSA_N, 0);
		add_number(out, "e", key, OSSL_PKEY_PARAM_RSA_E, 0);
		return;
	}
	buf_addf(out, "{\"kty\":\"EC\",\"crv\":\"P-%d\"", bits);
	add_number(out, "x", key, OSSL_PKEY_PARAM_EC_PUB_X, n);
	add_number(out, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y, n);
}

static void add_secret_jwk(struct buf *out, const char *secret)
{
	char *text = encode(secret, strlen(secret));
	buf_addf(out, "{\"kty\":\"oct\",\"k\":\"%s\"", text);
	free(text);
}

static struct jwk_set *read_jwks(struct buf *text)
{
	struct jwk_set *set = NULL;
	reason[0] = '\0';
	assert_false(text->failed);
	int error = jwk_set_from_jwks(text->data, text->length, &set, reason, sizeof(reason));
	assert_true(error ? error == -EINVAL && !set && reason[0] : set && !reason[0]);
	assert_int_equal(ERR_peek_error(), 0);
	buf_done(text);
	return set;
}

/* A document with one key and what is said of it. */
static struct jwk_set *read_one(EVP_PKEY *key, const char *about)
{
	struct buf text = { 0 };
	buf_add_str(&text, "{\"keys\":[");
	add_jwk(&text, key);
	buf_addf(&text, "%s}]}", about);
	return read_jwks(&text);
}

static struct jwk_set *read_text(const char *json)
{
	struct buf text = { 0 };
	buf_add_str(&text, json);
	return read_jwks(&text);
}

/* What PEM_write_bio_… wrote. */
static char *take_bio(BIO *bio)
{
	char *data;
	long n = BIO_get_mem_data(bio, &data);
	char *text = strndup(data, (size_t)n);
	BIO_free(bio);
	return text;
}

static char *pem_of(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PUBKEY(bio, key);
	return take_bio(bio);
}

static char *private_pem_of(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	return take_bio(bio);
}

static char *certificate_of(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	X509 *certificate = X509_new();
	X509_gmtime_adj(X509_getm_notBefore(certificate), -20);
	X509_gmtime_adj(X509_getm_notAfter(certificate), -10);
	X509_set_pubkey(certificate, key);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	PEM_write_bio_X509(bio, certificate);
	X509_free(certificate);
	return take_bio(bio);
}

static char *pkcs1_of(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	unsigned char *der = NULL;
	int n = i2d_PublicKey(key, &der);
	PEM_write_bio(bio, PEM_STRING_RSA_PUBLIC, "", der, n);
	OPENSSL_free(der);
	return take_bio(bio);
}

/* Reads and frees a PEM text. */
static struct jwk_set *read_pem(char *pem)
{
	struct jwk_set *set = NULL;
	reason[0] = '\0';
	int error = jwk_set_from_pem(pem, strlen(pem), &set, reason, sizeof(reason));
	assert_true(error ? error == -EINVAL && !set && reason[0] : set && !reason[0]);
	assert_int_equal(ERR_peek_error(), 0);
	free(pem);
	return set;
}

static int set_up(void **state)
{
	(void)state;
	EVP_PKEY *ec[] = { EVP_EC_gen("P-256"), EVP_EC_gen("P-384"), EVP_EC_gen("P-521") };
	p256 = ec[0], p384 = ec[1], p521 = ec[2];
	rsa = EVP_RSA_gen(2048);
	other_rsa = EVP_RSA_gen(2048);
	weak_rsa = EVP_RSA_gen(1024);
	public_pem = pem_of(rsa);
	struct buf text = { 0 };
	buf_add_str(&text, "{\"keys\":[");
	add_jwk(&text, rsa);
	buf_add_str(&text, ",\"kid\":\"r\",\"use\":\"sig\"},");
	for (size_t i = 0; i < COUNT(ec); i++) {
		add_jwk(&text, ec[i]);
		buf_addf(&text, ",\"kid\":\"%s\",\"key_ops\":[\"verify\"]},", kids[9 + i]);
	}
	add_secret_jwk(&text, SECRET);
	buf_add_str(&text, ",\"kid\":\"h\"}]}");
	keys = read_jwks(&text);
	return keys ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	jwk_set_free(keys);
	free(public_pem);
	EVP_PKEY *made[] = { rsa, other_rsa, weak_rsa, p256, p384, p521 };
	for (size_t i = 0; i < COUNT(made); i++)
		EVP_PKEY_free(made[i]);
	return 0;
}

/* base64url takes one text for each value, and no other. */
static void test_base64url(void **state)
{
	(void)state;
	static const char *const bad[] = { "A", "AAAAA", "AB", "AAB", "A=", "AA==", "AAA=", "A A",
		"AA\n", "+A", "/A", "A.", "\x80\x80", "AAAAAB" };
	uint8_t bytes[64], back[64];
	for (size_t n = 0; n < sizeof(bytes); n++) {
		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)(i * 89 + n * 57);
		char *text = encode(bytes, n);
		assert_int_equal(BASE64URL_DECODED(strlen(text)), n);
		assert_true(base64url_is_good(text, strlen(text)));
		assert_int_equal(base64url_decode(text, strlen(text), back), 0);
		assert_memory_equal(bytes, back, n);
		free(text);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_false(base64url_is_good(bad[i], strlen(bad[i])));
		assert_int_equal(base64url_decode(bad[i], strlen(bad[i]), back), -EINVAL);
	}
}

/* Every algorithm verifies what OpenSSL signs, and no other algorithm takes that signature. */
static void test_all_algorithms(void **state)
{
	(void)state;
	char header[64];
	for (size_t i = 0; i < COUNT(all); i++) {
		assert_true(jwt_algorithm_is_known(all[i]));
		assert_true(jwk_set_fits(keys, all[i]));
		for (size_t j = 0; j < COUNT(all); j++) {
			snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"%s\"}", all[j],
			    kids[j]);
			assert_int_equal(verify_free(make(all[i], header, CLAIMS)),
			    i == j ? JWT_GOOD : JWT_REFUSED);
		}
	}
	assert_false(jwt_algorithm_is_known("none"));
	assert_false(jwt_algorithm_is_known("EdDSA"));
	assert_false(jwt_algorithm_is_known("hs256"));
}

#define RFC_CLAIMS \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

static const struct {
	const char *keys, *token;
} rfc[] = {
	{ "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}]}",
	    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." RFC_CLAIMS
	    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" },
	{ "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}]}",
	    "eyJhbGciOiJSUzI1NiJ9." RFC_CLAIMS
	    ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw" },
	{ "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}]}",
	    "eyJhbGciOiJFUzI1NiJ9." RFC_CLAIMS
	    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q" },
};

/* The examples of RFC 7515, appendix A.1 to A.3, are good until they expire. */
static void test_rfc_examples(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rfc); i++) {
		struct jwk_set *set = read_text(rfc[i].keys);
		size_t n = strlen(rfc[i].token);
		assert_non_null(set);
		assert_int_equal(verify_with(set, &any, rfc[i].token, n, 1300819379), JWT_GOOD);
		assert_int_equal(verify_with(set, &any, rfc[i].token, n, 1300819380), JWT_REFUSED);
		assert_string_equal(why, "the token has expired");
		jwk_set_free(set);
	}
}

/* A token that is good in all but its header is refused for its header. */
static void test_headers(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		enum jwt_verdict verdict;
		const char *why;
	} rows[] = {
		{ "{\"alg\":\"HS256\",\"kid\":\"h\"}", JWT_GOOD, "" },
		{ "{\"alg\":\"HS256\",\"kid\":\"h\",\"typ\":\"JWT\"}", JWT_GOOD, "" },
		{ "{\"alg\":\"HS256\",\"kid\":\"h\",\"typ\":\"at+JWT\"}", JWT_GOOD, "" },
		{ "{\"alg\":\"HS256\",\"kid\":\"h\",\"typ\":\"application/at+jwt\"}", JWT_GOOD,
		    "" },
		{ "{\"alg\":\"HS256\",\"kid\":\"h\",\"x5t\":\"abc\",\"more\":[{}]}", JWT_GOOD, "" },
		{ "{\"alg\":\"HS256\"}", JWT_GOOD, "" }, /* only one key is for HS256 */
		{ "{\"alg\":\"RS256\"}", JWT_REFUSED, "the token's signature is wrong" },
		{ "{\"alg\":\"none\"}", JWT_REFUSED, "the token's algorithm is not allowed" },
		{ "{\"alg\":\"None\"}", JWT_REFUSED, "the token's algorithm is not allowed" },
		{ "{\"alg\":\"nOnE\"}", JWT_REFUSED, "the token's algorithm is not allowed" },
		{ "{\"alg\":\"hs256\"}", JWT_REFUSED, "the token's algorithm is not allowed" },
		{ "{\"alg\":\"HS256 \"}", JWT_REFUSED, "the token's algorithm is not allowed" },
		{ "{\"alg\":\"\"}", JWT_REFUSED, "the token's algorithm is not allowed" },
		{ "{\"alg\":null}", JWT_REFUSED, "the token's algorithm is not allowed" },
		{ "{\"alg\":[\"HS256\"]}", JWT_REFUSED, "the token's algorithm is not allowed" },
		{ "{\"kid\":\"h\"}", JWT_REFUSED, "the token's algorithm is not allowed" },
		{ "{\"alg\":\"HS256\",\"kid\":\"H\"}", JWT_NO_KEY, "the token's key is not known" },
		{ "{\"alg\":\"HS256\",\"kid\":\"\"}", JWT_NO_KEY, "the token's key is not known" },
		{ "{\"alg\":\"HS256\",\"kid\":1}", JWT_REFUSED, "the token's kid is not a string" },
		{ "{\"alg\":\"HS256\",\"kid\":null}", JWT_REFUSED,
		    "the token's kid is not a string" },
		{ "{\"alg\":\"HS256\",\"kid\":\"r\"}", JWT_REFUSED,
		    "the token's algorithm is not for its key" },
		{ "{\"alg\":\"ES256\",\"kid\":\"r\"}", JWT_REFUSED,
		    "the token's algorithm is not for its key" },
		{ "{\"alg\":\"ES256\",\"kid\":\"e384\"}", JWT_REFUSED,
		    "the token's algorithm is not for its key" },
		{ "{\"alg\":\"RS256\",\"kid\":\"h\"}", JWT_REFUSED,
		    "the token's algorithm is not for its key" },
		{ "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", JWT_REFUSED,
		    "the token has critical extensions" },
		{ "{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", JWT_REFUSED,
		    "the token has critical extensions" },
		{ "{\"alg\":\"HS256\",\"crit\":[]}", JWT_REFUSED,
		    "the token has critical extensions" },
		{ "{\"alg\":\"HS256\",\"crit\":null}", JWT_REFUSED,
		    "the token has critical extensions" },
		{ "{\"alg\":\"HS256\",\"b64\":true}", JWT_REFUSED,
		    "the token has critical extensions" },
		{ "{\"alg\":\"HS256\",\"jku\":\"https://a.example/\"}", JWT_REFUSED,
		    "the token says where its key is" },
		{ "{\"alg\":\"HS256\",\"x5u\":\"https://a.example/\"}", JWT_REFUSED,
		    "the token says where its key is" },
		{ "{\"alg\":\"HS256\",\"x5c\":[\"MII\"]}", JWT_REFUSED,
		    "the token brings its own key" },
		{ "{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}}", JWT_REFUSED,
		    "the token brings its own key" },
		{ "{\"alg\":\"HS256\",\"zip\":\"DEF\"}", JWT_REFUSED, "the token is compressed" },
		{ "{\"alg\":\"HS256\",\"enc\":\"A128GCM\"}", JWT_REFUSED,
		    "the token is encrypted" },
		{ "{\"alg\":\"HS256\",\"typ\":\"JWE\"}", JWT_REFUSED,
		    "the token is of another type than JWT" },
		{ "{\"alg\":\"HS256\",\"typ\":\"dpop+jwt\"}", JWT_REFUSED,
		    "the token is of another type than JWT" },
		{ "{\"alg\":\"HS256\",\"typ\":1}", JWT_REFUSED,
		    "the token is of another type than JWT" },
		{ "{\"alg\":\"HS256\",\"alg\":\"HS256\"}", JWT_REFUSED,
		    "the token's header is not a JSON object without duplicates" },
		{ "{\"alg\":\"none\",\"\\u0061lg\":\"HS256\"}", JWT_REFUSED,
		    "the token's header is not a JSON object without duplicates" },
		{ "{\"alg\":\"HS256\\u0000\"}", JWT_REFUSED,
		    "the token's header is not a JSON object without duplicates" },
		{ "{\"alg\":\"HS256\"} x", JWT_REFUSED,
		    "the token's header is not a JSON object without duplicates" },
		{ "{\"alg\":\"HS256\",}", JWT_REFUSED,
		    "the token's header is not a JSON object without duplicates" },
		{ "{\"alg\":\"HS256\",\"x\":\"\xff\"}", JWT_REFUSED,
		    "the token's header is not a JSON object without duplicates" },
		{ "[\"HS256\"]", JWT_REFUSED,
		    "the token's header is not a JSON object without duplicates" },
		{ "\"HS256\"", JWT_REFUSED,
		    "the token's header is not a JSON object without duplicates" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		enum jwt_verdict verdict = verify_free(make("HS256", rows[i].header, CLAIMS));
		if (verdict != rows[i].verdict || strcmp(why, rows[i].why) != 0)
			fail_msg("%s: %d %s", rows[i].header, (int)verdict, why);
	}
}

/* A token that is signed well is refused for its claims. */
static void test_claims(void **state)
{
	(void)state;
	static const char expired[] = "the token has expired",
			  number[] = "a time in the token is not a number",
			  early[] = "the token is not valid yet",
			  future[] = "the token is from the future",
			  broken[] = "the token's claims are not a JSON object without duplicates",
			  text[] = "the token's iss or sub is not a string",
			  list[] = "the token's aud is not a string or a list of strings";
	static const struct {
		const char *claims, *why; /* NULL: good */
	} rows[] = {
		{ "{\"exp\":1000001}", NULL },
		{ "{\"exp\":1000000.5}", NULL },
		{ "{\"exp\":1e6}", expired },
		{ "{\"exp\":1000000}", expired },
		{ "{\"exp\":0}", expired },
		{ "{\"exp\":-1}", expired },
		{ "{\"exp\":-9223372036854775808}", expired },
		{ "{\"exp\":-1e308}", expired },
		{ "{\"exp\":9223372036854775807}", NULL },
		{ "{\"exp\":1e308}", NULL },
		{ "{\"exp\":1e999}", broken },
		{ "{\"exp\":9223372036854775808}", broken },
		{ "{\"exp\":NaN}", broken },
		{ "{\"exp\":\"1000100\"}", number },
		{ "{\"exp\":null}", number },
		{ "{\"exp\":true}", number },
		{ "{\"exp\":[1000100]}", number },
		{ "{}", "the token has no exp" },
		{ "{\"sub\":\"joe\"}", "the token has no exp" },
		{ "{\"exp\":1000100,\"nbf\":1000000}", NULL },
		{ "{\"exp\":1000100,\"nbf\":1000001}", early },
		{ "{\"exp\":1000100,\"nbf\":1000000.5}", early },
		{ "{\"exp\":1000100,\"nbf\":9223372036854775807}", early },
		{ "{\"exp\":1000100,\"nbf\":-9223372036854775808}", NULL },
		{ "{\"exp\":1000100,\"nbf\":\"0\"}", number },
		{ "{\"exp\":1000100,\"nbf\":null}", number },
		{ "{\"exp\":1000100,\"iat\":999999.9}", NULL },
		{ "{\"exp\":1000100,\"iat\":1000001}", future },
		{ "{\"exp\":1000100,\"iat\":1e308}", future },
		{ "{\"exp\":1000100,\"iat\":\"0\"}", number },
		{ "{\"exp\":1000100,\"exp\":1000100}", broken },
		{ "{\"exp\":1,\"\\u0065xp\":1000100}", broken },
		{ "{\"exp\":1000100,\"a\":{\"b\":1,\"b\":2}}", broken },
		{ "{\"exp\":1000100,\"sub\":\"a\\u0000b\"}", broken },
		{ "{\"exp\":1000100,\"sub\":\"\xc0\x80\"}", broken },
		{ "{\"exp\":1000100}{}", broken },
		{ "[{\"exp\":1000100}]", broken },
		{ "1000100", broken },
		{ "eyJhbGciOiJub25lIn0.e30.", broken }, /* a token in a token */
		{ "{\"exp\":1000100,\"sub\":7}", text },
		{ "{\"exp\":1000100,\"iss\":[\"a\"]}", text },
		{ "{\"exp\":1000100,\"aud\":\"other\"}", NULL },
		{ "{\"exp\":1000100,\"aud\":[\"other\",\"more\"]}", NULL },
		{ "{\"exp\":1000100,\"aud\":[]}", NULL },
		{ "{\"exp\":1000100,\"aud\":7}", list },
		{ "{\"exp\":1000100,\"aud\":[\"a\",7]}", list },
		{ "{\"exp\":1000100,\"aud\":{\"a\":1}}", list },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		enum jwt_verdict verdict = verify_free(make_simple("HS256", "h", rows[i].claims));
		if (verdict != (rows[i].why ? JWT_REFUSED : JWT_GOOD) ||
		    (rows[i].why && strcmp(why, rows[i].why) != 0))
			fail_msg("%s: %d %s", rows[i].claims, (int)verdict, why);
	}
}

/* Clocks may differ by the leeway, both ways, and no sum overflows. */
static void test_leeway(void **state)
{
	(void)state;
	char *token =
	    make_simple("HS256", "h", "{\"exp\":1000100,\"nbf\":1000000,\"iat\":1000000}");
	struct jwt_rules rules = any;
	size_t n = strlen(token);
	rules.leeway_s = 60;
	assert_int_equal(verify_with(keys, &rules, token, n, 1000159), JWT_GOOD);
	assert_int_equal(verify_with(keys, &rules, token, n, 1000160), JWT_REFUSED);
	assert_int_equal(verify_with(keys, &rules, token, n, 999940), JWT_GOOD);
	assert_int_equal(verify_with(keys, &rules, token, n, 999939), JWT_REFUSED);
	assert_int_equal(verify_with(keys, &rules, token, n, INT64_MIN), JWT_REFUSED);
	assert_int_equal(verify_with(keys, &rules, token, n, INT64_MAX), JWT_REFUSED);
	rules.leeway_s = INT64_MAX;
	assert_int_equal(verify_with(keys, &rules, token, n, 2000000), JWT_GOOD);
	assert_int_equal(verify_with(keys, &rules, token, n, INT64_MAX), JWT_GOOD);
	free(token);
}

/* The issuer is the one that is asked for, and the token is for one of the audiences. */
static void test_issuer_and_audience(void **state)
{
	(void)state;
	static const char *const audiences[] = { "me", "us" };
	static const char other[] = "the token is for another audience",
			  issuer[] = "the token is from another issuer";
	static const struct {
		const char *claims, *why;
	} rows[] = {
		{ "{\"exp\":1000100,\"iss\":\"https://a/\",\"aud\":\"me\"}", NULL },
		{ "{\"exp\":1000100,\"iss\":\"https://a/\",\"aud\":[\"x\",\"us\"]}", NULL },
		{ "{\"exp\":1000100,\"iss\":\"https://a/\",\"aud\":[\"us\",7]}",
		    "the token's aud is not a string or a list of strings" },
		{ "{\"exp\":1000100,\"iss\":\"https://a/\",\"aud\":[\"x\"]}", other },
		{ "{\"exp\":1000100,\"iss\":\"https://a/\",\"aud\":[]}", other },
		{ "{\"exp\":1000100,\"iss\":\"https://a/\",\"aud\":\"mee\"}", other },
		{ "{\"exp\":1000100,\"iss\":\"https://a/\",\"aud\":\"m\"}", other },
		{ "{\"exp\":1000100,\"iss\":\"https://a/\"}", other },
		{ "{\"exp\":1000100,\"iss\":\"https://a\",\"aud\":\"me\"}", issuer },
		{ "{\"exp\":1000100,\"iss\":\"https://a/b\",\"aud\":\"me\"}", issuer },
		{ "{\"exp\":1000100,\"aud\":\"me\"}", issuer },
	};
	struct jwt_rules rules = any;
	rules.issuer = "https://a/";
	rules.audiences = audiences;
	rules.audience_count = COUNT(audiences);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *token = make_simple("HS256", "h", rows[i].claims);
		enum jwt_verdict verdict = verify_with(keys, &rules, token, strlen(token), NOW);
		if (verdict != (rows[i].why ? JWT_REFUSED : JWT_GOOD) ||
		    (rows[i].why && strcmp(why, rows[i].why) != 0))
			fail_msg("%s: %d %s", rows[i].claims, (int)verdict, why);
		free(token);
	}
}

/* An algorithm that the rules do not list is refused, whatever keys there are. */
static void test_rules_pin_the_algorithm(void **state)
{
	(void)state;
	static const char *const only[] = { "RS256" };
	struct jwt_rules rules = any;
	char *good = make_simple("RS256", "r", CLAIMS), *bad = make_simple("RS512", "r", CLAIMS);
	rules.algorithms = only;
	rules.algorithm_count = 1;
	assert_int_equal(verify_with(keys, &rules, good, strlen(good), NOW), JWT_GOOD);
	assert_int_equal(verify_with(keys, &rules, bad, strlen(bad), NOW), JWT_REFUSED);
	assert_string_equal(why, "the token's algorithm is not allowed");
	rules.algorithm_count = 0;
	assert_int_equal(verify_with(keys, &rules, good, strlen(good), NOW), JWT_REFUSED);
	static const char *const none[] = { "none" };
	rules.algorithms = none;
	rules.algorithm_count = 1;
	free(bad);
	bad = make("HS256", "{\"alg\":\"none\"}", CLAIMS);
	assert_int_equal(verify_with(keys, &rules, bad, strlen(bad), NOW), JWT_REFUSED);
	free(good);
	free(bad);
}

/* The public key's text is not a secret: HMAC with it is refused (CVE-2015-9235). */
static void test_key_confusion(void **state)
{
	(void)state;
	uint8_t signature[64];
	struct jwk_set *set = read_pem(strdup(public_pem));
	struct buf text = start("{\"alg\":\"HS256\"}", CLAIMS);
	size_t n = hmac(public_pem, "HS256", text.data, text.length, signature);
	char *token = finish(&text, signature, n);
	assert_non_null(set);
	assert_int_equal(verify_with(set, &any, token, strlen(token), NOW), JWT_REFUSED);
	assert_string_equal(why, "the token's algorithm is not for its key");
	assert_refused(token, "the token's signature is wrong");
	jwk_set_free(set);
}

/* A key that the token brings along is not used, though it fits the signature (CVE-2018-0114). */
static void test_embedded_key(void **state)
{
	(void)state;
	uint8_t signature[512];
	struct buf header = { 0 };
	buf_add_str(&header, "{\"alg\":\"RS256\",\"kid\":\"r\",\"jwk\":");
	add_jwk(&header, other_rsa);
	buf_add_str(&header, "}}");
	char *text = buf_take(&header);
	struct buf token = start(text, CLAIMS);
	size_t n = sign_with(other_rsa, "RS256", token.data, token.length, signature);
	assert_refused(finish(&token, signature, n), "the token brings its own key");
	free(text);
	token = start("{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS);
	n = sign_with(other_rsa, "RS256", token.data, token.length, signature);
	assert_refused(finish(&token, signature, n), "the token's signature is wrong");
}

/* ECDSA: zeros (CVE-2022-21449), DER, and numbers of another length are no signatures. */
static void test_ecdsa_forms(void **state)
{
	(void)state;
	static const char header[] = "{\"alg\":\"ES256\",\"kid\":\"e256\"}";
	uint8_t signature[192] = { 0 }, der[128];
	struct buf token = start(header, CLAIMS);
	assert_refused(finish(&token, signature, 64), "the token's signature is wrong");
	token = start(header, CLAIMS);
	size_t n = sign_with(p256, "ES256", token.data, token.length, signature + 1);
	assert_refused(finish(&token, signature + 1, n - 1), "the token's signature is wrong");
	/* 0 r 0 s is the same pair of numbers */
	token = start(header, CLAIMS);
	n = sign_with(p256, "ES256", token.data, token.length, signature + 1);
	memmove(signature + 34, signature + 33, 32);
	signature[0] = signature[33] = 0;
	assert_refused(finish(&token, signature, n + 2), "the token's signature is wrong");
	token = start(header, CLAIMS);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	n = sizeof(der);
	EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, p256);
	assert_int_equal(
	    EVP_DigestSign(ctx, der, &n, (const uint8_t *)token.data, token.length), 1);
	EVP_MD_CTX_free(ctx);
	assert_refused(finish(&token, der, n), "the token's signature is wrong");
}

/* An RSA signature is as long as the modulus, PSS has a salt as long as the hash. */
static void test_rsa_forms(void **state)
{
	(void)state;
	uint8_t signature[512] = { 0 };
	struct buf token = start("{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS);
	size_t n = sign_with(rsa, "RS256", token.data, token.length, signature + 1);
	assert_int_equal(n, 256);
	assert_refused(finish(&token, signature, n + 1), "the token's signature is wrong");
	token = start("{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS);
	assert_refused(finish(&token, signature + 1, n - 1), "the token's signature is wrong");
	token = start("{\"alg\":\"RS256\",\"kid\":\"r\"}", CLAIMS);
	memset(signature, 0xff, n);
	assert_refused(finish(&token, signature, n), "the token's signature is wrong");
	token = start("{\"alg\":\"PS256\",\"kid\":\"r\"}", CLAIMS);
	EVP_PKEY_CTX *settings;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_DigestSignInit(ctx, &settings, EVP_sha256(), NULL, rsa);
	EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING);
	EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, 0);
	n = sizeof(signature);
	assert_int_equal(
	    EVP_DigestSign(ctx, signature, &n, (const uint8_t *)token.data, token.length), 1);
	EVP_MD_CTX_free(ctx);
	assert_refused(finish(&token, signature, n), "the token's signature is wrong");
}

/* No bit of a token can be changed, the unused ones at the end of a part neither. */
static void test_every_bit_counts(void **state)
{
	(void)state;
	static const struct {
		const char *alg, *kid;
	} rows[] = { { "HS256", "h" }, { "ES256", "e256" }, { "RS256", "r" }, { "ES512", "e512" } };
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *token = make_simple(rows[i].alg, rows[i].kid, CLAIMS);
		assert_int_equal(verify(token), JWT_GOOD);
		for (size_t bit = 0; bit < strlen(token) * 8; bit += i ? 5 : 1) {
			token[bit / 8] = (char)(token[bit / 8] ^ 1 << bit % 8);
			enum jwt_verdict verdict =
			    verify_with(keys, &any, token, strlen(token), NOW);
			assert_true(verdict == JWT_REFUSED || verdict == JWT_NO_KEY);
			token[bit / 8] = (char)(token[bit / 8] ^ 1 << bit % 8);
		}
		for (size_t n = 0; n < strlen(token); n++)
			assert_int_not_equal(verify_with(keys, &any, token, n, NOW), JWT_GOOD);
		free(token);
	}
}

/* The form is strict: three parts that are not empty, base64url, no padding, no white space. */
static void test_form(void **state)
{
	(void)state;
	static const struct {
		const char *before, *after, *why;
	} rows[] = {
		{ " ", "", "the token is not base64url" },
		{ "", " ", "the token is not base64url" },
		{ "", "\n", "the token is not base64url" },
		{ "", "=", "the token is not base64url" },
		{ "", "==", "the token is not base64url" },
		{ "", "+", "the token is not base64url" },
		{ "", "/", "the token is not base64url" },
		{ "", "A", "the token's signature is wrong" },
		{ "", ".", "the token does not have three parts" },
		{ "", ".AAAA", "the token does not have three parts" },
		{ ".", "", "the token does not have three parts" },
		{ "Bearer ", "", "the token is not base64url" },
	};
	static const struct {
		const char *token, *why;
	} texts[] = {
		{ "", "the token does not have three parts" },
		{ ".", "the token does not have three parts" },
		{ "..", "the token has an empty part" },
		{ "...", "the token does not have three parts" },
		{ "e30", "the token does not have three parts" },
		{ "e30.e30", "the token does not have three parts" },
		{ ".e30.AAAA", "the token has an empty part" },
		{ "e30..AAAA", "the token has an empty part" },
		{ "eyJhbGciOiJub25lIn0.e30.", "the token is not signed" },
		{ "e30=.e30.AAAA", "the token is not base64url" },
		{ "e30.e30=.AAAA", "the token is not base64url" },
		{ "e3 0.e30.AAAA", "the token is not base64url" },
		{ "e+/0.e30.AAAA", "the token is not base64url" },
		{ "{}.{}.x", "the token is not base64url" },
	};
	char *token = make_simple("HS256", "h", CLAIMS);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf text = { 0 };
		buf_addf(&text, "%s%s%s", rows[i].before, token, rows[i].after);
		assert_refused(buf_take(&text), rows[i].why);
	}
	for (size_t i = 0; i < COUNT(texts); i++)
		assert_refused(strdup(texts[i].token), texts[i].why);
	size_t n = strlen(token) + 1; /* a NUL at the end, and one inside */
	assert_int_equal(verify_with(keys, &any, token, n, NOW), JWT_REFUSED);
	token[n / 2] = '\0';
	assert_int_equal(verify_with(keys, &any, token, n - 1, NOW), JWT_REFUSED);
	free(token);
}

/* More than 8 KiB is refused unread; 8 KiB of anything is safe to read. */
static void test_size(void **state)
{
	(void)state;
	static char big[1 << 20];
	memset(big, '[', sizeof(big));
	assert_int_equal(verify_with(keys, &any, big, sizeof(big), NOW), JWT_REFUSED);
	assert_string_equal(why, "the token is longer than 8 KiB");
	assert_int_equal(verify_with(keys, &any, big, JWT_MAX, NOW), JWT_REFUSED);
	big[6000] = '\0';
	assert_refused(
	    make("HS256", big, "{}"), "the token's header is not a JSON object without duplicates");
	for (size_t i = 5000; i < 7000; i++) { /* around the limit */
		memset(big, ' ', i);
		memcpy(big + i, CLAIMS, sizeof(CLAIMS));
		char *token = make_simple("HS256", "h", big);
		size_t n = strlen(token);
		assert_int_equal(verify_free(token), n <= JWT_MAX ? JWT_GOOD : JWT_REFUSED);
		i += n > JWT_MAX - 10 && n < JWT_MAX + 10 ? 0 : 60;
	}
}

/* A secret is as long as the hash, or it is not used. */
static void test_secret(void **state)
{
	(void)state;
	static const struct {
		size_t n, algorithms;
	} rows[] = { { 32, 1 }, { 47, 1 }, { 48, 2 }, { 63, 2 }, { 64, 3 } };
	struct jwk_set *set = NULL;
	reason[0] = '\0';
	assert_int_equal(jwk_set_from_secret(SECRET, 31, &set, reason, sizeof(reason)), -EINVAL);
	assert_non_null(strstr(reason, "32 bytes"));
	assert_int_equal(jwk_set_from_secret("", 0, &set, reason, sizeof(reason)), -EINVAL);
	assert_null(set);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char secret[65];
		snprintf(secret, sizeof(secret), "%.*s", (int)rows[i].n, SECRET);
		assert_int_equal(
		    jwk_set_from_secret(secret, rows[i].n, &set, reason, sizeof(reason)), 0);
		for (size_t j = 0; j < COUNT(all); j++)
			assert_int_equal(jwk_set_fits(set, all[j]), j < rows[i].algorithms);
		for (size_t j = 0; j < 3; j++) {
			uint8_t signature[64];
			char header[64];
			/* its kid does not matter */
			snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"x\"}", all[j]);
			struct buf text = start(header, CLAIMS);
			size_t n = hmac(secret, all[j], text.data, text.length, signature);
			char *token = finish(&text, signature, n);
			assert_int_equal(verify_with(set, &any, token, strlen(token), NOW),
			    j < rows[i].algorithms ? JWT_GOOD : JWT_REFUSED);
			free(token);
		}
		assert_int_equal(jwk_set_count(set), 1);
		jwk_set_free(set);
	}
	jwk_set_free(NULL);
}

/* A public key in any usual PEM verifies; what is not one public key is refused with the reason. */
static void test_pem(void **state)
{
	(void)state;
	const struct {
		char *pem;
		const char *alg;
	} good[] = {
		{ strdup(public_pem), "RS256" },
		{ pkcs1_of(rsa), "PS512" },
		{ certificate_of(rsa), "RS384" },
		{ pem_of(p256), "ES256" },
		{ pem_of(p384), "ES384" },
		{ pem_of(p521), "ES512" },
		{ certificate_of(p256), "ES256" },
	};
	EVP_PKEY *k1 = EVP_EC_gen("secp256k1"), *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct buf both = { 0 }, twice = { 0 };
	char *private = private_pem_of(rsa);
	buf_addf(&both, "%s%s", public_pem, private);
	buf_addf(&twice, "%s%s", public_pem, public_pem);
	const struct {
		char *pem;
		const char *reason;
	} bad[] = {
		{ private, "private key" },
		{ private_pem_of(p256), "private key" },
		{ buf_take(&both), "private key" },
		{ buf_take(&twice), "more than one" },
		{ pem_of(weak_rsa), "2048 bits" },
		{ certificate_of(weak_rsa), "2048 bits" },
		{ pem_of(k1), "another curve" },
		{ pem_of(ed), "neither" },
		{ strdup(""), "no public key" },
		{ strdup(SECRET), "no public key" },
		{ strndup(public_pem, 100), "broken" },
		{ strdup("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
		    "broken" },
	};
	for (size_t i = 0; i < COUNT(good); i++) {
		struct jwk_set *set = read_pem(good[i].pem);
		char *token = make_simple(good[i].alg, "no matter", CLAIMS);
		assert_non_null(set);
		assert_true(jwk_set_fits(set, good[i].alg));
		assert_int_equal(verify_with(set, &any, token, strlen(token), NOW), JWT_GOOD);
		free(token);
		jwk_set_free(set);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_null(read_pem(bad[i].pem));
		if (!strstr(reason, bad[i].reason))
			fail_msg("%zu: %s", i, reason);
	}
	EVP_PKEY_free(k1);
	EVP_PKEY_free(ed);
}

/* Of a JWKS counts what can verify; the rest is skipped, and if nothing is left that is an error. */
static void test_jwks_about(void **state)
{
	(void)state;
	static const struct {
		const char *about, *reason; /* NULL: usable */
	} rows[] = {
		{ "", NULL },
		{ ",\"kid\":\"x\",\"use\":\"sig\",\"alg\":\"RS256\",\"x5t\":\"AA\",\"more\":{}",
		    NULL },
		{ ",\"key_ops\":[\"sign\",\"verify\"]", NULL },
		{ ",\"d\":\"AQAB\",\"p\":7,\"q\":\"\"", NULL }, /* not even read */
		{ ",\"use\":\"enc\"", "verify" },
		{ ",\"use\":null", "verify" },
		{ ",\"key_ops\":[\"sign\"]", "verify" },
		{ ",\"key_ops\":[]", "verify" },
		{ ",\"key_ops\":\"verify\"", "verify" },
		{ ",\"use\":\"sig\",\"key_ops\":[\"encrypt\"]", "verify" },
		{ ",\"alg\":\"ES256\"", "alg is not for such a key" },
		{ ",\"alg\":\"HS256\"", "alg is not for such a key" },
		{ ",\"alg\":\"RSA-OAEP\"", "alg is not known" },
		{ ",\"alg\":7", "alg is not known" },
		{ ",\"kid\":7", "kid is not a string" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct jwk_set *set = read_one(rsa, rows[i].about);
		if (rows[i].reason ? set != NULL || !strstr(reason, rows[i].reason) : set == NULL)
			fail_msg("%s: %s", rows[i].about, reason);
		jwk_set_free(set);
	}
	assert_null(read_one(weak_rsa, ""));
	assert_non_null(strstr(reason, "2048 bits"));
}

/* A document that is no JWKS, or has nothing to verify with, is refused with a reason. */
static void test_jwks_documents(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"", "x", "[]", "7", "{}", "{\"keys\":{}}", "{\"keys\":[]}",
		"{\"keys\":[7,null,\"x\",[]]}", "{\"keys\":[{}]}", "{\"keys\":[{\"kty\":7}]}",
		"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}]}",
		"{\"keys\":[{\"kty\":\"rsa\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
		"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
		"{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\"}]}",
		"{\"keys\":[{\"kty\":\"RSA\",\"n\":7,\"e\":\"AQAB\"}]}",
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}",
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}]}",
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}]}",
		/* not on the curve, and at infinity */
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4\"}]}",
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}",
		"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256K\",\"x\":\"AA\",\"y\":\"AA\"}]}",
		"{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}]}",
		"{\"keys\":[{\"kty\":\"oct\"}]}", "{\"keys\":[],\"keys\":[]}",
		"{\"keys\":[{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\",\"alg\":\"HS512\"}]}",
		"{\"keys\":[{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"}]}"
	};
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (read_text(bad[i]))
			fail_msg("taken: %s", bad[i]);
	}
	struct jwk_set *set = NULL;
	assert_int_equal(jwk_set_from_jwks(NULL, 0, &set, reason, sizeof(reason)), -EINVAL);
	assert_int_equal(jwk_set_from_pem(NULL, 0, &set, reason, sizeof(reason)), -EINVAL);
	struct buf many = { 0 };
	buf_add_str(&many, "{\"keys\":[");
	for (size_t i = 0; i <= JWK_KEYS_MAX; i++)
		buf_addf(&many, "%s{}", i ? "," : "");
	buf_add_str(&many, "]}");
	assert_null(read_jwks(&many));
	assert_string_equal(reason, "more than 100 keys");
	static char big[JWK_TEXT_MAX + 1];
	memset(big, ' ', sizeof(big));
	assert_int_equal(
	    jwk_set_from_jwks(big, sizeof(big), &set, reason, sizeof(reason)), -EINVAL);
	assert_string_equal(reason, "more than 262144 bytes");
	assert_int_equal(jwk_set_from_pem(big, sizeof(big), &set, reason, sizeof(reason)), -EINVAL);
	assert_int_equal(
	    jwk_set_from_secret(big, sizeof(big), &set, reason, sizeof(reason)), -EINVAL);
}

/* RSA with an exponent of 1 would let anyone sign; other wild numbers are refused as well. */
static void test_rsa_numbers(void **state)
{
	(void)state;
	static const struct {
		const char *e;
		size_t bytes;
		uint8_t first, last;
		bool good;
	} rows[] = {
		{ "AQAB", 256, 0x80, 1, true },
		{ "AAEAAQ", 256, 0x80, 1, true }, /* 65537 with a zero before it */
		{ "Aw", 256, 0x80, 1, true },
		{ "AQAB", 1024, 0x80, 1, true },
		{ "AQ", 256, 0x80, 1, false },
		{ "AAE", 256, 0x80, 1, false },
		{ "AA", 256, 0x80, 1, false },
		{ "Ag", 256, 0x80, 1, false },
		{ "AQAAAAAAAAAB", 256, 0x80, 1, false }, /* 65 bits */
		{ "AQAB", 256, 0x7f, 1, false },
		{ "AQAB", 257, 0x00, 1, true },
		{ "AQAB", 256, 0x80, 2, false },
		{ "AQAB", 1025, 0x80, 1, false },
		{ "AQAB", 4096, 0x80, 1, false },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t modulus[4096];
		struct buf text = { 0 };
		memset(modulus, 0xff, sizeof(modulus));
		modulus[0] = rows[i].first;
		modulus[rows[i].bytes - 1] = rows[i].last;
		char *n = encode(modulus, rows[i].bytes);
		buf_addf(&text, "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}]}", n,
		    rows[i].e);
		free(n);
		struct jwk_set *set = read_jwks(&text);
		if ((set != NULL) != rows[i].good)
			fail_msg("%zu: %s", i, reason);
		jwk_set_free(set);
	}
}

/* Which key of several a token gets: by kid, or the only one that fits. */
static void test_choice_of_key(void **state)
{
	(void)state;
	struct buf text = { 0 };
	buf_add_str(&text,
	    "{\"keys\":[{\"kty\":\"OKP\",\"kid\":\"ed\",\"crv\":\"Ed25519\",\"x\":\"AA\"},7,");
	buf_add_str(&text,
	    "{\"kty\":\"EC\",\"kid\":\"off\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4\"},");
	add_jwk(&text, other_rsa);
	buf_add_str(&text, ",\"kid\":\"old\"},");
	add_jwk(&text, rsa);
	buf_add_str(&text, ",\"kid\":\"new\"},");
	add_jwk(&text, weak_rsa);
	buf_add_str(&text, ",\"kid\":\"weak\"},");
	add_jwk(&text, p256); /* the same kid, and another kty */
	buf_add_str(&text, ",\"kid\":\"old\"},");
	add_jwk(&text, other_rsa); /* the same kid and kty: never reached */
	buf_add_str(&text, ",\"kid\":\"new\"}]}");
	struct jwk_set *set = read_jwks(&text);
	static const struct {
		const char *sign, *header;
		enum jwt_verdict verdict;
	} rows[] = {
		{ "RS256", "{\"alg\":\"RS256\",\"kid\":\"new\"}", JWT_GOOD },
		{ "RS256", "{\"alg\":\"RS256\",\"kid\":\"old\"}", JWT_REFUSED },
		{ "RS256", "{\"alg\":\"RS256\",\"kid\":\"weak\"}", JWT_NO_KEY },
		{ "RS256", "{\"alg\":\"RS256\",\"kid\":\"ed\"}", JWT_NO_KEY },
		{ "RS256", "{\"alg\":\"RS256\"}", JWT_REFUSED },
		{ "ES256", "{\"alg\":\"ES256\",\"kid\":\"old\"}", JWT_GOOD },
		{ "ES256", "{\"alg\":\"ES256\"}", JWT_GOOD },
		{ "ES384", "{\"alg\":\"ES384\"}", JWT_REFUSED },
		{ "ES256", "{\"alg\":\"ES256\",\"kid\":\"new\"}", JWT_REFUSED },
	};
	assert_non_null(set);
	assert_int_equal(jwk_set_count(set), 4);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *token = make(rows[i].sign, rows[i].header, CLAIMS);
		enum jwt_verdict verdict = verify_with(set, &any, token, strlen(token), NOW);
		if (verdict != rows[i].verdict)
			fail_msg("%s: %d %s", rows[i].header, (int)verdict, why);
		free(token);
	}
	jwk_set_free(set);
	/* one key that has a kid does not take tokens with another */
	set = read_one(rsa, ",\"kid\":\"a\",\"alg\":\"RS256\"");
	char *other = make_simple("RS256", "b", CLAIMS), *wrong = make_simple("RS512", "a", CLAIMS);
	assert_int_equal(verify_with(set, &any, other, strlen(other), NOW), JWT_NO_KEY);
	assert_int_equal(verify_with(set, &any, wrong, strlen(wrong), NOW), JWT_REFUSED);
	assert_string_equal(why, "the token's algorithm is not for its key");
	free(other);
	free(wrong);
	jwk_set_free(set);
}

static size_t allocations_left;

static void *scarce_malloc(size_t n)
{
	return allocations_left ? allocations_left--, malloc(n) : NULL;
}

/* Without memory for JSON nothing is good, and nothing leaks. */
static void test_no_memory(void **state)
{
	(void)state;
	enum jwt_verdict verdict = JWT_NO_MEMORY;
	char *token =
	    make_simple("HS256", "h", "{\"exp\":1000100,\"aud\":[\"a\"],\"sub\":\"joe\"}");
	size_t tried = 0;
	json_set_alloc_funcs(scarce_malloc, free);
	while (tried < 1000 && verdict != JWT_GOOD) {
		json_t *claims = NULL;
		allocations_left = tried++;
		verdict = jwt_verify(keys, &any, token, strlen(token), NOW, &claims, &why);
		assert_true(verdict == JWT_GOOD || !claims);
		json_decref(claims);
	}
	assert_int_equal(verdict, JWT_GOOD);
	assert_true(tried > 10);
	int error = -ENOMEM;
	for (tried = 0; tried < 1000 && error; tried++) {
		struct jwk_set *set = NULL;
		allocations_left = tried;
		error = jwk_set_from_jwks(
		    rfc[0].keys, strlen(rfc[0].keys), &set, reason, sizeof(reason));
		/* jansson does not always say that it was the memory */
		assert_true(error ? (error == -ENOMEM || error == -EINVAL) && !set : set != NULL);
		jwk_set_free(set);
	}
	json_set_alloc_funcs(malloc, free);
	assert_int_equal(error, 0);
	assert_true(tried > 5);
	free(token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64url),
		cmocka_unit_test(test_all_algorithms),
		cmocka_unit_test(test_rfc_examples),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_leeway),
		cmocka_unit_test(test_issuer_and_audience),
		cmocka_unit_test(test_rules_pin_the_algorithm),
		cmocka_unit_test(test_key_confusion),
		cmocka_unit_test(test_embedded_key),
		cmocka_unit_test(test_ecdsa_forms),
		cmocka_unit_test(test_rsa_forms),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_pem),
		cmocka_unit_test(test_jwks_about),
		cmocka_unit_test(test_jwks_documents),
		cmocka_unit_test(test_rsa_numbers),
		cmocka_unit_test(test_choice_of_key),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
