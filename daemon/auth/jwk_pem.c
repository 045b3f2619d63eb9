/* jwk_pem: one public key out of PEM. OpenSSL reads it, and then it is a key like any other. */
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "daemon/auth/key.h"

#define EXPONENT_MAX 16

static EVP_PKEY *decode_public(const unsigned char *der, long n)
{
	return d2i_PUBKEY(NULL, &der, n);
}

static EVP_PKEY *decode_rsa(const unsigned char *der, long n)
{
	return d2i_PublicKey(EVP_PKEY_RSA, NULL, &der, n);
}

static EVP_PKEY *decode_certificate(const unsigned char *der, long n)
{
	X509 *certificate = d2i_X509(NULL, &der, n);
	EVP_PKEY *key = certificate ? X509_get_pubkey(certificate) : NULL;
	X509_free(certificate);
	return key;
}

static const struct {
	const char *name;
	EVP_PKEY *(*decode)(const unsigned char *der, long n);
} blocks[] = {
	{ PEM_STRING_PUBLIC, decode_public },
	{ PEM_STRING_RSA_PUBLIC, decode_rsa },
	{ PEM_STRING_X509, decode_certificate },
};

/* One block of the text. Others than those that are known ("EC PARAMETERS") are passed over. */
static const char *take_block(const char *name, const unsigned char *der, long n, EVP_PKEY **key)
{
	if (strstr(name, "PRIVATE KEY"))
		return "it has a private key in it: the public key is wanted, and nothing else";
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		if (strcmp(name, blocks[i].name) != 0)
			continue;
		if (*key)
			return "it has more than one key or certificate in it; several keys are for a JWKS";
		*key = blocks[i].decode(der, n);
		return *key ? NULL : "its public key is broken, or of a kind that is not known";
	}
	return NULL;
}

/* All blocks, to the end: a private key that follows must not stay unseen. */
static const char *read_blocks(BIO *text, EVP_PKEY **key)
{
	char *name, *header;
	unsigned char *der;
	long n;
	const char *why = NULL;
	while (!why && PEM_read_bio(text, &name, &header, &der, &n)) {
		why = take_block(name, der, n, key);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)n);
	}
	if (why)
		return why;
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return "it is broken PEM";
	return *key ? NULL : "it has no public key in it: PEM with \"PUBLIC KEY\" is wanted";
}

/* A number of the key, into exactly `*n` bytes, or into at most so many. */
static bool get_number(EVP_PKEY *key, const char *name, bool exactly, uint8_t *into, size_t *n)
{
	BIGNUM *number = NULL;
	if (!EVP_PKEY_get_bn_param(key, name, &number))
		return false;
	size_t length = (size_t)BN_num_bytes(number);
	bool good = length <= *n;
	if (good) {
		*n = exactly ? *n : length;
		good = BN_bn2binpad(number, into, (int)*n) >= 0;
	}
	BN_free(number);
	return good;
}

static int from_rsa(struct key *key, EVP_PKEY *public, const char **ret_why)
{
	uint8_t modulus[KEY_NUMBER_MAX], exponent[EXPONENT_MAX];
	size_t n = sizeof(modulus), m = sizeof(exponent);
	if (!get_number(public, OSSL_PKEY_PARAM_RSA_N, false, modulus, &n) ||
	    !get_number(public, OSSL_PKEY_PARAM_RSA_E, false, exponent, &m)) {
		*ret_why = "an RSA key of more than 8192 bits, or with an unsafe exponent";
		return -EINVAL;
	}
	return key_from_rsa(key, modulus, n, exponent, m, ret_why);
}

static int from_ec(struct key *key, EVP_PKEY *public, const char **ret_why)
{
	char group[64];
	uint8_t x[KEY_NUMBER_MAX], y[KEY_NUMBER_MAX];
	size_t length;
	if (EVP_PKEY_get_group_name(public, group, sizeof(group), &length)) {
		int nid = OBJ_txt2nid(group);
		for (size_t i = 0; i < CURVE_COUNT; i++) {
			size_t n = curves[i].bytes;
			if ((int)curves[i].nid == nid &&
			    get_number(public, OSSL_PKEY_PARAM_EC_PUB_X, true, x, &n) &&
			    get_number(public, OSSL_PKEY_PARAM_EC_PUB_Y, true, y, &n))
				return key_from_ec(key, &curves[i], x, y, ret_why);
		}
	}
	*ret_why = "an EC key on another curve than P-256, P-384 or P-521";
	return -EINVAL;
}

static int from_public(struct key *key, EVP_PKEY *public, const char **ret_why)
{
	switch (EVP_PKEY_get_base_id(public)) {
	case EVP_PKEY_RSA:
		return from_rsa(key, public, ret_why);
	case EVP_PKEY_EC:
		return from_ec(key, public, ret_why);
	default:
		*ret_why = "neither an RSA nor an EC key";
		return -EINVAL;
	}
}

int jwk_set_from_pem(const char *pem, size_t n, struct jwk_set **ret, char *reason, size_t size)
{
	EVP_PKEY *public = NULL;
	struct jwk_set *set = NULL;
	int error = -ENOMEM;
	if (n > JWK_TEXT_MAX) {
		snprintf(reason, size, "more than %zu bytes", JWK_TEXT_MAX);
		return -EINVAL;
	}
	BIO *text = BIO_new_mem_buf(n ? pem : "", (int)n);
	if (!text || !(set = jwk_set_new(1)))
		goto done;
	ERR_clear_error(); /* what read_blocks finds there must be its own */
	error = -EINVAL;
	const char *why = read_blocks(text, &public);
	if (!why)
		error = from_public(&set->keys[0], public, &why);
	if (error == -EINVAL)
		snprintf(reason, size, "%s", why);
	if (error)
		goto done;
	set->count = 1;
	*ret = set;
	set = NULL;
done:
	ERR_clear_error();
	jwk_set_free(set);
	EVP_PKEY_free(public);
	BIO_free(text);
	return error;
}
