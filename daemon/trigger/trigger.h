/*
 * trigger: what makes a run of something that happened: which agent, and what it is told, in which session.
 * What happened is somebody else's business: http/api_events.c for events, http/api_webhooks.c for webhooks.
 *
 * Immutable, one thread.
 */
#ifndef AGENTD_TRIGGER_TRIGGER_H
#define AGENTD_TRIGGER_TRIGGER_H

#include "daemon/base/buf.h"
#include "daemon/base/template.h"
#include "daemon/conf/settings.h"
#include "daemon/run/registry.h"

struct trigger {
	const struct trigger_settings *settings; /* borrowed */
	struct agent *agent;                     /* borrowed */
	char *source; /* of its runs, as in "event(user_signup)", "POST /github" */
	struct template *input, *session; /* session: NULL, a new one each time */
};

struct triggers;

/* Both are borrowed, and settled. NULL: memory is out. */
struct triggers *triggers_new(const struct settings *settings, const struct registry *registry);
void triggers_free(struct triggers *triggers);
/* The i-th of a kind; NULL past the last. */
const struct trigger *triggers_at(
    const struct triggers *triggers, enum trigger_kind kind, size_t i);
/* The i-th that waits for an event, or at a path; NULL past the last. */
const struct trigger *triggers_of_event(
    const struct triggers *triggers, const char *event, size_t i);
const struct trigger *triggers_of_path(const struct triggers *triggers, const char *path, size_t i);

/* What a run is told: NUL-terminated texts. */
struct trigger_words {
	struct buf input, session; /* session: empty, a new one */
};
/* 0; -EINVAL and a reason for people: what came gives no input, or no session that can be; -ENOMEM. The
 * words are to be done with in any case. */
int trigger_say(const struct trigger *trigger, const struct template_values *values,
    struct trigger_words *words, char *reason, size_t size);
void trigger_words_done(struct trigger_words *words);

#endif
