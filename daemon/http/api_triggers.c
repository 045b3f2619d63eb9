/* api_triggers: what makes runs. */
#include "daemon/base/id.h"
#include "daemon/http/api.h"
#include "daemon/http/route.h"
#include "daemon/trigger/cron.h"

static void add_webhook(struct buf *out, struct api *api, const struct trigger *trigger)
{
	(void)api;
	const struct trigger_settings *settings = trigger->settings;
	buf_addf(out,
	    ",\"method\":\"%s\",\"path\":\"%s\",\"auth\":\"%s\",\"signature\":\"%s\","
	    "\"respond\":\"%s\"",
	    settings->webhook.method, settings->webhook.path, settings->webhook.auth_word,
	    settings->webhook.signature ? settings->webhook.signature : "none",
	    settings->webhook.respond_word);
}

static void add_time(struct buf *out, const char *key, uint64_t wall_ms)
{
	char text[TIME_SIZE];
	time_format(wall_ms, text);
	buf_addf(out, wall_ms ? ",\"%s\":\"%s\"" : ",\"%s\":null", key, text);
}

static void add_cron(struct buf *out, struct api *api, const struct trigger *trigger)
{
	const struct trigger_settings *settings = trigger->settings;
	struct cron_view view;
	char due[TIME_SIZE];
	cron_look(cron_at(api->cron, trigger->nth), &view);
	buf_add_str(out, ",\"schedule\":");
	buf_add_json_str(out, settings->cron.schedule);
	buf_addf(out, ",\"timezone\":\"%s\",\"enabled\":%s,\"paused\":%s", settings->cron.timezone,
	    view.enabled ? "true" : "false", view.paused && view.enabled ? "true" : "false");
	add_time(out, "next", view.next_wall_ms);
	add_time(out, "retry", view.retry_wall_ms);
	buf_addf(
	    out, ",\"running\":%zu,\"skipped\":%llu", view.going, (unsigned long long)view.skipped);
	if (!view.run_id) {
		buf_add_str(out, ",\"last\":null");
		return;
	}
	time_format(view.run_due_wall_ms, due);
	buf_addf(out, ",\"last\":{\"due\":\"%s\",\"run_id\":\"%s\"", due, view.run_id);
	if (view.status)
		buf_addf(out, ",\"status\":\"%s\"", view.status);
	buf_add_str(out, "}");
}

static void add_event(struct buf *out, struct api *api, const struct trigger *trigger)
{
	(void)api;
	buf_addf(out, ",\"event\":\"%s\"", trigger->settings->event);
}

/* What each kind has beside the rest. */
static const struct {
	const char *name;
	void (*add)(struct buf *out, struct api *api, const struct trigger *trigger);
} kinds[] = {
	[TRIGGER_WEBHOOK] = { "webhooks", add_webhook },
	[TRIGGER_CRON] = { "cron", add_cron },
	[TRIGGER_EVENT] = { "events", add_event },
};

void api_trigger_write(struct buf *out, struct api *api, const struct trigger *trigger)
{
	buf_addf(out, "{\"name\":\"%s\",\"agent\":\"%s\",\"source\":", trigger->settings->name,
	    trigger->settings->agent);
	buf_add_json_str(out, trigger->source);
	buf_addf(out, ",\"brought_by\":\"%s\"", trigger->settings->brought ? "plugin" : "config");
	kinds[trigger->settings->kind].add(out, api, trigger);
	buf_add_str(out, "}");
}

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
		buf_add_str(out, first ? "" : ",");
		api_trigger_write(out, api, trigger);
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
