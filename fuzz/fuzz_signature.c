/*
 * fuzz_signature: any bytes as headers, as a body and as secrets, for every scheme. Since no fuzzer finds a
 * signature, an @ in a header stands for the one that is right, made by OpenSSL's HMAC().
 *
 * What must hold: what is good has the right signature in its header, and a time of its window; what is
 * signed well is good, and is not with another body; a secret is good or there is a reason.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/auth/signature.h"
#include "daemon/base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW      1700000000
#define TIME     "1700000299"
#define SECRET   "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define TELEGRAM "the-Token_1"
#define DISCORD  "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"

/* What a scheme signs, with T for the time and I for the id; and its header, with @ for the signature. */
static const struct {
	const char *name, *secret, *before, *header, *alone;
} schemes[] = {
	{ "github", SECRET, "", "X-Hub-Signature-256", "sha256=@" },
	{ "slack", SECRET, "v0:T:", "X-Slack-Signature", "v0=@" },
	{ "stripe", SECRET, "T.", "Stripe-Signature", "t=" TIME ",v1=@" },
	{ "standard", SECRET, "I.T.", "webhook-signature", "v1,@" },
	{ "telegram", TELEGRAM, NULL, "X-Telegram-Bot-Api-Secret-Token", TELEGRAM },
	{ "discord", DISCORD, NULL, "X-Signature-Ed25519", NULL },
	{ "hmac-sha256", SECRET, "", "X-Own", "sha256=@" },
};

struct delivery {
	size_t scheme;
	const char *signature, *time, *id, *body;
	size_t length;
};

static const char *header(const void *arg, const char *name, unsigned nth)
{
	const struct delivery *delivery = arg;
	if (nth)
		return NULL;
	if (strcmp(name, schemes[delivery->scheme].header) == 0)
		return delivery->signature;
	return strcmp(name, "webhook-id") == 0 ? delivery->id : delivery->time;
}

/* The right signature, as text. */
static void sign(const struct delivery *delivery, char text[65])
{
	struct buf message = { 0 };
	unsigned char key[64], mac[32];
	size_t n = strlen(SECRET);
	memcpy(key, SECRET, n);
	bool standard = strcmp(schemes[delivery->scheme].name, "standard") == 0;
	if (standard) {
		n = 24;
		EVP_DecodeBlock(key, (const unsigned char *)SECRET + strlen("whsec_"), 32);
	}
	for (const char *c = schemes[delivery->scheme].before; *c; c++)
		if (*c == 'T' || *c == 'I')
			buf_add_str(&message, *c == 'T' ? delivery->time : delivery->id);
		else
			buf_add(&message, c, 1);
	buf_add(&message, delivery->body, delivery->length);
	buf_add(&message, "", 1);
	HMAC(EVP_sha256(), key, (int)n, (unsigned char *)message.data, message.length - 1, mac,
	    NULL);
	if (standard)
		EVP_EncodeBlock((unsigned char *)text, mac, sizeof(mac));
	for (size_t i = 0; !standard && i < sizeof(mac); i++)
		snprintf(text + 2 * i, 3, "%02x", mac[i]);
	buf_done(&message);
}

static char *expand(const char *text, const char *signature)
{
	struct buf out = { 0 };
	for (; *text; text++)
		if (*text == '@')
			buf_add_str(&out, signature);
		else
			buf_add(&out, text, 1);
	return buf_take(&out);
}

static bool verify(const struct delivery *delivery)
{
	static const char other[] = "an other"; /* which is none for telegram */
	const char *secrets[] = { other, schemes[delivery->scheme].secret }, *why = NULL;
	struct signature_rules rules = { signature_nth(delivery->scheme), secrets, 2, "X-Own" };
	struct signature_request request = { header, delivery, delivery->body, delivery->length };
	int error = signature_verify(&rules, &request, NOW, &why);
	if ((error != 0) != (why && *why))
		abort();
	return error == 0;
}

/* In base64, as hmac-sha256 may have it too. */
static bool has(const char *text, const char *hex)
{
	unsigned char mac[32];
	char base64[45];
	for (size_t i = 0; strlen(hex) == 64 && i < sizeof(mac); i++) {
		unsigned byte;
		sscanf(hex + 2 * i, "%2x", &byte);
		mac[i] = (unsigned char)byte;
	}
	if (strlen(hex) != 64)
		return strstr(text, hex);
	EVP_EncodeBlock((unsigned char *)base64, mac, sizeof(mac));
	return strcasestr(text, hex) || strstr(text, base64);
}

/* stripe's time is in the header with its signature; what it signs with another time is not looked for. */
static void check_any(struct delivery delivery)
{
	const char *text = delivery.signature, *before = schemes[delivery.scheme].before;
	bool stripe = strcmp(schemes[delivery.scheme].name, "stripe") == 0;
	char mac[65] = "";
	if (stripe)
		delivery.time = TIME;
	if (before)
		sign(&delivery, mac);
	char *value = expand(text, mac);
	delivery.signature = value;
	if (verify(&delivery)) {
		char *end;
		long time_s = strtol(delivery.time, &end, 10);
		if (before ? !has(value, mac) : strcmp(value, TELEGRAM) != 0)
			abort();
		if (before && strchr(before, 'T') &&
		    (*end || time_s < NOW - 300 || time_s > NOW + 300))
			abort();
		if (stripe && !strstr(value, "t=" TIME))
			abort();
	}
	free(value);
}

static void check_signed(struct delivery delivery)
{
	char mac[65] = "";
	if (!schemes[delivery.scheme].alone)
		return;
	delivery.time = TIME;
	delivery.id = "msg_1";
	if (schemes[delivery.scheme].before)
		sign(&delivery, mac);
	char *value = expand(schemes[delivery.scheme].alone, mac);
	delivery.signature = value;
	if (!verify(&delivery))
		abort();
	if (delivery.length && schemes[delivery.scheme].before) {
		delivery.length--;
		if (verify(&delivery))
			abort();
	}
	free(value);
}

static void check_secret(size_t scheme, const char *secret)
{
	const char *why = NULL;
	int error = signature_check_secret(signature_nth(scheme), secret, &why);
	if (error ? !why || !*why : why != NULL || !*secret)
		abort();
}

/* A line each for the signature, the time and the id; then the body. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char nothing[1];
	char *text = malloc(size + 1), *lines[3] = { nothing, nothing, nothing };
	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	char *at = text, *newline;
	for (size_t i = 0; i < 3 && (newline = memchr(at, '\n', (size_t)(text + size - at))); i++) {
		lines[i] = at;
		*newline = '\0';
		at = newline + 1;
	}
	for (size_t i = 0; signature_nth(i); i++) {
		struct delivery delivery = { i, lines[0], lines[1], lines[2], at,
			(size_t)(text + size - at) };
		if (strcmp(signature_name(signature_nth(i)), schemes[i].name) != 0)
			abort();
		check_any(delivery);
		check_signed(delivery);
		check_secret(i, at);
		check_secret(i, lines[0]);
	}
	free(text);
	return 0;
}
