/*
 * trigger: what makes a run of something that happened: which agent, and what it is told, in which session.
 * What happened is somebody else's business: emit.c for events, http/api_webhooks.c for webhooks.
 *
 * Immutable, but for when it was last warned of; one thread.
 */
#ifndef AGENTD_TRIGGER_TRIGGER_H
#define AGENTD_TRIGGER_TRIGGER_H

#include "daemon/auth/principal.h"
#include "daemon/base/buf.h"
#include "daemon/base/template.h"
#include "daemon/conf/settings.h"
#include "daemon/run/registry.h"

struct trigger {
	const struct trigger_settings *settings; /* borrowed */
	size_t nth;                              /* of its kind, from 0 */
	struct agent *agent;                     /* borrowed */
	char *source; /* of its runs, as in "event(user_signup)", "POST /github" */
	/* NULL: the plugin that brings it has a handler; session: NULL, a new one each time. */
	struct template *input, *session;
	uint64_t misfit_ms; /* triggers_note_misfit */
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

/* What a run is told: NUL-terminated texts. For a handler the input is what came (run/came.h). */
struct trigger_words {
	struct buf input, session; /* session: empty, a new one */
};
/* What a handler gets of a delivery, beside the values of templates. */
struct trigger_delivery {
	struct frame_text raw, headers; /* headers: a JSON object */
};
/* 0; -EINVAL and a reason for people: what came gives no input, or no session that can be; -ENOMEM. The
 * words are to be done with in any case. `delivery` may be NULL: there is nothing of the kind. */
int trigger_say(const struct trigger *trigger, const struct template_values *values,
    const struct trigger_delivery *delivery, struct trigger_words *words, char *reason,
    size_t size);
/* That trigger_say has found what came unfit. True: it is worth a warning, since there was none for ten minutes. */
bool triggers_note_misfit(struct triggers *triggers, const struct trigger *trigger);
void trigger_words_done(struct trigger_words *words);
/* The run that it makes of these words, but for whose it is, and whether it is durable. Borrows both. */
struct run_request trigger_request(
    const struct trigger *trigger, const struct trigger_words *words);
/* Which sessions it may go on with when that one sets it off. Who has to keep to their own has to here, too; others
 * need not see what the config has chosen. */
enum run_reach trigger_reach(const struct principal *who);

#endif
