/* api_triggers: what makes runs. */
#include "daemon/http/api.h"
#include "daemon/http/route.h"
#include "daemon/trigger/trigger.h"

static void add_trigger(struct buf *out, const struct trigger *trigger)
{
	buf_addf(out, "{\"name\":\"%s\",\"event\":\"%s\",\"agent\":\"%s\",\"source\":\"%s\"}",
	    trigger->settings->name, trigger->event, trigger->settings->agent, trigger->source);
}

/* Those whose agents the one who asks may use. */
void api_triggers_list(
    struct api *api, struct http_request *request, const struct route_params *params)
{
	(void)params;
	struct buf body = { 0 };
	const struct trigger *trigger;
	bool first = true;
	buf_add_str(&body, "{\"events\":[");
	for (size_t i = 0; (trigger = triggers_at(api->triggers, i)); i++) {
		if (!principal_may_use(http_principal(request), trigger->settings->agent))
			continue;
		buf_add_str(&body, first ? "" : ",");
		add_trigger(&body, trigger);
		first = false;
	}
	buf_add_str(&body, "]}");
	api_reply_json(request, &body);
}
