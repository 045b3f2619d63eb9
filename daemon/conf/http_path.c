/* http_path: what may be a path, and when two of them are one. */
#include "daemon/conf/http_path.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define PATH_MAX_BYTES 256

const char *http_path_fault(const char *path)
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-/";
	size_t n = strlen(path);
	if (n > PATH_MAX_BYTES)
		return "a path may have at most 256 bytes";
	if (strspn(path, allowed) != n)
		return "a path may have letters, digits, . _ ~ - and /";
	for (const char *at = path; (at = strchr(at, '/')); at++) {
		size_t segment = strcspn(at + 1, "/");
		if (segment == 0 && (n == 1 || at[1]))
			return "a path has something between its slashes";
		if ((segment == 1 && at[1] == '.') || (segment == 2 && !strncmp(at + 1, "..", 2)))
			return "a path has no . or .. in it";
	}
	return NULL;
}

bool http_path_is_same(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	n -= n > 1 && a[n - 1] == '/';
	m -= m > 1 && b[m - 1] == '/';
	return n == m && strncasecmp(a, b, n) == 0;
}

bool http_path_is_ours(const char *path, bool (*is_taken)(const char *path))
{
	char plain[PATH_MAX_BYTES + 1];
	size_t n = strlen(path);
	if (n >= sizeof(plain))
		return false; /* an error already */
	for (size_t i = 0; i <= n; i++)
		plain[i] = (char)tolower((unsigned char)path[i]);
	if (n > 1 && plain[n - 1] == '/')
		plain[n - 1] = '\0';
	return is_taken(path) || is_taken(plain);
}

static bool has(const char *its_method, const char *its_path, const char *method, const char *path)
{
	return its_method && its_path && strcmp(its_method, method) == 0 &&
	       http_path_is_same(its_path, path);
}

const char *http_path_owner(const struct settings *settings, const char *method, const char *path,
    const struct trigger_settings *before)
{
	const struct trigger_settings *end =
	    before ? before : settings->triggers + settings->trigger_count;
	for (const struct trigger_settings *trigger = settings->triggers; trigger < end; trigger++)
		if (trigger->kind == TRIGGER_WEBHOOK &&
		    has(trigger->webhook.method, trigger->webhook.path, method, path))
			return trigger->label;
	for (size_t i = 0; i < settings->interface_count; i++) {
		const struct interface_settings *interface = &settings->interfaces[i];
		for (size_t j = 0; j < interface->path_count; j++)
			if (has(interface->paths[j].method, interface->paths[j].path, method, path))
				return interface->instance.label;
	}
	return NULL;
}
