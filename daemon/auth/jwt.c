/* jwt: the checks, in the order in which a token has to pass them. */
#include "daemon/auth/jwt.h"

#include <math.h>
#include <openssl/err.h>
#include <string.h>
#include <strings.h>

#include "daemon/auth/base64url.h"
#include "daemon/auth/key.h"

#define NO_MEMORY_WHY "out of memory"

/* A token on its way. The parts are borrowed from the text. */
struct token {
	const char *text;
	size_t length;
	const char *header, *claims, *signature; /* base64url */
	size_t header_length, claims_length, signature_length;
	const struct algorithm *algorithm;
	const struct key *key; /* borrowed from the set */
};

static enum jwt_verdict refuse(const char *why, const char **ret_why)
{
	*ret_why = why;
	return JWT_REFUSED;
}

static enum jwt_verdict out_of_memory(const char **ret_why)
{
	*ret_why = NO_MEMORY_WHY;
	return JWT_NO_MEMORY;
}

bool jwt_algorithm_is_known(const char *name)
{
	return algorithm_find(name) != NULL;
}

static enum jwt_verdict split(struct token *token, const char **ret_why)
{
	const char *end = token->text + token->length;
	if (token->length > JWT_MAX)
		return refuse("the token is longer than 8 KiB", ret_why);
	const char *first = memchr(token->text, '.', token->length);
	const char *second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
	if (!second || memchr(second + 1, '.', (size_t)(end - second - 1)))
		return refuse("the token does not have three parts", ret_why);
	token->header = token->text;
	token->header_length = (size_t)(first - token->text);
	token->claims = first + 1;
	token->claims_length = (size_t)(second - first - 1);
	token->signature = second + 1;
	token->signature_length = (size_t)(end - second - 1);
	if (!token->header_length || !token->claims_length)
		return refuse("the token has an empty part", ret_why);
	if (!token->signature_length)
		return refuse("the token is not signed", ret_why);
	/* The header is decoded here, and that says whether it is good. */
	if (!base64url_is_good(token->claims, token->claims_length) ||
	    !base64url_is_good(token->signature, token->signature_length))
		return refuse("the token is not base64url", ret_why);
	return JWT_GOOD;
}

static enum jwt_verdict parse(
    const char *json, size_t n, const char *why, json_t **ret, const char **ret_why)
{
	json_error_t error = { 0 }; /* jansson may leave it alone, when memory is out */
	json_t *value = json_loadb(json, n, JSON_REJECT_DUPLICATES, &error);
	if (!value && json_error_code(&error) <= json_error_out_of_memory)
		return out_of_memory(ret_why);
	if (!json_is_object(value)) {
		json_decref(value);
		return refuse(why, ret_why);
	}
	*ret = value;
	return JWT_GOOD;
}

/* Members of a header that ask for what is not done here. */
static const struct {
	const char *name, *why;
} unwanted[] = {
	{ "crit", "the token has critical extensions" },
	{ "b64", "the token has critical extensions" },
	{ "jwk", "the token brings its own key" },
	{ "x5c", "the token brings its own key" },
	{ "jku", "the token says where its key is" },
	{ "x5u", "the token says where its key is" },
	{ "enc", "the token is encrypted" },
	{ "zip", "the token is compressed" },
};

/* RFC 7519, section 5.1, and RFC 9068, section 4; "application/" may be left out (RFC 7515, 4.1.9). */
static bool type_is_good(const json_t *type)
{
	static const char prefix[] = "application/";
	const char *text = json_string_value(type);
	if (!type)
		return true;
	if (!text)
		return false;
	if (strncasecmp(text, prefix, sizeof(prefix) - 1) == 0)
		text += sizeof(prefix) - 1;
	return strcasecmp(text, "JWT") == 0 || strcasecmp(text, "at+jwt") == 0;
}

static const struct algorithm *allowed(const struct jwt_rules *rules, const char *name)
{
	for (size_t i = 0; i < rules->algorithm_count; i++)
		if (strcmp(rules->algorithms[i], name) == 0)
			return algorithm_find(name);
	return NULL;
}

static enum jwt_verdict choose_key(
    const struct jwk_set *keys, const char *kid, struct token *token, const char **ret_why)
{
	switch (key_find(keys, kid, token->algorithm, &token->key)) {
	case KEY_FOUND:
		return JWT_GOOD;
	case KEY_UNKNOWN:
		*ret_why = "the token's key is not known";
		return JWT_NO_KEY;
	case KEY_AMBIGUOUS:
		return refuse("the token does not say which key it is signed with", ret_why);
	case KEY_UNFIT:
		break;
	}
	return refuse("the token's algorithm is not for its key", ret_why);
}

static enum jwt_verdict check_header(const struct jwk_set *keys, const struct jwt_rules *rules,
    const json_t *header, struct token *token, const char **ret_why)
{
	const json_t *kid = json_object_get(header, "kid");
	const char *name = json_string_value(json_object_get(header, "alg"));
	for (size_t i = 0; i < sizeof(unwanted) / sizeof(unwanted[0]); i++)
		if (json_object_get(header, unwanted[i].name))
			return refuse(unwanted[i].why, ret_why);
	if (!type_is_good(json_object_get(header, "typ")))
		return refuse("the token is of another type than JWT", ret_why);
	if (kid && !json_is_string(kid))
		return refuse("the token's kid is not a string", ret_why);
	token->algorithm = name ? allowed(rules, name) : NULL;
	if (!token->algorithm)
		return refuse("the token's algorithm is not allowed", ret_why);
	return choose_key(keys, json_string_value(kid), token, ret_why);
}

static enum jwt_verdict read_header(const struct jwk_set *keys, const struct jwt_rules *rules,
    struct token *token, const char **ret_why)
{
	uint8_t text[BASE64URL_DECODED(JWT_MAX)];
	json_t *header;
	if (base64url_decode(token->header, token->header_length, text) < 0)
		return refuse("the token is not base64url", ret_why);
	enum jwt_verdict verdict =
	    parse((const char *)text, BASE64URL_DECODED(token->header_length),
		"the token's header is not a JSON object without duplicates", &header, ret_why);
	if (verdict != JWT_GOOD)
		return verdict;
	verdict = check_header(keys, rules, header, token, ret_why);
	json_decref(header);
	return verdict;
}

static int compare(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* A time and a claim; a fraction counts. */
static int compare_time(int64_t time_s, const json_t *claim)
{
	if (json_is_integer(claim))
		return compare(time_s, json_integer_value(claim));
	double a = (double)time_s, b = json_real_value(claim);
	return (a > b) - (a < b);
}

static bool time_is_good(const json_t *claim)
{
	return json_is_number(claim) && isfinite(json_number_value(claim));
}

static enum jwt_verdict check_times(
    const json_t *claims, int64_t leeway_s, int64_t now_s, const char **ret_why)
{
	const json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf"),
		     *iat = json_object_get(claims, "iat");
	int64_t early, late; /* what the time may be, with clocks that differ */
	if (__builtin_sub_overflow(now_s, leeway_s, &early))
		early = INT64_MIN;
	if (__builtin_add_overflow(now_s, leeway_s, &late))
		late = INT64_MAX;
	if (!exp)
		return refuse("the token has no exp", ret_why);
	if (!time_is_good(exp) || (nbf && !time_is_good(nbf)) || (iat && !time_is_good(iat)))
		return refuse("a time in the token is not a number", ret_why);
	if (compare_time(early, exp) >= 0)
		return refuse("the token has expired", ret_why);
	if (nbf && compare_time(late, nbf) < 0)
		return refuse("the token is not valid yet", ret_why);
	if (iat && compare_time(late, iat) < 0)
		return refuse("the token is from the future", ret_why);
	return JWT_GOOD;
}

static bool is_audience(const struct jwt_rules *rules, const json_t *name)
{
	for (size_t i = 0; i < rules->audience_count; i++)
		if (strcmp(rules->audiences[i], json_string_value(name)) == 0)
			return true;
	return false;
}

/* A string, or a list of strings (RFC 7519, section 4.1.3). */
static enum jwt_verdict check_audience(
    const struct jwt_rules *rules, const json_t *aud, const char **ret_why)
{
	static const char broken[] = "the token's aud is not a string or a list of strings";
	bool found = rules->audience_count == 0;
	const json_t *name;
	size_t i;
	if (json_is_string(aud))
		found = found || is_audience(rules, aud);
	else if (aud && !json_is_array(aud))
		return refuse(broken, ret_why);
	json_array_foreach (aud, i, name) {
		if (!json_is_string(name))
			return refuse(broken, ret_why);
		found = found || is_audience(rules, name);
	}
	return found ? JWT_GOOD : refuse("the token is for another audience", ret_why);
}

static enum jwt_verdict check_claims(
    const struct jwt_rules *rules, const json_t *claims, int64_t now_s, const char **ret_why)
{
	const json_t *iss = json_object_get(claims, "iss"), *sub = json_object_get(claims, "sub");
	if ((iss && !json_is_string(iss)) || (sub && !json_is_string(sub)))
		return refuse("the token's iss or sub is not a string", ret_why);
	enum jwt_verdict verdict = check_times(claims, rules->leeway_s, now_s, ret_why);
	if (verdict != JWT_GOOD)
		return verdict;
	if (rules->issuer && (!iss || strcmp(json_string_value(iss), rules->issuer) != 0))
		return refuse("the token is from another issuer", ret_why);
	return check_audience(rules, json_object_get(claims, "aud"), ret_why);
}

/*
 * Before cjose sees it: cjose 0.6.2 compares an HMAC with a shorter signature past that one's end. And
 * it takes an ECDSA signature of any length, cut in halves, and a PSS signature without its leading
 * zeros: then one token would have many texts.
 */
static bool signature_fits(const struct token *token)
{
	size_t length = token->algorithm->signature;
	return BASE64URL_DECODED(token->signature_length) == (length ? length : token->key->bytes);
}

static enum jwt_verdict check_signature(
    const struct token *token, cjose_jws_t **ret, const char **ret_why)
{
	static const char wrong[] = "the token's signature is wrong";
	cjose_err error = { 0 };
	if (!signature_fits(token))
		return refuse(wrong, ret_why);
	cjose_jws_t *jws = cjose_jws_import(token->text, token->length, &error);
	if (jws && cjose_jws_verify(jws, token->key->jwk, &error)) {
		*ret = jws;
		return JWT_GOOD;
	}
	cjose_jws_release(jws);
	ERR_clear_error(); /* OpenSSL keeps them for the thread, and libcurl would find them */
	if (error.code == CJOSE_ERR_NO_MEMORY)
		return out_of_memory(ret_why);
	return refuse(wrong, ret_why);
}

enum jwt_verdict jwt_verify(const struct jwk_set *keys, const struct jwt_rules *rules,
    const char *text, size_t length, int64_t now_s, json_t **ret_claims, const char **ret_why)
{
	struct token token = { .text = text, .length = length };
	cjose_jws_t *jws = NULL;
	json_t *claims = NULL;
	uint8_t *json;
	size_t n;
	enum jwt_verdict verdict = split(&token, ret_why);
	if (verdict == JWT_GOOD)
		verdict = read_header(keys, rules, &token, ret_why);
	if (verdict == JWT_GOOD)
		verdict = check_signature(&token, &jws, ret_why);
	if (verdict != JWT_GOOD)
		return verdict;
	if (!cjose_jws_get_plaintext(jws, &json, &n, NULL)) /* not a copy */
		verdict = refuse("the token cannot be read", ret_why);
	else
		verdict = parse((const char *)json, n,
		    "the token's claims are not a JSON object without duplicates", &claims,
		    ret_why);
	if (verdict == JWT_GOOD)
		verdict = check_claims(rules, claims, now_s, ret_why);
	cjose_jws_release(jws);
	if (verdict == JWT_GOOD)
		*ret_claims = claims;
	else
		json_decref(claims);
	return verdict;
}
