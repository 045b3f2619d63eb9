/* api_triggers: what makes runs. */
#include "daemon/http/api.h"
#include "daemon/http/route.h"
#include "daemon/trigger/trigger.h"

static void add_webhook(struct buf *out, const struct trigger *trigger)
{
	const struct trigger_settings *settings = trigger->settings;
	buf_addf(out,
	    ",\"method\":\"%s\",\"path\":\"%s\",\"auth\":\"%s\",\"signature\":\"%s\","
	    "\"respond\":\"%s\"",
	    settings->webhook.method, settings->webhook.path, settings->webhook.auth_word,
	    settings->webhook.signature ? settings->webhook.signature : "none",
	    settings->webhook.respond_word);
}

static void add_event(struct buf *out, const struct trigger *trigger)
{
	buf_addf(out, ",\"event\":\"%s\"", trigger->settings->event);
}

/* What each kind has beside the rest. */
static const struct {
	const char *name;
	void (*add)(struct buf *out, const struct trigger *trigger);
} kinds[] = {
	[TRIGGER_WEBHOOK] = { "webhooks", add_webhook },
	[TRIGGER_EVENT] = { "events", add_event },
};

/* Those whose agents the one who asks may use. */
static void add_kind(
    struct api *api, const struct http_request *request, enum trigger_kind kind, struct buf *out)
{
	const struct trigger *trigger;
	bool first = true;
	buf_addf(out, "%s\"%s\":[", kind ? "," : "{", kinds[kind].name);
	for (size_t i = 0; (trigger = triggers_at(api->triggers, kind, i)); i++) {
		if (!principal_may_use(http_principal(request), trigger->settings->agent))
			continue;
		buf_addf(out, "%s{\"name\":\"%s\",\"agent\":\"%s\",\"source\":", first ? "" : ",",
		    trigger->settings->name, trigger->settings->agent);
		buf_add_json_str(out, trigger->source);
		kinds[kind].add(out, trigger);
		buf_add_str(out, "}");
		first = false;
	}
	buf_add_str(out, "]");
}

void api_triggers_list(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	(void)params;
	struct buf body = { 0 };
	for (enum trigger_kind kind = 0; kind < TRIGGER_KINDS; kind++)
		add_kind(api, request, kind, &body);
	buf_add_str(&body, "}");
	api_reply_json(request, &body);
}
