/* composite: several, one after the other. The first that knows who it is has said so. */
#include "daemon/auth/internal.h"

static int composite_open(struct provider *provider, struct conf_errors *errors)
{
	(void)provider;
	(void)errors;
	return 0;
}

/* If none knows, what is said is the weightiest: that somebody has to wait, then that something was
 * wrong, then that nothing was there. */
static enum auth_verdict composite_ask(struct provider *provider,
    const struct auth_request *request, struct principal **ret_who, const char **ret_why)
{
	static const int weight[] = { [AUTH_ANONYMOUS] = 1,
		[AUTH_REFUSED] = 2,
		[AUTH_UNAVAILABLE] = 3,
		[AUTH_LATER] = 4,
		[AUTH_NO_MEMORY] = 5 };
	const struct provider_settings *settings = provider->settings;
	enum auth_verdict verdict = AUTH_ANONYMOUS;
	*ret_why = "the request does not say who sends it";
	for (size_t i = 0; i < settings->part_count; i++) {
		const char *why;
		enum auth_verdict one =
		    auth_ask(provider->auth, settings->parts[i], request, ret_who, &why);
		if (one == AUTH_KNOWN)
			return AUTH_KNOWN;
		if (weight[one] > weight[verdict]) {
			verdict = one;
			*ret_why = why;
		}
	}
	return verdict;
}

const struct provider_type auth_composite = { composite_open, composite_ask, NULL };
