/* principal: a copy, counted. */
#include "daemon/auth/principal.h"

#include <stdlib.h>
#include <string.h>

struct principal *principal_new(const struct principal *from)
{
	size_t user = from->user_id ? strlen(from->user_id) + 1 : 0;
	size_t claims = from->claims ? strlen(from->claims) + 1 : 0;
	struct principal *principal = malloc(sizeof(*principal) + user + claims);
	if (!principal)
		return NULL;
	char *room = (char *)(principal + 1);
	*principal = *from;
	principal->refs = 1;
	if (user)
		principal->user_id = memcpy(room, from->user_id, user);
	if (claims)
		principal->claims = memcpy(room + user, from->claims, claims);
	return principal;
}

struct principal *principal_ref(struct principal *principal)
{
	principal->refs++;
	return principal;
}

void principal_unref(struct principal *principal)
{
	if (principal && --principal->refs == 0)
		free(principal);
}

bool principal_may_use(const struct principal *principal, const char *agent)
{
	const struct schema_list *agents = principal->agents;
	return !agents || agents->count == 0 || schema_list_has(agents, agent);
}

bool principal_may_see(const struct principal *principal, const char *user_id, const char *source)
{
	if (principal->sight == SEES_ALL)
		return true;
	if (principal->sight == SEES_HTTP)
		return source && strcmp(source, SOURCE_HTTP) == 0;
	return user_id && principal->user_id && strcmp(user_id, principal->user_id) == 0;
}
