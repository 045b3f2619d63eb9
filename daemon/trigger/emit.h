/*
 * emit: an event that has happened becomes runs: one for each trigger that waits for it, durable, all in the
 * store before who emitted it is told. HTTP (http/api_events.c) and plugins come this way.
 *
 * One thread.
 */
#ifndef AGENTD_TRIGGER_EMIT_H
#define AGENTD_TRIGGER_EMIT_H

#include <jansson.h>

#include "daemon/auth/principal.h"
#include "daemon/base/id.h"
#include "daemon/trigger/trigger.h"

/* Why an event makes no runs. */
enum emit_code {
	EMIT_OK,
	EMIT_NOBODY,    /* nothing waits for it */
	EMIT_FORBIDDEN, /* whoever emits it may not use an agent */
	EMIT_UNFIT,     /* a trigger cannot make its run of it */
	EMIT_REFUSED,   /* a run cannot be made now */
	EMIT_NO_MEMORY,
};

struct emit_refusal {
	enum emit_code code;
	const struct trigger *trigger; /* whose run it is about; NULL: none */
	enum run_code run_code;        /* of REFUSED */
	char reason[200];              /* of UNFIT, for people */
};

/* What became of one. Borrowed for the call. */
struct emit_result {
	bool is_other; /* its key came with another body before */
	int error;     /* of the store; the first. -EPERM: a session belongs to another user */
	size_t count;
	const char *const *run_ids; /* in the order of the triggers */
};

/* All borrowed, for the time of the call. */
struct emit_setup {
	const char *event;
	const json_t *body;          /* an object: emit_body */
	const struct principal *who; /* whose runs they are */
	struct frame_text key;       /* an idempotency key, as the store has it; p == NULL: none */
	uint64_t hash;               /* of the body, to know it again by that key */
	bool later; /* if agentd stops: they are written down, and begun with the next start */
	/* Called once, later or before this returns, unless it is refused. */
	void (*done)(void *arg, const struct emit_result *result);
	void *arg;
};

/* All runs are made before one is written down: a trigger that cannot make its run is no reason to have half
 * of them. EMIT_OK, and `done` is called; or what stands in *ret. */
enum emit_code emit(struct runs *runs, const struct triggers *triggers,
    const struct emit_setup *setup, struct emit_refusal *ret);

/* An event's body: what is no object becomes {"data": …}. Takes the reference over; NULL stays NULL. */
json_t *emit_body(json_t *value);

/* Events of plugins: nobody waits for what becomes of them, so that is in the log. */
struct emitter;
/* Both are borrowed. NULL: memory is out. */
struct emitter *emitter_new(struct runs *runs, const struct triggers *triggers);
void emitter_free(struct emitter *emitter);
/* Events that come from now on make runs of these, which are borrowed. Of the others nothing is kept: those whose
 * runs are on their way into the store have been made. */
void emitter_use(struct emitter *emitter, const struct triggers *triggers);
/* A name and a JSON text as a plugin has them. `done` is called once, when its runs are in the store or it
 * is dropped. */
void emitter_take(struct emitter *emitter, const char *from, struct frame_text event,
    struct frame_text json, void (*done)(void *arg), void *arg);

#endif
