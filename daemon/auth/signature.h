/*
 * signature: whether a webhook comes from who shares a secret with us, by the signature over its raw body.
 *
 *   scheme       signed                       in                                          within
 *   github       body                         X-Hub-Signature-256: sha256=HEX
 *   slack        v0:TIME:body                 X-Slack-Signature: v0=HEX                   5 min
 *   stripe       TIME.body                    Stripe-Signature: t=TIME,v1=HEX,…           5 min
 *   standard     ID.TIME.body                 webhook-signature: v1,BASE64 …              5 min
 *   telegram     nothing: it is the secret    X-Telegram-Bot-Api-Secret-Token
 *   discord      TIMEbody, by Ed25519         X-Signature-Ed25519: HEX                    5 min
 *   hmac-sha256  body                         any header: [sha256=] HEX or BASE64
 *
 * Refused are a header that is missing, came twice or is not of its form; a time more than five minutes
 * off, in either direction; and what no secret fits. All secrets and all signatures are compared, whole,
 * so that the time it takes tells nothing of them. What is signed with an older version (v0 of stripe) or
 * with another (v1a of standard) does not count.
 *
 * Pure: the time is passed in, nothing is kept. OpenSSL sets itself up at the first discord signature
 * that is well formed (1 ms, 2 MB), and for no other scheme. Loop thread only.
 */
#ifndef AGENTD_AUTH_SIGNATURE_H
#define AGENTD_AUTH_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct signature_scheme;

/* NULL: there is none of that name; or, by number from 0, no more. */
const struct signature_scheme *signature_find(const char *name);
const struct signature_scheme *signature_nth(size_t nth);
const char *signature_name(const struct signature_scheme *scheme);
/* Whether its rules say which header. */
bool signature_wants_header(const struct signature_scheme *scheme);

/* The header that has not a signature but the secret itself, as telegram's; NULL: none has. */
const char *signature_secret_header(const struct signature_scheme *scheme);

/*
 * Where the sender's id of a delivery is, which a second attempt has again: in a header, or in a member of
 * the body, which is JSON. Both NULL: nowhere. github's is not signed and its time is not either, so who
 * has seen a delivery can send it again under another id; the others' are signed. A slash command or a
 * click of slack is a form without event_id.
 */
const char *signature_dedupe_header(const struct signature_scheme *scheme);
const char *signature_dedupe_member(const struct signature_scheme *scheme);

/* Whether it is a secret as the scheme has them. 0, or -EINVAL with why: a constant. */
int signature_check_secret(
    const struct signature_scheme *scheme, const char *secret, const char **ret_why);

/* All borrowed, for the time of the call. */
struct signature_rules {
	const struct signature_scheme *scheme;
	const char *const *secrets; /* each has passed signature_check_secret; any may fit */
	size_t count;               /* 0: nothing fits */
	const char *header;         /* of hmac-sha256 */
};

struct signature_request {
	/* The nth value of a header, from 0, whatever the case of its name; NULL: it has none. */
	const char *(*header)(const void *arg, const char *name, unsigned nth);
	const void *arg;
	const void *body; /* as it came */
	size_t length;
};

/* 0; -EACCES with why, for a log and for the sender: a constant; or -ENOMEM. Seconds since 1970. */
int signature_verify(const struct signature_rules *rules, const struct signature_request *request,
    int64_t now_s, const char **ret_why);

#endif
