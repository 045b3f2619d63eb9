/* providers: the walk along the `auth` section. */
#include "daemon/conf/providers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf/file.h"
#include "daemon/conf/tables.h"
#include "daemon/conf/tree.h"

#define HASH_PREFIX "sha256:"

static const struct {
	const char *name;
	enum auth_type type;
	const struct schema *schema;
} types[] = {
	{ "api_key", AUTH_API_KEY, &settings_api_key },
	{ "jwt", AUTH_JWT, &settings_jwt },
	{ "allowlist", AUTH_ALLOWLIST, &settings_allowlist },
	{ "composite", AUTH_COMPOSITE, &settings_composite },
};
#define TYPES (sizeof(types) / sizeof(types[0]))

const struct schema *providers_schema(enum auth_type type)
{
	return types[type].schema;
}

static const struct conf_node *node_of(const struct conf_node *section, const char *key)
{
	const struct conf_node *node = conf_get(section, key);
	return node ? node : section;
}

/* "60/m": so many requests in a second, minute, hour or day. */
static bool parse_rate(const char *text, struct rate *ret)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} periods[] = { { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
	const char *slash = strchr(text, '/');
	char number[24];
	if (!slash || (size_t)(slash - text) >= sizeof(number))
		return false;
	memcpy(number, text, (size_t)(slash - text));
	number[slash - text] = '\0';
	for (size_t i = 0; i < sizeof(periods) / sizeof(periods[0]); i++)
		if (strcmp(slash + 1, periods[i].unit) == 0)
			ret->period_ms = periods[i].ms;
	return schema_parse_int(number, &ret->count) == 0 && ret->count >= 1 &&
	       ret->count <= 1000000 && ret->period_ms;
}

static void read_rate(
    const struct conf_node *section, const char *word, struct rate *ret, struct conf_errors *errors)
{
	if (!word || parse_rate(word, ret))
		return;
	*ret = (struct rate){ 0 };
	conf_error(errors, node_of(section, "rate"),
	    "expected a rate such as 60/m (s, m, h or d), found \"%.60s\"", word);
}

/* API keys. */

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_hash(const char *text, unsigned char ret[AUTH_HASH_SIZE])
{
	if (strncmp(text, HASH_PREFIX, strlen(HASH_PREFIX)) != 0 ||
	    strlen(text) != strlen(HASH_PREFIX) + 2 * AUTH_HASH_SIZE)
		return false;
	text += strlen(HASH_PREFIX);
	for (size_t i = 0; i < AUTH_HASH_SIZE; i++) {
		int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		ret[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

/* What is wrong with it is not shown: it may be the key itself. */
static void read_hash(const struct provider_settings *provider, struct auth_key_settings *key,
    const struct conf_node *at, struct conf_errors *errors)
{
	if (!key->hash_word)
		return; /* an error already */
	if (!parse_hash(key->hash_word, key->hash)) {
		conf_error(errors, at,
		    "expected sha256: and 64 hexadecimal digits in lower case; `agentctl key new` "
		    "makes a key and its hash");
		return;
	}
	for (const struct auth_key_settings *other = provider->keys; other < key; other++)
		if (memcmp(other->hash, key->hash, AUTH_HASH_SIZE) == 0)
			conf_error(errors, at, "the same key is listed twice");
}

static void read_key(
    struct provider_settings *provider, const struct conf_node *node, struct conf_errors *errors)
{
	struct auth_key_settings *key = &provider->keys[provider->key_count++];
	key->section = node;
	if (node->kind == CONF_SCALAR) {
		key->hash_word = strdup(node->text);
		read_hash(provider, key, node, errors);
		return;
	}
	if (node->kind != CONF_MAP || !conf_get(node, "hash")) {
		/* Nothing of it is shown: `{ KEY }` has the key as the name of an option. */
		conf_error(
		    errors, node, "expected a hash, such as { name: ci, hash: \"sha256:…\" }");
		return;
	}
	settings_read_table(&settings_auth_key, node, key, errors);
	if (conf_errors_lost(errors))
		return;
	read_hash(provider, key, node_of(node, "hash"), errors);
	read_rate(node, key->rate_word, &key->rate, errors);
}

static void read_keys(struct provider_settings *provider, struct conf_errors *errors)
{
	const struct conf_node *keys = conf_get(provider->section, "keys");
	if (!keys || keys->kind != CONF_LIST || keys->count == 0) {
		conf_error(errors, keys ? keys : provider->section,
		    "keys must be a list of keys, such as `keys: [ \"sha256:…\" ]`; `agentctl key "
		    "new` makes one");
		return;
	}
	provider->keys = calloc(keys->count, sizeof(*provider->keys));
	for (size_t i = 0; provider->keys && i < keys->count; i++)
		read_key(provider, keys->items[i], errors);
}

/* A field name (RFC 9110, section 5.1). */
static void check_header(const struct provider_settings *provider, struct conf_errors *errors)
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	const char *header = provider->header;
	if (header && (!*header || header[strspn(header, allowed)]))
		conf_error(errors, node_of(provider->section, "header"),
		    "\"%.60s\" is not the name of a header", header);
}

/* Tokens. */

/* Relative to the file that says it. */
static void find_file(const struct conf_node *section, const char *key, char **path)
{
	if (!*path)
		return;
	char *beside = conf_file_beside(node_of(section, key)->file, *path);
	free(*path);
	*path = beside;
}

static bool url_is_good(const char *url)
{
	static const char *const local[] = { "http://127.0.0.1", "http://localhost",
		"http://[::1]" };
	if (strncmp(url, "https://", 8) == 0)
		return url[8] != '\0';
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		size_t n = strlen(local[i]);
		if (strncmp(url, local[i], n) != 0)
			continue;
		if (url[n] == ':') /* a port; more would be a user's name, and the host behind it */
			n += 1 + strspn(url + n + 1, "0123456789");
		return url[n] == '/' || !url[n];
	}
	return false;
}

/* Whoever holds the public key must not be able to sign with it: a secret goes with HS only, a public
 * key never does (RFC 8725, section 3.1). */
static void check_algorithms(const struct provider_settings *provider, struct conf_errors *errors)
{
	const struct schema_list *algorithms = &provider->algorithms;
	bool symmetric = provider->secret != NULL;
	for (size_t i = 0; i < algorithms->count; i++)
		if ((algorithms->items[i][0] == 'H') != symmetric)
			conf_error(errors, node_of(provider->section, "algorithms"),
			    symmetric
				? "%s needs a public key; a secret goes with HS256, HS384 and HS512"
				: "%s needs a secret; a public key goes with RS, PS and ES",
			    algorithms->items[i]);
	const struct conf_node *given = conf_get(provider->section, "algorithms");
	if (given && given->kind == CONF_LIST && given->count == 0) /* else that has been said */
		conf_error(errors, given,
		    "algorithms must name what tokens are signed with, such as [ RS256 ]");
}

static void read_jwt(struct provider_settings *provider, struct conf_errors *errors)
{
	const char *const sources[] = { provider->secret, provider->key_file, provider->jwks_file,
		provider->jwks_url };
	size_t count = 0;
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		count += sources[i] != NULL;
	if (count != 1)
		conf_error(errors, provider->section,
		    "expected one of secret, key_file, jwks_file and jwks_url, found %zu", count);
	if (provider->jwks_url && !url_is_good(provider->jwks_url))
		conf_error(errors, node_of(provider->section, "jwks_url"),
		    "must be https:// (or http:// to this machine): whoever can change the answer "
		    "could make tokens");
	find_file(provider->section, "key_file", &provider->key_file);
	find_file(provider->section, "jwks_file", &provider->jwks_file);
	if (count == 1)
		check_algorithms(provider, errors);
}

/* Any provider. */

static void read_allowlist(struct provider_settings *provider, struct conf_errors *errors)
{
	if (!provider->users.count && !provider->chats.count)
		conf_error(errors, provider->section,
		    "expected users, chats, or both: an empty list lets nobody in");
}

static const char *type_name_at(const void *arg, size_t i)
{
	(void)arg;
	return i < TYPES ? types[i].name : NULL;
}

static bool read_type(
    const struct conf_node *section, enum auth_type *ret, struct conf_errors *errors)
{
	const struct conf_node *node = conf_get(section, "type");
	for (size_t i = 0; node && node->kind == CONF_SCALAR && i < TYPES; i++)
		if (strcmp(types[i].name, node->text) == 0) {
			*ret = types[i].type;
			return true;
		}
	const char *found = node && node->kind == CONF_SCALAR ? node->text : NULL;
	const char *near = found ? schema_nearest(found, type_name_at, NULL) : NULL;
	conf_error(errors, node ? node : section,
	    "expected %stype api_key, jwt, allowlist or composite%s%s%s%s%s%s", node ? "" : "a ",
	    found ? ", found \"" : "", found ? found : "", found ? "\"" : "",
	    near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return false;
}

static void read_provider(
    struct settings *settings, const struct conf_node *section, struct conf_errors *errors)
{
	enum auth_type type;
	if (!settings_name_is_good(section->key))
		conf_error(errors, section, "a name may have letters, digits, _ and -");
	else if (strcmp(section->key, "none") == 0)
		conf_error(errors, section, "none cannot be a name: it says that there is no auth");
	else if (strcmp(section->key, "inherit") == 0)
		conf_error(errors, section,
		    "inherit cannot be a name: to a webhook it says what http.auth does");
	if (section->kind != CONF_MAP) {
		conf_error(errors, section, "expected a section, with lines of \"name: value\"");
		return;
	}
	if (!read_type(section, &type, errors))
		return;
	struct provider_settings *provider = &settings->providers[settings->provider_count++];
	provider->name = section->key;
	provider->type = type;
	provider->section = section;
	settings_read_table(types[type].schema, section, provider, errors);
	if (conf_errors_lost(errors))
		return;
	read_rate(section, provider->rate_word, &provider->rate, errors);
	if (type == AUTH_API_KEY) {
		check_header(provider, errors);
		read_keys(provider, errors);
	} else if (type == AUTH_JWT) {
		read_jwt(provider, errors);
	} else if (type == AUTH_ALLOWLIST) {
		read_allowlist(provider, errors);
	}
}

const struct provider_settings *settings_find_provider(
    const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->provider_count; i++)
		if (strcmp(settings->providers[i].name, name) == 0)
			return &settings->providers[i];
	return NULL;
}

static const char *name_at(const void *arg, size_t i)
{
	const struct settings *settings = arg;
	return i < settings->provider_count ? settings->providers[i].name : NULL;
}

/* NULL after an error. */
static const struct provider_settings *resolve(const struct settings *settings, const char *name,
    const struct conf_node *at, struct conf_errors *errors)
{
	const struct provider_settings *found = settings_find_provider(settings, name);
	if (found)
		return found;
	/* What is wrong with one that is there is said already. */
	if (conf_get(conf_get(settings->tree, "auth"), name))
		return NULL;
	const char *near = schema_nearest(name, name_at, settings);
	conf_error(errors, at, "there is no auth \"%s\"%s%s%s", name,
	    near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return NULL;
}

static const struct conf_node *item_of(
    const struct provider_settings *provider, const char *key, size_t i)
{
	const struct conf_node *list = node_of(provider->section, key);
	return list->kind == CONF_LIST && i < list->count ? list->items[i] : list;
}

/* A composite is of simple ones: what is tried, and in which order, stands in one line. */
static void find_parts(
    const struct settings *settings, struct provider_settings *provider, struct conf_errors *errors)
{
	provider->parts = calloc(provider->of.count + 1, sizeof(provider->parts[0]));
	for (size_t i = 0; provider->parts && i < provider->of.count; i++) {
		const struct conf_node *at = item_of(provider, "of", i);
		const struct provider_settings *part =
		    resolve(settings, provider->of.items[i], at, errors);
		if (part && part->type == AUTH_COMPOSITE)
			conf_error(errors, at, "is a composite itself: name its parts");
		else if (part)
			provider->parts[provider->part_count++] = part;
	}
	if (provider->of.count == 0 && conf_get(provider->section, "of"))
		conf_error(errors, provider->section, "of must name at least one other");
}

/* An allowlist knows chats. Over HTTP there is nothing that it could go by. */
static bool can_serve_http(const struct provider_settings *provider)
{
	if (provider->type != AUTH_COMPOSITE)
		return provider->type != AUTH_ALLOWLIST;
	for (size_t i = 0; i < provider->part_count; i++)
		if (provider->parts[i]->type != AUTH_ALLOWLIST)
			return true;
	return provider->part_count < provider->of.count; /* else that is the mistake */
}

const struct provider_settings *providers_for_http(const struct settings *settings,
    const char *name, const struct conf_node *at, struct conf_errors *errors)
{
	const struct provider_settings *provider = resolve(settings, name, at, errors);
	if (!provider || can_serve_http(provider))
		return provider;
	conf_error(errors, at,
	    "\"%s\" is an allowlist, which knows chats only: nobody could get in over HTTP", name);
	return NULL;
}

/* An allowlist, or a composite of which one is a part. */
static bool can_serve_chat(const struct provider_settings *provider)
{
	bool can = provider->type == AUTH_ALLOWLIST;
	for (size_t i = 0; i < provider->part_count; i++)
		can = can || can_serve_chat(provider->parts[i]);
	return can || provider->part_count < provider->of.count; /* that is the mistake */
}

const struct provider_settings *providers_for_chat(const struct settings *settings,
    const char *name, const struct conf_node *at, struct conf_errors *errors)
{
	const struct provider_settings *provider = resolve(settings, name, at, errors);
	if (!provider || can_serve_chat(provider))
		return provider;
	conf_error(errors, at, "\"%s\" (%s) can never know who writes in a chat: an allowlist can",
	    name, types[provider->type].name);
	return NULL;
}

static bool names_platform(const struct provider_settings *provider, const char *platform)
{
	const struct schema_list *platforms = &provider->platforms;
	for (size_t i = 0; i < platforms->count; i++)
		if (strcmp(platforms->items[i], platform) == 0)
			return true;
	return false;
}

bool providers_knows_platform(const struct provider_settings *provider, const char *platform)
{
	bool knows = provider->type == AUTH_ALLOWLIST &&
		     (!provider->platforms.count || names_platform(provider, platform));
	for (size_t i = 0; i < provider->part_count; i++)
		knows = knows || providers_knows_platform(provider->parts[i], platform);
	return knows;
}

size_t providers_that_name(const struct provider_settings *provider, const char *platform,
    const struct provider_settings **ret)
{
	size_t count = 0;
	if (provider->type == AUTH_ALLOWLIST && names_platform(provider, platform))
		ret[count++] = provider;
	for (size_t i = 0; i < provider->part_count; i++)
		count += providers_that_name(provider->parts[i], platform, ret + count);
	return count;
}

static bool is_named_in_chat(
    const struct settings *settings, const struct provider_settings *provider)
{
	for (size_t i = 0; i < settings->interface_count; i++) {
		const char *word = settings->interfaces[i].auth_word;
		if (word && strcmp(word, provider->name) == 0)
			return true;
	}
	return false;
}

static bool is_used(const struct settings *settings)
{
	for (size_t i = 0; i < settings->trigger_count; i++)
		if (settings->triggers[i].webhook.auth)
			return true;
	return settings->http.auth_word;
}

void providers_note_unused(const struct settings *settings, struct conf_errors *notes)
{
	for (size_t i = 0; !is_used(settings) && i < settings->provider_count; i++)
		if (can_serve_http(&settings->providers[i]) &&
		    !is_named_in_chat(settings, &settings->providers[i])) {
			conf_error(notes, settings->providers[i].section,
			    "nothing uses it: name it with http.auth, or say http.auth: none");
			return;
		}
}

static const char *platform_at(const void *arg, size_t i)
{
	const struct settings *settings = arg;
	return i < settings->interface_count ? settings->interfaces[i].platform : NULL;
}

static void note_platform(const struct settings *settings, const struct provider_settings *provider,
    size_t nth, struct conf_errors *notes)
{
	const char *name = provider->platforms.items[nth], *platform;
	for (size_t i = 0; (platform = platform_at(settings, i)); i++)
		if (strcmp(platform, name) == 0)
			return;
	const char *near = schema_nearest(name, platform_at, settings);
	conf_error(notes, settings_place(provider->section, "platforms", nth),
	    "no interface has the platform \"%s\"%s%s%s", name, near ? "; did you mean \"" : "",
	    near ? near : "", near ? "\"?" : "");
}

/* Without interfaces nothing is known: those of the list may be yet to come. */
void providers_note_platforms(const struct settings *settings, struct conf_errors *notes)
{
	for (size_t i = 0; settings->interface_count && i < settings->provider_count; i++)
		for (size_t j = 0; j < settings->providers[i].platforms.count; j++)
			note_platform(settings, &settings->providers[i], j, notes);
}

void providers_read(struct settings *settings, struct conf_errors *errors)
{
	const struct conf_node *section = conf_get(settings->tree, "auth");
	if (!section || conf_node_is_nothing(section))
		section = NULL;
	else if (section->kind != CONF_MAP)
		conf_error(errors, section, "must be a section of auth providers, by name");
	size_t count = section && section->kind == CONF_MAP ? section->count : 0;
	settings->providers = calloc(count + 1, sizeof(*settings->providers));
	for (size_t i = 0; settings->providers && i < count; i++)
		read_provider(settings, section->items[i], errors);
	for (size_t i = 0; i < settings->provider_count; i++)
		if (settings->providers[i].type == AUTH_COMPOSITE)
			find_parts(settings, &settings->providers[i], errors);

	const char *name = settings->http.auth_word;
	const struct conf_node *at = conf_get(conf_get(settings->tree, "http"), "auth");
	if (name && strcmp(name, "none") != 0)
		settings->http.auth = providers_for_http(settings, name, at, errors);
}

static void settle_key(const struct settings *settings, const struct auth_key_settings *key,
    struct conf_errors *errors)
{
	const struct conf_node *list = node_of(key->section, "agents");
	for (size_t i = 0; i < key->agents.count; i++)
		if (!settings_find_agent(settings, key->agents.items[i]))
			settings_say_no_agent(settings,
			    list->kind == CONF_LIST ? list->items[i] : list, key->agents.items[i],
			    errors);
}

void providers_settle(const struct settings *settings, struct conf_errors *errors)
{
	for (size_t i = 0; i < settings->provider_count; i++)
		for (size_t j = 0; j < settings->providers[i].key_count; j++)
			settle_key(settings, &settings->providers[i].keys[j], errors);
}

void providers_free(struct settings *settings)
{
	for (size_t i = 0; i < settings->provider_count; i++) {
		struct provider_settings *provider = &settings->providers[i];
		for (size_t j = 0; j < provider->key_count; j++) {
			if (provider->keys[j].section->kind == CONF_SCALAR)
				free(provider->keys[j].hash_word);
			else
				schema_release(&settings_auth_key, &provider->keys[j]);
		}
		free(provider->keys);
		free(provider->parts);
		schema_release(types[provider->type].schema, provider);
	}
	free(settings->providers);
}
