/* trigger: templates, filled. */
#include "daemon/trigger/trigger.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/id.h"
#include "daemon/run/came.h"
#include "daemon/run/session.h"

#define INPUT_MAX     (16u << 20) /* bytes */
#define MISFIT_GAP_MS 600000      /* between two warnings of one trigger */

struct triggers {
	struct trigger *all;
	size_t count;
};

/* NULL: memory is out. */
static char *source_of(const struct trigger_settings *settings)
{
	struct buf source = { 0 };
	if (settings->kind == TRIGGER_WEBHOOK)
		buf_addf(&source, "%s %s", settings->webhook.method, settings->webhook.path);
	else if (settings->kind == TRIGGER_CRON)
		buf_addf(&source, "cron(%s)", settings->cron.schedule);
	else
		buf_addf(&source, "event(%s)", settings->event);
	return buf_take(&source);
}

/* The templates have been checked with the config. */
static int trigger_open(struct trigger *trigger, const struct registry *registry)
{
	const struct trigger_settings *settings = trigger->settings;
	char reason[200];
	trigger->source = source_of(settings);
	trigger->agent = registry_find(registry, settings->agent);
	int error = 0;
	if (settings->input)
		error = template_parse(settings->input, &trigger->input, reason, sizeof(reason));
	if (error == 0 && settings->session)
		error =
		    template_parse(settings->session, &trigger->session, reason, sizeof(reason));
	return trigger->source ? error : -ENOMEM;
}

struct triggers *triggers_new(const struct settings *settings, const struct registry *registry)
{
	struct triggers *triggers = calloc(1, sizeof(*triggers));
	if (!triggers)
		return NULL;
	triggers->all = calloc(settings->trigger_count + 1, sizeof(*triggers->all));
	size_t of_kind[TRIGGER_KINDS] = { 0 };
	int error = triggers->all ? 0 : -ENOMEM;
	for (size_t i = 0; error == 0 && i < settings->trigger_count; i++) {
		/* A schedule that is off is there to be seen. */
		if (!settings->triggers[i].enabled && settings->triggers[i].kind != TRIGGER_CRON)
			continue;
		struct trigger *trigger = &triggers->all[triggers->count++];
		trigger->settings = &settings->triggers[i];
		trigger->nth = of_kind[trigger->settings->kind]++;
		error = trigger_open(trigger, registry);
	}
	if (error == 0)
		return triggers;
	triggers_free(triggers);
	return NULL;
}

void triggers_free(struct triggers *triggers)
{
	if (!triggers)
		return;
	for (size_t i = 0; i < triggers->count; i++) {
		template_free(triggers->all[i].input);
		template_free(triggers->all[i].session);
		free(triggers->all[i].source);
	}
	free(triggers->all);
	free(triggers);
}

/* The i-th of a kind, of those with a text in the place that `of` says, if any is asked for. */
static const struct trigger *nth_of(const struct triggers *triggers, enum trigger_kind kind,
    const char *(*of)(const struct trigger_settings *settings), const char *text, size_t i)
{
	for (size_t j = 0; j < triggers->count; j++) {
		const struct trigger *trigger = &triggers->all[j];
		if (trigger->settings->kind == kind &&
		    (!text || strcmp(of(trigger->settings), text) == 0) && i-- == 0)
			return trigger;
	}
	return NULL;
}

static const char *event_of(const struct trigger_settings *settings)
{
	return settings->event;
}

static const char *path_of(const struct trigger_settings *settings)
{
	return settings->webhook.path;
}

const struct trigger *triggers_at(const struct triggers *triggers, enum trigger_kind kind, size_t i)
{
	return nth_of(triggers, kind, NULL, NULL, i);
}

const struct trigger *triggers_of_event(
    const struct triggers *triggers, const char *event, size_t i)
{
	return nth_of(triggers, TRIGGER_EVENT, event_of, event, i);
}

const struct trigger *triggers_of_path(const struct triggers *triggers, const char *path, size_t i)
{
	return nth_of(triggers, TRIGGER_WEBHOOK, path_of, path, i);
}

/* A template's text, ended with a NUL that is not counted. */
static int fill(const struct template *template, const struct template_values *values,
    const char *what, struct buf *out, char *reason, size_t size)
{
	int error = template_render(template, values, INPUT_MAX, out);
	if (error == -EMSGSIZE)
		snprintf(reason, size, "its %s would have more than %u bytes", what, INPUT_MAX);
	if (error < 0)
		return error == -EMSGSIZE ? -EINVAL : error;
	if (out->length == 0 || memchr(out->data, '\0', out->length)) {
		snprintf(reason, size, "its %s %s with what came", what,
		    out->length ? "has a NUL in it" : "is empty");
		return -EINVAL;
	}
	buf_add(out, "", 1);
	out->length--;
	return out->failed ? -ENOMEM : 0;
}

static struct frame_text text_of(const char *text)
{
	return (struct frame_text){ text, text ? strlen(text) : 0 };
}

/* All that came, for a handler. */
static int say_came(const struct template_values *values, const struct trigger_delivery *delivery,
    struct buf *out, char *reason, size_t size)
{
	struct buf body = { 0 };
	if (values->body && came_add_json(&body, values->body) < 0)
		out->failed = true;
	struct came came = { .body = { body.data, body.length },
		.source = text_of(values->source),
		.timestamp = text_of(values->timestamp) };
	if (delivery) {
		came.raw = delivery->raw;
		came.headers = delivery->headers;
	}
	came_write(&came, out);
	buf_done(&body);
	buf_add(out, "", 1);
	if (out->failed)
		return -ENOMEM;
	if (--out->length <= INPUT_MAX)
		return 0;
	snprintf(reason, size, "what came has more than %u bytes", INPUT_MAX);
	return -EINVAL;
}

int trigger_say(const struct trigger *trigger, const struct template_values *values,
    const struct trigger_delivery *delivery, struct trigger_words *words, char *reason, size_t size)
{
	*words = (struct trigger_words){ 0 };
	int error = trigger->input
			? fill(trigger->input, values, "input", &words->input, reason, size)
			: say_came(values, delivery, &words->input, reason, size);
	if (error == 0 && trigger->session)
		error = fill(trigger->session, values, "session", &words->session, reason, size);
	if (error == 0 && trigger->session && !session_id_is_good(words->session.data)) {
		snprintf(reason, size, "its session %s", SESSION_ID_RULE);
		error = -EINVAL;
	}
	return error;
}

bool triggers_note_misfit(struct triggers *triggers, const struct trigger *trigger)
{
	struct trigger *own = &triggers->all[trigger - triggers->all];
	uint64_t now = clock_monotonic_ms();
	if (own->misfit_ms && now - own->misfit_ms < MISFIT_GAP_MS)
		return false;
	own->misfit_ms = now ? now : 1;
	return true;
}

void trigger_words_done(struct trigger_words *words)
{
	buf_done(&words->input);
	buf_done(&words->session);
}

struct run_request trigger_request(const struct trigger *trigger, const struct trigger_words *words)
{
	return (struct run_request){
		.agent = trigger->agent,
		.input = { words->input.data, words->input.length },
		.session_id = trigger->session ? words->session.data : NULL,
		.source = trigger->source,
		.trigger = trigger->settings->brought ? trigger->settings->name : NULL,
		.timeout_ms = trigger->settings->timeout_ms,
	};
}

enum run_reach trigger_reach(const struct principal *who)
{
	return who->sight == SEES_OWN ? REACH_OWN : REACH_ALL;
}
