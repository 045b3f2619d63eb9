/*
 * access: who is asking, and may they? Between the checks of the request itself and its route.
 *
 * Over the control socket it is the user at the other end; else whoever http.auth says; without that,
 * everybody is the same nobody in particular, who is an admin if only this machine can reach agentd, and else
 * sees nothing of chats and triggers.
 */
#ifndef AGENTD_HTTP_ACCESS_H
#define AGENTD_HTTP_ACCESS_H

#include "daemon/http/routes.h"
#include "daemon/store/store.h"

/* Whom to ask for what. */
struct access_rule {
	enum route_auth need;
	const struct provider_settings *auth; /* borrowed; NULL: http.auth */
};
/* Calls `proceed`, now or once keys have been got, with http_principal set; or answers 401, 403, 429 or
 * 503. `proceed` has to find out for itself what it was about: the request is all that is kept. */
void access_ask(struct api *api, struct http_request *request, struct access_rule rule,
    void (*proceed)(struct api *api, struct http_request *request));

/* Whether a header is where a provider's credentials are. */
bool access_is_credential(const struct provider_settings *provider, const char *name);
/* The header, beside Authorization, in which one may send a key; of several the first. NULL: there is none. */
const char *access_key_header(const struct provider_settings *provider);
/* Names of headers that a page of another origin may send, for its preflight. */
void access_add_allowed_headers(struct http_request *request, const struct settings *settings);

/* Whether the one who asks may see it; if not, that is answered with 403. A session has to be asked of the store
 * with access_only_source. */
bool access_may_see_run(struct http_request *request, const struct store_run *run);
bool access_may_see_session(struct http_request *request, const struct store_session *session);
/* The same without an answer. */
bool access_is_its_session(const struct http_request *request, const struct store_session *session);
/* That answer, when it has been found out elsewhere. `what`: "run" or "session". */
void access_refuse_other(struct http_request *request, const char *what);
/* The user, and the source, to which lists are limited; NULL: to none. */
const char *access_only_user(const struct http_request *request);
const char *access_only_source(const struct http_request *request);

#endif
