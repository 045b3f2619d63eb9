/* internal: what the files of this room share. Nothing outside daemon/auth/ includes it. */
#ifndef AGENTD_AUTH_INTERNAL_H
#define AGENTD_AUTH_INTERNAL_H

#include "daemon/auth/auth.h"

struct provider;

/* What a type of provider does. */
struct provider_type {
	/* 0 or -ENOMEM; mistakes go to `errors`. */
	int (*open)(struct provider *provider, struct conf_errors *errors);
	enum auth_verdict (*ask)(struct provider *provider, const struct auth_request *request,
	    struct principal **ret_who, const char **ret_why);
	void (*close)(struct provider *provider); /* also of one that did not open; NULL: nothing */
};

extern const struct provider_type auth_api_key, auth_jwt, auth_allowlist, auth_composite;

struct provider {
	struct auth *auth;                        /* borrowed */
	const struct provider_settings *settings; /* borrowed */
	const struct provider_type *type;
	void *state; /* the type's own */
};

/* auth.c */
struct provider *auth_provider(struct auth *auth, const struct provider_settings *settings);
void auth_wake(struct auth *auth); /* keys have come, or could not be got */
struct event_base *auth_base(const struct auth *auth);
const struct auth_fetcher *auth_fetcher(const struct auth *auth); /* NULL: not started yet */
/* What stands after "Bearer " (RFC 6750, section 2.1). NULL: there is none, and the verdict and *ret_why
 * say whether there was anything at all. */
const char *auth_bearer(
    const struct auth_request *request, enum auth_verdict *ret_verdict, const char **ret_why);
/* The one value of a header, in the same manner. */
const char *auth_header(const struct auth_request *request, const char *name,
    enum auth_verdict *ret_verdict, const char **ret_why);

/* Whether keys may be got again because of a token that names one that is not there: any token may. */
bool auth_may_renew(const struct provider *provider);
/* Whether it is a user of a chat, "telegram:12345", by the interfaces that there are. */
bool auth_is_chat_user(const struct auth *auth, const char *user);
/* Whether it has the three parts of a token (RFC 7519), whatever they are. */
bool auth_is_token(const char *text);

/* keys.c: the keys of a jwt provider, wherever they come from. */
struct keys;
struct jwk_set;
int keys_open(struct provider *provider, struct conf_errors *errors, struct keys **ret);
void keys_free(struct keys *keys);
int keys_start(struct keys *keys);
/* Has those of another that are of the same URL, until it has got its own. */
void keys_inherit(struct keys *keys, const struct keys *before);
/* Those at hand; NULL: none could be got yet. A file that has changed is read again. */
const struct jwk_set *keys_current(struct keys *keys);
/* There may be newer ones: gets them, if that was not tried a moment ago. Whether it is worth waiting. */
bool keys_renew(struct keys *keys);

/* token.c */
int token_start(struct provider *provider);
void token_inherit(struct provider *provider, const struct provider *before);

#endif
