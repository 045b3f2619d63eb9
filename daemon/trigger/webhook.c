/* webhook: signatures, as the config has them. */
#include "daemon/trigger/webhook.h"

#include <string.h>
#include <strings.h>

#include "daemon/conf/conf.h"
#include "daemon/conf/http_path.h"

#define SECRETS_MAX 8

static const struct signature_scheme *scheme_of(const struct trigger_settings *settings)
{
	return settings->webhook.signature ? signature_find(settings->webhook.signature) : NULL;
}

/* Mistakes in the config. */

static const struct conf_node *node_of(const struct trigger_settings *settings, const char *key)
{
	const struct conf_node *node = conf_get(settings->section, key);
	return node ? node : settings->section;
}

static void check_secrets(const struct trigger_settings *settings,
    const struct signature_scheme *scheme, struct conf_errors *errors)
{
	const struct conf_node *at = node_of(settings, "secret");
	const char *why;
	for (size_t i = 0; i < settings->webhook.secrets.count; i++)
		if (signature_check_secret(scheme, settings->webhook.secrets.items[i], &why) < 0)
			conf_error(errors, at->kind == CONF_LIST ? at->items[i] : at, "%s", why);
	const struct conf_node *given = conf_get(settings->section, "secret");
	bool is_wrong = given && (given->kind == CONF_MAP || given->count); /* which is said */
	if (settings->webhook.secrets.count == 0 && !is_wrong)
		conf_error(errors, at, "the signature needs a secret");
	if (settings->webhook.secrets.count > SECRETS_MAX)
		conf_error(
		    errors, at, "at most %d secrets: each is tried, whichever fits", SECRETS_MAX);
}

static void check_signature(const struct trigger_settings *settings, struct conf_errors *errors)
{
	const struct signature_scheme *scheme = scheme_of(settings);
	if (!scheme && conf_get(settings->section, "signature"))
		return; /* an error already */
	if (!scheme && settings->webhook.secrets.count)
		conf_error(errors, node_of(settings, "secret"),
		    "nothing is signed with it: say which signature");
	if (scheme)
		check_secrets(settings, scheme, errors);
	bool wants_header = scheme && signature_wants_header(scheme);
	if (wants_header && !settings->webhook.header)
		conf_error(errors, node_of(settings, "signature"),
		    "%s needs a header: where the signature is", signature_name(scheme));
	if (!wants_header && settings->webhook.header)
		conf_error(errors, node_of(settings, "header"),
		    "only hmac-sha256 may have its signature in any header");
}

void webhooks_check(const struct settings *settings, size_t first,
    bool (*is_taken)(const char *path), struct conf_errors *errors)
{
	for (size_t i = first; i < settings->trigger_count; i++) {
		const struct trigger_settings *trigger = &settings->triggers[i];
		if (trigger->kind != TRIGGER_WEBHOOK)
			continue;
		check_signature(trigger, errors);
		if (trigger->webhook.path && http_path_is_ours(trigger->webhook.path, is_taken))
			conf_error(errors, node_of(trigger, "path"),
			    "%s is a path of agentd's own API; choose another",
			    trigger->webhook.path);
	}
}

void webhooks_note_keys(const struct settings *settings, struct conf_errors *notes)
{
	for (size_t i = 0; settings->http.auth && i < settings->trigger_count; i++) {
		const struct trigger_settings *trigger = &settings->triggers[i];
		if (trigger->kind == TRIGGER_WEBHOOK && trigger->enabled && scheme_of(trigger) &&
		    !conf_get(trigger->section, "auth"))
			conf_error(notes, trigger->section,
			    "a caller must send a key or a token too, as http.auth says; auth: none "
			    "leaves it to the signature");
	}
}

/* Requests. */

int webhook_verify(const struct trigger *trigger, const struct signature_request *request,
    int64_t now_s, const char **ret_why)
{
	const struct trigger_settings *settings = trigger->settings;
	struct signature_rules rules = { .scheme = scheme_of(settings),
		.secrets = (const char *const *)settings->webhook.secrets.items,
		.count = settings->webhook.secrets.count,
		.header = settings->webhook.header };
	return rules.scheme ? signature_verify(&rules, request, now_s, ret_why) : 0;
}

bool webhook_is_secret(const struct trigger *trigger, const char *header)
{
	const struct signature_scheme *scheme = scheme_of(trigger->settings);
	const char *secret = scheme ? signature_secret_header(scheme) : NULL;
	return secret && strcasecmp(header, secret) == 0;
}

static void add_header(const struct signature_request *request, const char *name, struct buf *out)
{
	const char *value = request->header(request->arg, name, 0);
	buf_add_str(out, value ? value : "");
}

void webhook_add_delivery(const struct trigger *trigger, const struct signature_request *request,
    const json_t *body, struct buf *out)
{
	const struct signature_scheme *scheme = scheme_of(trigger->settings);
	const char *header = trigger->settings->webhook.dedupe;
	if (!header && scheme)
		header = signature_dedupe_header(scheme);
	if (header && strcmp(header, "none") != 0)
		add_header(request, header, out);
	if (header || !scheme || !signature_dedupe_member(scheme))
		return;
	const json_t *id = json_object_get(body, signature_dedupe_member(scheme));
	if (json_is_string(id))
		buf_add(out, json_string_value(id), json_string_length(id));
	else if (json_is_integer(id))
		buf_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(id));
}

json_t *webhook_greeting(const struct trigger *trigger, const json_t *body)
{
	const char *signature = trigger->settings->webhook.signature;
	const json_t *type = json_object_get(body, "type");
	if (!signature)
		return NULL;
	if (strcmp(signature, "slack") == 0 && json_is_string(type) &&
	    strcmp(json_string_value(type), "url_verification") == 0)
		return json_pack("{s:O?}", "challenge", json_object_get(body, "challenge"));
	if (strcmp(signature, "discord") == 0 && json_is_integer(type) &&
	    json_integer_value(type) == 1)
		return json_pack("{s:i}", "type", 1);
	return NULL;
}
