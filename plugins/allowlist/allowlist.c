/*
 * allowlist: a hook that lets messages of some users through and no others. Who is not in the list gets no
 * answer, as if nobody were there.
 *
 * It looks at the id that the platform gives, which nobody can choose; never at names, which people do. Who
 * may write at all is better said by the interface's `auth`: this hook is for an interface that is open.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agentd/plugin.h"

static const struct agentd_option options[] = {
	{ .key = "allowed_user_ids",
	    .type = AGENTD_LIST,
	    .required = 1,
	    .help = "ids of users, as the platform gives them; all others get no answer" },
};

struct allowlist {
	const struct agentd_host *host; /* borrowed */
	char **ids;                     /* owned, and each of them */
	size_t count;
};

static void allowlist_close(void *self)
{
	struct allowlist *list = self;
	for (size_t i = 0; i < list->count; i++)
		free(list->ids[i]);
	free(list->ids);
	free(list);
}

static int allowlist_open(
    const struct agentd_host *host, const struct agentd_options *given, void **ret_self)
{
	const struct agentd_value *ids = agentd_get(given, "allowed_user_ids");
	struct allowlist *list = calloc(1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	list->host = host;
	list->ids = calloc(ids->count + 1, sizeof(*list->ids));
	while (list->ids && list->count < ids->count) {
		const struct agentd_text *id = &ids->items[list->count];
		list->ids[list->count] = strndup(id->p, id->n);
		if (!list->ids[list->count])
			break;
		list->count++;
	}
	if (!list->ids || list->count < ids->count) {
		allowlist_close(list);
		return -ENOMEM;
	}
	*ret_self = list;
	return 0;
}

static int allowlist_on_message(
    void *self, struct agentd_call *call, const struct agentd_exchange *exchange)
{
	const struct allowlist *list = self;
	struct agentd_text user = exchange->message->user_id;
	(void)call;
	for (size_t i = 0; i < list->count; i++)
		if (strlen(list->ids[i]) == user.n && memcmp(list->ids[i], user.p, user.n) == 0)
			return 0;
	list->host->log(list->host, AGENTD_LOG_DEBUG, "user %.*s of %.*s is not in the list",
	    (int)user.n, user.p, (int)exchange->interface.n, exchange->interface.p);
	return AGENTD_REFUSE;
}

static const struct agentd_hook_ops hook = {
	.size = sizeof(hook),
	.open = allowlist_open,
	.on_message = allowlist_on_message,
	.close = allowlist_close,
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_HOOK,
	.name = "allowlist",
	.version = "0.1.0",
	.summary = "lets messages of some users through, and no others",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.hook = &hook,
};
