/* allowlist: users and chats of platforms that have said already who somebody is. */
#include <string.h>
#include <strings.h>

#include "daemon/auth/internal.h"

static int allowlist_open(struct provider *provider, struct conf_errors *errors)
{
	(void)provider;
	(void)errors;
	return 0;
}

/* By "@name", which platforms do not tell apart by case. */
static bool has_name(const struct schema_list *list, const char *name)
{
	for (size_t i = 0; name && *name && i < list->count; i++)
		if (list->items[i][0] == '@' && strcasecmp(list->items[i] + 1, name) == 0)
			return true;
	return false;
}

/* What is listed must fit, all of it. */
static enum auth_verdict allowlist_ask(struct provider *provider,
    const struct auth_request *request, struct principal **ret_who, const char **ret_why)
{
	const struct provider_settings *settings = provider->settings;
	*ret_why = "the request is not a chat's";
	if (!request->user_id)
		return AUTH_ANONYMOUS;
	*ret_why = "is not on the list";
	if (settings->platforms.count && !schema_list_has(&settings->platforms, request->platform))
		return AUTH_REFUSED;
	if (settings->chats.count && !schema_list_has(&settings->chats, request->chat_id))
		return AUTH_REFUSED;
	if (settings->users.count && !schema_list_has(&settings->users, request->user_id) &&
	    !has_name(&settings->users, request->username))
		return AUTH_REFUSED;
	struct principal who = {
		.provider = settings->name,
		.user_id = request->user_id,
		.rate = settings->rate,
	};
	*ret_who = principal_new(&who);
	return *ret_who ? AUTH_KNOWN : AUTH_NO_MEMORY;
}

const struct provider_type auth_allowlist = { allowlist_open, allowlist_ask, NULL };
