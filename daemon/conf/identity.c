/* identity: the walk along the section of that name. */
#include "daemon/conf/identity.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/message.h"
#include "daemon/conf/tree.h"

/* Of one platform's user nobody can be two. */
static bool is_linked(const struct settings *settings, const struct identity_settings *link,
    struct conf_errors *errors)
{
	for (size_t i = 0; i < settings->identity_count; i++) {
		const struct identity_settings *other = &settings->identities[i];
		if (strcmp(other->platform, link->platform) != 0 ||
		    strcmp(other->platform_user_id, link->platform_user_id) != 0)
			continue;
		conf_error(errors, link->node, "\"%s\" is that of \"%s\" already, at %s:%u",
		    link->node->text, other->user_id, other->node->file, other->node->line);
		return true;
	}
	return false;
}

static void read_link(struct settings *settings, const char *user_id, const struct conf_node *node,
    struct conf_errors *errors)
{
	const char *colon = node->kind == CONF_SCALAR ? strchr(node->text, ':') : NULL;
	struct identity_settings link = { .user_id = user_id, .node = node };
	struct identity_settings *grown;
	if (colon) {
		link.platform = strndup(node->text, (size_t)(colon - node->text));
		link.platform_user_id = colon + 1;
	}
	if (!link.platform || !settings_name_is_good(link.platform) || !*link.platform_user_id ||
	    strlen(link.platform_user_id) > MESSAGE_ID_MAX)
		conf_error(errors, node, "expected PLATFORM:ID, such as \"telegram:12345\"");
	else if (!is_linked(settings, &link, errors) &&
		 (grown = reallocarray(
		      settings->identities, settings->identity_count + 1, sizeof(*grown)))) {
		settings->identities = grown;
		grown[settings->identity_count++] = link;
		return;
	}
	free(link.platform);
}

static void read_user(
    struct settings *settings, const struct conf_node *user, struct conf_errors *errors)
{
	if (!*user->key || strlen(user->key) > MESSAGE_ID_MAX)
		conf_error(errors, user, "the id of a user has from 1 to %d bytes", MESSAGE_ID_MAX);
	else if (user->kind == CONF_LIST)
		for (size_t i = 0; i < user->count; i++)
			read_link(settings, user->key, user->items[i], errors);
	else if (!conf_node_is_nothing(user))
		read_link(settings, user->key, user, errors);
}

void identity_read(struct settings *settings, struct conf_errors *errors)
{
	const struct conf_node *section = conf_get(settings->tree, "identity");
	if (!section || conf_node_is_nothing(section))
		return;
	if (section->kind != CONF_MAP)
		conf_error(errors, section,
		    "must be a section of users, such as `identity: { ann: [ \"telegram:12345\" ] }`");
	for (size_t i = 0; section->kind == CONF_MAP && i < section->count; i++)
		read_user(settings, section->items[i], errors);
}

void identity_free(struct settings *settings)
{
	for (size_t i = 0; i < settings->identity_count; i++)
		free(settings->identities[i].platform);
	free(settings->identities);
}
