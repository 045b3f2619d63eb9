/* signature: what the platforms themselves sign is good, and nothing next to it. The expected values are
 * from their documentation or made with their libraries: @octokit/webhooks-methods 6.0.0, @slack/bolt 5.1.0,
 * stripe 23.1.0, standardwebhooks 1.1.1, discord-interactions 4.4.0 with tweetnacl 1.0.3, and node's crypto. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/auth/signature.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HEADERS_MAX  4
#define BIG          ((size_t)1 << 20)

#define GITHUB_SECRET   "It's a Secret to Everybody"
#define SLACK_SECRET    "8f742231b10e8888abcd99yyyzzz85a5"
#define STRIPE_SECRET   "whsec_test_secret"
#define STANDARD_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define TELEGRAM_SECRET "the-Token_1"
#define HMAC_SECRET     "hush"
/* Of the seed 00 01 … 1f. */
#define DISCORD_SECRET "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"

#define GITHUB   "X-Hub-Signature-256"
#define SLACK    "X-Slack-Signature"
#define STRIPE   "Stripe-Signature"
#define STANDARD "webhook-signature"
#define TELEGRAM "X-Telegram-Bot-Api-Secret-Token"
#define DISCORD  "X-Signature-Ed25519"
#define OWN      "X-Own-Signature"

/* clang-format off */
#define SLACK_TIME    { "X-Slack-Request-Timestamp", "1531420618" }
#define STANDARD_ID   { "webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek" }
#define STANDARD_TIME { "webhook-timestamp", "1614265330" }
#define DISCORD_TIME  { "X-Signature-Timestamp", "1700000000" }
/* clang-format on */

struct pair {
	const char *name, *value;
};

struct delivery {
	const char *scheme, *secret;
	int64_t now_s;
	struct pair headers[HEADERS_MAX]; /* the signature first, and its time last */
	const char *body;
	size_t length;
};

#define K64        "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define BODY(text) .body = text, .length = sizeof(text) - 1

static const struct delivery good[] = {
	/* docs.github.com, "Validating webhook deliveries"; octokit's sign() says the same. */
	{ "github", GITHUB_SECRET, 0,
	    { { GITHUB,
		"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" } },
	    BODY("Hello, World!") },
	/* docs.slack.dev, "Verifying requests from Slack"; bolt's isValidSlackRequest() agrees. */
	{ "slack", SLACK_SECRET, 1531420618,
	    { { SLACK, "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503" },
		SLACK_TIME },
	    BODY(
		"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c") },
	/* stripe's generateTestHeaderString(). */
	{ "stripe", STRIPE_SECRET, 1700000000,
	    { { STRIPE,
		"t=1700000000,v1=91acffc5fd9481359c7485a5ac4320ff27a55e89b69fe182c45a3a8782e61c39" } },
	    BODY("{\n  \"id\": \"evt_1\",\n  \"object\": \"event\"\n}") },
	/* The test of the libraries of Standard Webhooks; sign() says the same. */
	{ "standard", STANDARD_SECRET, 1614265330,
	    { { STANDARD, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" }, STANDARD_ID,
		STANDARD_TIME },
	    BODY("{\"test\": 2432232314}") },
	{ "telegram", TELEGRAM_SECRET, 0, { { TELEGRAM, TELEGRAM_SECRET } },
	    BODY("{\"update_id\":1}") },
	/* Signed with tweetnacl; discord-interactions' verifyKey() agrees. */
	{ "discord", DISCORD_SECRET, 1700000000,
	    { { DISCORD,
		  "65a5057022e80d32bd1ea70b4a36ab71f370d114d36ed41a1775b0a0afae5adb47fe3addcdca182b472774df8fea945ea3077513823711f95174fd23d62a9a09" },
		DISCORD_TIME },
	    BODY("{\"type\":1,\"id\":\"1\"}") },
	/* node's createHmac(). */
	{ "hmac-sha256", HMAC_SECRET, 0,
	    { { OWN, "796aa882fa14a077f11a8ce83aeaffea62bc7e9a27834fa93e05caa3aaa5bb44" } },
	    BODY("Hello, World!") },
	/* RFC 4231, test case 2. */
	{ "hmac-sha256", "Jefe", 0,
	    { { OWN, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" } },
	    BODY("what do ya want for nothing?") },
	/* Keys of a block, and of more: node's. */
	{ "hmac-sha256", K64, 0,
	    { { OWN, "919edcebe4f1d6fe34bcb151e4e862f71f570a3488149f72d3dd03a7db44b0f1" } },
	    BODY("Hello, World!") },
	{ "hmac-sha256", K64 "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk", 0,
	    { { OWN, "98770ab6dcb734ea4c447bc78208fa9ee4391a72de3939d0abccf83c92083795" } },
	    BODY("Hello, World!") },
};

#define STANDARD_OF(mac)                                            \
	{                                                           \
		{ STANDARD, "v1," mac }, STANDARD_ID, STANDARD_TIME \
	}
#define SLACK_OF(mac)                            \
	{                                        \
		{ SLACK, "v0=" mac }, SLACK_TIME \
	}

/* The same with no body, with one that has NULs, and with a megabyte: all by node's crypto and tweetnacl,
 * which agree with the libraries above where those take such bodies. A body of NULL is the big one. */
static const struct delivery bodies[] = {
	{ "github", GITHUB_SECRET, 0,
	    { { GITHUB,
		"sha256=66a0c074deaa0f489ead6537e0d32f9a344b90bbeda705b6ed45ecd3b413fb40" } },
	    BODY("") },
	{ "github", GITHUB_SECRET, 0,
	    { { GITHUB,
		"sha256=7bf58d9d0f635c36267cda25a88a1079509eb294006155eaa77ed4f1b649e398" } },
	    BODY("a\0b\0\0c") },
	{ "github", GITHUB_SECRET, 0,
	    { { GITHUB,
		"sha256=b4f033396db7b26e37ddf6172c4763f4f2ac3f64aa437fa8fd011cd560a721c9" } },
	    NULL, BIG },
	{ "slack", SLACK_SECRET, 1531420618,
	    SLACK_OF("55f41ec73231010289b54e669149ea021fccab11b5524355523533ce930cb739"),
	    BODY("") },
	{ "slack", SLACK_SECRET, 1531420618,
	    SLACK_OF("1d8fc6695738892d9d2f38e22e5852777ad0340f9da78dc2ebd524d6f12f5f15"),
	    BODY("a\0b\0\0c") },
	{ "slack", SLACK_SECRET, 1531420618,
	    SLACK_OF("e602d0716acbcb71bf6eadc42617d9de61fa3b396d67f1ea0fe54804c994f8b0"), NULL,
	    BIG },
	{ "stripe", STRIPE_SECRET, 1700000000,
	    { { STRIPE,
		"t=1700000000,v1=316b9ab98c15bfa039d243f3196acee619cf29749a91a634e6a8154e2f7b6727" } },
	    BODY("") },
	{ "stripe", STRIPE_SECRET, 1700000000,
	    { { STRIPE,
		"t=1700000000,v1=a9e91cede14106c3a70af98f19d7c83d9568f07db4e8800b4e1bc0ce75f84e45" } },
	    BODY("a\0b\0\0c") },
	{ "stripe", STRIPE_SECRET, 1700000000,
	    { { STRIPE,
		"t=1700000000,v1=66046484ccf054aa8b3415f933e14eb57a36b1741eed88a2017dab0851b9ab2a" } },
	    NULL, BIG },
	{ "standard", STANDARD_SECRET, 1614265330,
	    STANDARD_OF("v48jdbgvh29KJz2Qc+ghw8G6vG3nAKnujWBg8oM/62A="), BODY("") },
	{ "standard", STANDARD_SECRET, 1614265330,
	    STANDARD_OF("VU5mS4xhS1OksHiP+58toQnYqcTDVaU1gcgES/TAYVY="), BODY("a\0b\0\0c") },
	{ "standard", STANDARD_SECRET, 1614265330,
	    STANDARD_OF("pmp0pC8X+ikyHtfkXh26F/ebBrCBmwhgISFWth268gg="), NULL, BIG },
	{ "telegram", TELEGRAM_SECRET, 0, { { TELEGRAM, TELEGRAM_SECRET } }, BODY("") },
	{ "telegram", TELEGRAM_SECRET, 0, { { TELEGRAM, TELEGRAM_SECRET } }, NULL, BIG },
	{ "discord", DISCORD_SECRET, 1700000000,
	    { { DISCORD,
		  "5858a421f63ea937e93a24cb9579bd86ef65a2c4291b3936d7763de4e1b266cf2c78ac4f3ccc3ea40712d9d23c7b29e24307b7e399be8596bb784122b9fa600b" },
		DISCORD_TIME },
	    BODY("") },
	{ "discord", DISCORD_SECRET, 1700000000,
	    { { DISCORD,
		  "c815d01aa39db09ca6317e5931dd12672779b762a4263e03acb29692353c788d915cfc2a6f64c29a99f81a5c52a94b0855bdcb81511f2dbebd6e13adad0e3d02" },
		DISCORD_TIME },
	    BODY("a\0b\0\0c") },
	{ "discord", DISCORD_SECRET, 1700000000,
	    { { DISCORD,
		  "7a145131063d526b0c2dc048d77401fab0524a1f6a6033bbc3254d330720ce1f1e6e437cb9e9475802b42c9150230f0fffdd787260fda194670776ba012a8a01" },
		DISCORD_TIME },
	    NULL, BIG },
	{ "hmac-sha256", HMAC_SECRET, 0,
	    { { OWN, "2a79bcad68de497348b761f400e313ec343cfd84b2f2c422fe91236ee52618cb" } },
	    BODY("") },
	{ "hmac-sha256", HMAC_SECRET, 0,
	    { { OWN, "CL85lxvSItJz59iM7/gxYA/SALJdfj9/5c2+1txELfg=" } }, BODY("a\0b\0\0c") },
	{ "hmac-sha256", HMAC_SECRET, 0,
	    { { OWN, "zZYwymzWLwjQnV/6fJXjefShc3uHQkGu+NShj8X2JAQ=" } }, NULL, BIG },
};

static const char *why;

static const char *header(const void *arg, const char *name, unsigned nth)
{
	const struct delivery *delivery = arg;
	for (size_t i = 0; i < HEADERS_MAX; i++)
		if (delivery->headers[i].name && strcasecmp(delivery->headers[i].name, name) == 0 &&
		    nth-- == 0)
			return delivery->headers[i].value;
	return NULL;
}

/* Byte i is 31 i + i / 256. */
static const char *big_body(void)
{
	static unsigned char bytes[BIG];
	for (size_t i = bytes[1] ? BIG : 0; i < BIG; i++)
		bytes[i] = (unsigned char)(i * 31 + (i >> 8));
	return (const char *)bytes;
}

static int verify_with(
    const struct delivery *delivery, const char *const *secrets, size_t count, int64_t now_s)
{
	struct signature_rules rules = { signature_find(delivery->scheme), secrets, count, NULL };
	struct signature_request request = { header, delivery,
		delivery->body ? delivery->body : big_body(), delivery->length };
	if (signature_wants_header(rules.scheme))
		rules.header = OWN;
	why = NULL;
	int error = signature_verify(&rules, &request, now_s, &why);
	assert_true(error == 0 ? !why : error == -EACCES && why && *why);
	assert_int_equal(ERR_peek_error(), 0);
	return error;
}

static int verify(const struct delivery *delivery)
{
	return verify_with(delivery, &delivery->secret, 1, delivery->now_s);
}

static void assert_refused(const struct delivery *delivery, const char *because)
{
	if (verify(delivery) == 0 || !strstr(why, because))
		fail_msg("%s: expected \"%s\", got \"%s\"", delivery->scheme, because,
		    why ? why : "good");
}

/* What the platforms sign is good. */
static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (verify(&good[i]) < 0)
			fail_msg("%s (row %zu): %s", good[i].scheme, i, why);
	for (size_t i = 0; i < COUNT(bodies); i++)
		if (verify(&bodies[i]) < 0)
			fail_msg("%s (body %zu): %s", bodies[i].scheme, i, why);
}

/* A bit of the body decides, wherever it is; telegram signs none. */
static void test_flipped_body(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct delivery delivery = good[i];
		char *body = malloc(delivery.length + 1);
		memcpy(body, good[i].body, delivery.length);
		delivery.body = body;
		for (size_t bit = 0; bit < 8 * delivery.length; bit++) {
			body[bit / 8] = (char)(body[bit / 8] ^ 1 << bit % 8);
			assert_int_equal(verify(&delivery),
			    strcmp(delivery.scheme, "telegram") == 0 ? 0 : -EACCES);
			body[bit / 8] = (char)(body[bit / 8] ^ 1 << bit % 8);
		}
		body[delivery.length++] = 0;
		assert_int_equal(
		    verify(&delivery), strcmp(delivery.scheme, "telegram") == 0 ? 0 : -EACCES);
		free(body);
	}
	struct delivery big = bodies[2];
	char *body = malloc(BIG);
	memcpy(body, big_body(), BIG);
	body[BIG - 1] ^= 1;
	big.body = body;
	assert_refused(&big, "does not match");
	free(body);
}

/* A hex digit in upper case is the same digit. Where the hex of a row's signature begins: */
static size_t hex_begins(const struct delivery *delivery)
{
	static const struct {
		const char *scheme;
		size_t at;
	} rows[] = { { "github", 7 }, { "slack", 3 }, { "stripe", 16 }, { "discord", 0 },
		{ "hmac-sha256", 0 } };
	for (size_t i = 0; i < COUNT(rows); i++)
		if (strcmp(rows[i].scheme, delivery->scheme) == 0)
			return rows[i].at;
	return SIZE_MAX;
}

static bool is_letter_case(char a, char b)
{
	return (a ^ b) == 0x20 && (a | 0x20) >= 'a' && (a | 0x20) <= 'f';
}

static void check_flipped(const struct delivery *row, size_t nth)
{
	struct delivery delivery = *row;
	char value[256];
	size_t n = strlen(row->headers[nth].value), hex = nth ? SIZE_MAX : hex_begins(row);
	snprintf(value, sizeof(value), "%s", row->headers[nth].value);
	delivery.headers[nth].value = value;
	for (size_t bit = 0; bit < 8 * n; bit++) {
		char *c = &value[bit / 8], was = *c;
		*c = (char)(was ^ 1 << bit % 8);
		if (bit / 8 >= hex && is_letter_case(was, *c))
			assert_int_equal(verify(&delivery), 0);
		else
			assert_int_equal(verify(&delivery), -EACCES);
		*c = was;
	}
	char last = value[n - 1];
	value[n - 1] = '\0';
	assert_int_equal(verify(&delivery), -EACCES);
	value[n - 1] = last;
	assert_int_equal(verify(&delivery), 0);
	memcpy(value + n, "0", 2);
	assert_int_equal(verify(&delivery), -EACCES);
}

/* No bit of any header can be another; nor can a character be missing at its end, or one too many. */
static void test_flipped_header(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		for (size_t nth = 0; nth < HEADERS_MAX && good[i].headers[nth].name; nth++)
			check_flipped(&good[i], nth);
}

/* Five minutes, to the second, in both directions; schemes without a time have no window. */
static void test_window(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		const struct delivery *d = &good[i];
		if (d->now_s == 0) {
			assert_int_equal(verify_with(d, &d->secret, 1, INT64_C(4000000000)), 0);
			continue;
		}
		assert_int_equal(verify_with(d, &d->secret, 1, d->now_s + 300), 0);
		assert_int_equal(verify_with(d, &d->secret, 1, d->now_s - 300), 0);
		assert_int_equal(verify_with(d, &d->secret, 1, d->now_s + 301), -EACCES);
		assert_string_equal(why, "the timestamp is more than 5 minutes old");
		assert_int_equal(verify_with(d, &d->secret, 1, d->now_s - 301), -EACCES);
		assert_string_equal(why, "the timestamp is more than 5 minutes ahead");
	}
}

/* A time is digits alone. */
static void test_time_is_digits(void **state)
{
	(void)state;
	static const char *const times[] = { "-1", "+1531420618", " 1531420618", "1531420618 ",
		"1531420618.0", "0x5b479b4a", "now", "15314206180000",
		"99999999999999999999999999" };
	for (size_t i = 0; i < COUNT(times); i++) {
		struct delivery slack = good[1];
		slack.headers[1].value = times[i];
		assert_refused(&slack, "not a number of seconds");
	}
	struct delivery stripe = good[2];
	stripe.headers[0].value =
	    "t=1700000000x,v1=91acffc5fd9481359c7485a5ac4320ff27a55e89b69fe182c45a3a8782e61c39";
	assert_refused(&stripe, "not a number of seconds");
}

/* Each header must be there, not be empty, and be there once, even if it says the same twice. */
static void test_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		for (size_t h = 0; h < HEADERS_MAX && good[i].headers[h].name; h++) {
			bool own = strcmp(good[i].scheme, "hmac-sha256") == 0;
			char expected[80];
			snprintf(expected, sizeof(expected), "%s is missing",
			    own ? "the signature's header" : good[i].headers[h].name);
			struct delivery delivery = good[i];
			delivery.headers[h].name = "X-Other";
			assert_refused(&delivery, expected);
			delivery = good[i];
			delivery.headers[h].value = "";
			assert_refused(&delivery, expected);
			delivery = good[i];
			delivery.headers[HEADERS_MAX - 1] = delivery.headers[h];
			assert_refused(&delivery, "came twice");
		}
}

/* A rule of hmac-sha256 that names no header lets nobody in. */
static void test_no_header_named(void **state)
{
	(void)state;
	struct signature_rules rules = { signature_find("hmac-sha256"), &good[6].secret, 1, NULL };
	struct signature_request request = { header, &good[6], good[6].body, good[6].length };
	assert_int_equal(signature_verify(&rules, &request, 0, &why), -EACCES);
}

/* Another secret does not fit; of several any may; none, and an empty one, never. */
static void test_secrets(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		const struct delivery *d = &good[i];
		/* Keys that are good for every scheme; the last is discord's, of the seed 01 02 … 20. */
		static const char other[] =
		    "79b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664";
		assert_int_equal(verify_with(d, (const char *[]){ other }, 1, d->now_s), -EACCES);
		assert_true(strstr(why, "does not match"));
		assert_int_equal(
		    verify_with(d, (const char *[]){ other, d->secret }, 2, d->now_s), 0);
		assert_int_equal(
		    verify_with(d, (const char *[]){ d->secret, other }, 2, d->now_s), 0);
		assert_int_equal(
		    verify_with(d, (const char *[]){ other, other }, 2, d->now_s), -EACCES);
		assert_int_equal(verify_with(d, NULL, 0, d->now_s), -EACCES);
	}
	/* openssl dgst -sha256 -hmac '' of nothing: anyone can make it. */
	struct delivery empty = { "hmac-sha256", "", 0,
		{ { OWN, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" } },
		BODY("") };
	assert_refused(&empty, "does not match");
}

/* Several signatures, of one who changes secrets: any may fit. Those of other versions do not count. */
static void test_several_signatures(void **state)
{
	(void)state;
#define V1     "v1=91acffc5fd9481359c7485a5ac4320ff27a55e89b69fe182c45a3a8782e61c39"
#define OTHER1 "v1=23e316b4b129584220c1c2aac74ab2dbc25b859ecf848038e64479339659fbe2"
#define V0     "v0=91acffc5fd9481359c7485a5ac4320ff27a55e89b69fe182c45a3a8782e61c39"
	static const struct {
		const char *value, *because;
	} stripe[] = {
		{ "t=1700000000," OTHER1 "," V1, NULL },
		{ "t=1700000000," V1 "," OTHER1 ",v0=6ffbb59b", NULL },
		{ V1 ",t=1700000000", NULL },
		{ "t=1700000000," OTHER1 "," OTHER1, "does not match" },
		{ "t=1700000000," V0, "must be t=TIME,v1=HEX" },
		{ "t=1700000000,t=1700000000," V1, "must be t=TIME,v1=HEX" },
		{ V1, "must be t=TIME,v1=HEX" },
		{ "t=,v1=", "must be t=TIME,v1=HEX" },
		{ ",,,", "must be t=TIME,v1=HEX" },
	};
	for (size_t i = 0; i < COUNT(stripe); i++) {
		struct delivery delivery = good[2];
		delivery.headers[0].value = stripe[i].value;
		if (stripe[i].because)
			assert_refused(&delivery, stripe[i].because);
		else
			assert_int_equal(verify(&delivery), 0);
	}
#define S1 "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define S2 "v1,v48jdbgvh29KJz2Qc+ghw8G6vG3nAKnujWBg8oM/62A="
	static const struct {
		const char *value, *because;
	} standard[] = {
		{ S2 " " S1, NULL },
		{ S1
		    " v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
		    NULL },
		{ "v2,"
		  "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		    "must be v1" },
		{ S2 " " S2, "does not match" },
		{ "v1,g0hM9SsE-OTPJTGt_tmIKtSyZlE3uFJELVlNIOLJ1OE=", "must be v1" },
		{ "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE", "must be v1" },
		{ "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF=",
		    "must be v1" }, /* bits after the end */
		{ "v1,", "must be v1" },
		{ S2 " " S2 " " S2 " " S2 " " S2 " " S2 " " S2 " " S2 " " S2 " " S2 " " S2 " " S2
		     " " S2 " " S2 " " S2 " " S1,
		    NULL }, /* 16 */
		{ S2 " " S2 " " S2 " " S2 " " S2 " " S2 " " S2 " " S2 " " S2 " " S2 " " S2 " " S2
		     " " S2 " " S2 " " S2 " " S2 " " S1,
		    "must be v1" },
	};
	for (size_t i = 0; i < COUNT(standard); i++) {
		struct delivery delivery = good[3];
		delivery.headers[0].value = standard[i].value;
		if (standard[i].because)
			assert_refused(&delivery, standard[i].because);
		else
			assert_int_equal(verify(&delivery), 0);
	}
}

/* What is signed reads one way only: no part of a body passes for a time (standardwebhooks.com warns of it). */
static void test_dot_in_id(void **state)
{
	(void)state;
	struct delivery delivery = good[3];
	delivery.headers[1].value = "msg.1614265330";
	assert_refused(&delivery, "has a dot");
}

/* hmac-sha256 in all its spellings; github and slack have one. */
static void test_spellings(void **state)
{
	(void)state;
#define HEX    "796aa882fa14a077f11a8ce83aeaffea62bc7e9a27834fa93e05caa3aaa5bb44"
#define BASE64 "eWqogvoUoHfxGozoOur/6mK8fpong0+pPgXKo6qlu0Q="
	static const struct {
		const char *value;
		int expected;
	} rows[] = {
		{ HEX, 0 },
		{ "sha256=" HEX, 0 },
		{ "796AA882FA14A077F11A8CE83AEAFFEA62BC7E9A27834FA93E05CAA3AAA5BB44", 0 },
		{ BASE64, 0 },
		{ "sha256=" BASE64, 0 },
		{ "sha1=" HEX, -EACCES },
		{ "sha256=sha256=" HEX, -EACCES },
		{ "sha256=", -EACCES },
		{ "0x" HEX, -EACCES },
		{ HEX HEX, -EACCES },
		{ "eWqogvoUoHfxGozoOur_6mK8fpong0-pPgXKo6qlu0Q=", -EACCES },
		{ "eWqogvoUoHfxGozoOur/6mK8fpong0+pPgXKo6qlu0Q", -EACCES },
		{ "====", -EACCES },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct delivery delivery = good[6];
		delivery.headers[0].value = rows[i].value;
		assert_int_equal(verify(&delivery), rows[i].expected);
	}
	struct delivery github = good[0];
	github.headers[0].value = good[0].headers[0].value + strlen("sha256=");
	assert_refused(&github, "must be sha256= and 64 hex digits");
}

/* RFC 8032, section 5.1.7: S is below the group's order, or each signature would have a second form. This is
 * the good one with the order added to its S. */
static void test_discord_second_form(void **state)
{
	(void)state;
	static const unsigned char order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
		0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
	struct delivery delivery = good[5];
	char value[129];
	unsigned carry = 0;
	memcpy(value, delivery.headers[0].value, sizeof(value));
	for (size_t i = 0; i < 32; i++) {
		unsigned byte;
		char digits[3] = { value[64 + 2 * i], value[65 + 2 * i] };
		assert_int_equal(sscanf(digits, "%2x", &byte), 1);
		carry += byte + order[i];
		snprintf(digits, sizeof(digits), "%02x", carry & 0xff);
		memcpy(value + 64 + 2 * i, digits, 2);
		carry >>= 8;
	}
	delivery.headers[0].value = value;
	assert_refused(&delivery, "does not match");
}

/* A secret that can never fit is found when the config is read, and the reason does not show it. */
static void test_check_secret(void **state)
{
	(void)state;
	static const struct {
		const char *scheme, *secret, *because; /* NULL: good */
	} rows[] = {
		{ "github", GITHUB_SECRET, NULL },
		{ "github", "newline\n", "newline" },
		{ "slack", SLACK_SECRET, NULL },
		{ "stripe", STRIPE_SECRET, NULL },
		{ "hmac-sha256", "caf\xc3\xa9", NULL },
		{ "standard", STANDARD_SECRET, NULL },
		{ "standard", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", NULL },
		{ "standard", "whsec_", "base64" },
		{ "standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "base64" },
		{ "standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!", "base64" },
		{ "standard", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_", "base64" },
		{ "standard", "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "base64" },
		{ "telegram", TELEGRAM_SECRET, NULL },
		{ "telegram", "with space", "letters" },
		{ "discord", DISCORD_SECRET, NULL },
		{ "discord", "03a107bff3ce10be", "64 hex digits" },
		{ "discord", DISCORD_SECRET "0", "64 hex digits" },
		{ "discord", "x3a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8",
		    "64 hex digits" },
		{ "discord", "0000000000000000000000000000000000000000000000000000000000000000",
		    "not all 0" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		why = NULL;
		int error =
		    signature_check_secret(signature_find(rows[i].scheme), rows[i].secret, &why);
		assert_int_equal(error, rows[i].because ? -EINVAL : 0);
		if (rows[i].because)
			assert_true(strstr(why, rows[i].because) &&
				    (!strstr(why, rows[i].secret) || strlen(rows[i].secret) < 7));
		else
			assert_null(why);
	}
	char secret[1026] = "";
	memset(secret, 'A', 1025);
	const struct signature_scheme *scheme;
	for (size_t i = 0; (scheme = signature_nth(i)); i++) {
		assert_int_equal(signature_check_secret(scheme, "", &why), -EINVAL);
		assert_string_equal(why, "is empty");
		assert_int_equal(signature_check_secret(scheme, secret, &why), -EINVAL);
	}
	secret[1024] = '\0';
	assert_int_equal(signature_check_secret(signature_find("github"), secret, &why), 0);
	memset(secret, 'A', 1025);
	secret[257] = '\0';
	assert_int_equal(signature_check_secret(signature_find("telegram"), secret, &why), -EINVAL);
	secret[256] = '\0';
	assert_int_equal(signature_check_secret(signature_find("telegram"), secret, &why), 0);
}

/* The table: every scheme is found by its name, and says where its deliveries' ids are. */
static void test_table(void **state)
{
	(void)state;
	static const struct {
		const char *name, *header, *member;
	} rows[] = {
		{ "github", "X-GitHub-Delivery", NULL },
		{ "slack", NULL, "event_id" },
		{ "stripe", NULL, "id" },
		{ "standard", "webhook-id", NULL },
		{ "telegram", NULL, "update_id" },
		{ "discord", NULL, "id" },
		{ "hmac-sha256", NULL, NULL },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct signature_scheme *scheme = signature_find(rows[i].name);
		assert_ptr_equal(scheme, signature_nth(i));
		assert_string_equal(signature_name(scheme), rows[i].name);
		assert_int_equal(signature_wants_header(scheme), i == 6);
		const char *said = signature_dedupe_header(scheme);
		assert_true(rows[i].header ? strcmp(said, rows[i].header) == 0 : !said);
		said = signature_dedupe_member(scheme);
		assert_true(rows[i].member ? strcmp(said, rows[i].member) == 0 : !said);
	}
	assert_null(signature_nth(COUNT(rows)));
	assert_null(signature_find("GitHub"));
	assert_null(signature_find(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_flipped_body),
		cmocka_unit_test(test_flipped_header),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_time_is_digits),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_no_header_named),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_several_signatures),
		cmocka_unit_test(test_dot_in_id),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_discord_second_form),
		cmocka_unit_test(test_check_secret),
		cmocka_unit_test(test_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
