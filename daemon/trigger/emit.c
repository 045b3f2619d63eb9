/* emit: runs made, written down, and begun. */
#include "daemon/trigger/emit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"

#define COMPLAINTS_MS 10000 /* a line in the log about events that are dropped, at most so often */

/* An event on its way into the store, with a run for each of its triggers. */
struct emission {
	struct runs *runs; /* borrowed */
	void (*done)(void *arg, const struct emit_result *result);
	void *arg;
	uint64_t hash;    /* of the body */
	size_t left;      /* those that are not written yet */
	const char **ids; /* of the runs below */
	struct emit_result result;
	size_t count;
	struct emitted {
		struct emission *emission;
		const struct trigger *trigger; /* borrowed, until emit returns; then it may go */
		struct trigger_words words;
		struct run *run;
		char id[ID_SIZE]; /* its own, or that of the one that has its key */
	} all[];
};

static void emission_free(struct emission *emission)
{
	if (!emission)
		return;
	for (size_t i = 0; i < emission->count; i++) {
		trigger_words_done(&emission->all[i].words);
		run_unref(emission->all[i].run);
	}
	free(emission->ids);
	free(emission);
}

static struct emission *emission_new(const struct triggers *triggers, const char *event)
{
	size_t count = 0;
	while (triggers_of_event(triggers, event, count))
		count++;
	struct emission *emission = calloc(1, sizeof(*emission) + count * sizeof(emission->all[0]));
	if (!emission)
		return NULL;
	emission->count = emission->left = count;
	emission->ids = calloc(count + 1, sizeof(*emission->ids));
	for (size_t i = 0; i < count; i++) {
		emission->all[i].emission = emission;
		emission->all[i].trigger = triggers_of_event(triggers, event, i);
	}
	if (emission->ids)
		return emission;
	emission_free(emission);
	return NULL;
}

/* Making. */

static enum run_code make_run(const struct emit_setup *setup, struct emitted *emitted)
{
	struct run_request wanted = trigger_request(emitted->trigger, &emitted->words);
	wanted.user_id = setup->who->user_id;
	wanted.claims = setup->who->claims;
	wanted.reach = trigger_reach(setup->who);
	wanted.owner = RUN_OWNER_WRITTEN;
	wanted.durable = true;
	wanted.later = setup->later;
	return run_create(emitted->emission->runs, &wanted, &emitted->run);
}

/* What a trigger makes of it, as far as that can be known before anything is done. */
static enum emit_code prepare(const struct emit_setup *setup, const char *now,
    struct emitted *emitted, struct emit_refusal *ret)
{
	const struct trigger *trigger = emitted->trigger;
	struct template_values values = {
		.body = setup->body, .source = trigger->source, .timestamp = now
	};
	ret->trigger = trigger;
	if (!principal_may_use(setup->who, trigger->settings->agent))
		return EMIT_FORBIDDEN;
	int error =
	    trigger_say(trigger, &values, NULL, &emitted->words, ret->reason, sizeof(ret->reason));
	if (error < 0)
		return error == -EINVAL ? EMIT_UNFIT : EMIT_NO_MEMORY;
	ret->run_code = make_run(setup, emitted);
	return ret->run_code == RUN_OK ? EMIT_OK : EMIT_REFUSED;
}

static enum emit_code prepare_all(
    struct emission *emission, const struct emit_setup *setup, struct emit_refusal *ret)
{
	char now[TIME_SIZE];
	enum emit_code code = EMIT_OK;
	time_format(clock_wall_ms(), now);
	for (size_t i = 0; code == EMIT_OK && i < emission->count; i++)
		code = prepare(setup, now, &emission->all[i], ret);
	return code;
}

/* Writing down. */

static void on_written(void *arg, int error, const struct store_taken *taken)
{
	struct emitted *emitted = arg;
	struct emission *emission = emitted->emission;
	struct emit_result *result = &emission->result;
	snprintf(emitted->id, sizeof(emitted->id), "%s",
	    error == -EEXIST ? taken->run_id : run_id(emitted->run));
	if (error == -EEXIST && taken->request != emission->hash)
		result->is_other = true;
	if (error == 0 &&
	    !runs_are_draining(emission->runs)) /* else with the next start of agentd */
		run_start(emitted->run);
	if (error < 0 && error != -EEXIST && !result->error)
		result->error = error;
	if (--emission->left)
		return;
	emission->done(emission->arg, result);
	emission_free(emission);
}

/* An event has runs of several triggers, so its key is one for each. */
static void write_down(const struct emit_setup *setup, struct emitted *emitted)
{
	struct buf key = { 0 };
	if (setup->key.p) {
		buf_add(&key, setup->key.p, setup->key.n);
		buf_add(&key, "", 1);
		buf_add_str(&key, emitted->trigger->source); /* no other route's keys end so */
		buf_add_str(&key, emitted->trigger->settings->label);
	}
	struct run_writing with = {
		.key = { key.data, key.length },
		.hash = emitted->emission->hash,
	};
	run_write_down(emitted->run, &with, on_written, emitted);
	buf_done(&key);
}

static void emission_send(struct emission *emission, const struct emit_setup *setup)
{
	emission->done = setup->done;
	emission->arg = setup->arg;
	emission->hash = setup->hash;
	emission->result.count = emission->count;
	emission->result.run_ids = emission->ids;
	for (size_t i = 0; i < emission->count; i++)
		emission->ids[i] = emission->all[i].id;
	/* The last of them may free it. */
	for (size_t i = 0, count = emission->count; i < count; i++)
		write_down(setup, &emission->all[i]);
}

enum emit_code emit(struct runs *runs, const struct triggers *triggers,
    const struct emit_setup *setup, struct emit_refusal *ret)
{
	*ret = (struct emit_refusal){ .code = EMIT_NOBODY };
	if (!triggers_of_event(triggers, setup->event, 0))
		return ret->code;
	struct emission *emission = emission_new(triggers, setup->event);
	if (emission)
		emission->runs = runs;
	ret->code = emission ? prepare_all(emission, setup, ret) : EMIT_NO_MEMORY;
	if (ret->code == EMIT_OK)
		emission_send(emission, setup);
	else
		emission_free(emission);
	return ret->code;
}

json_t *emit_body(json_t *value)
{
	return !value || json_is_object(value) ? value : json_pack("{s:o}", "data", value);
}

/* Of plugins. */

struct emitter {
	struct runs *runs;               /* borrowed */
	const struct triggers *triggers; /* borrowed */
	uint64_t quiet_until_ms;         /* until then nothing more is said of what is dropped */
	size_t unsaid;
};

struct emitter *emitter_new(struct runs *runs, const struct triggers *triggers)
{
	struct emitter *emitter = calloc(1, sizeof(*emitter));
	if (emitter)
		*emitter = (struct emitter){ .runs = runs, .triggers = triggers };
	return emitter;
}

void emitter_use(struct emitter *emitter, const struct triggers *triggers)
{
	emitter->triggers = triggers;
}

void emitter_free(struct emitter *emitter)
{
	free(emitter);
}

/* A plugin may emit what nobody waits for as fast as it can: one line speaks for many. */
static void complain(struct emitter *emitter, const char *from, const char *event, const char *why)
{
	uint64_t now = clock_monotonic_ms();
	char more[64] = "";
	if (now < emitter->quiet_until_ms) {
		emitter->unsaid++;
		return;
	}
	if (emitter->unsaid)
		snprintf(more, sizeof(more), " (and %zu event%s more, of whatever plugin)",
		    emitter->unsaid, emitter->unsaid == 1 ? "" : "s");
	log_warn("%s: its event \"%s\" is dropped: %s%s", from, event, why, more);
	emitter->unsaid = 0;
	emitter->quiet_until_ms = now + COMPLAINTS_MS;
}

struct taken {
	struct emitter *emitter; /* borrowed */
	char *from, *event;
	void (*done)(void *arg);
	void *arg;
};

static void taken_end(struct taken *taken, const char *why)
{
	if (why)
		complain(taken->emitter, taken->from, taken->event, why);
	taken->done(taken->arg);
	free(taken->from);
	free(taken->event);
	free(taken);
}

static void on_taken(void *arg, const struct emit_result *result)
{
	taken_end(arg, result->error == -EPERM ? "its session belongs to another user"
		       : result->error         ? "the store cannot write it down"
					       : NULL);
}

static void taken_refuse(struct taken *taken, const struct emit_refusal *refusal)
{
	char why[400];
	const char *label = refusal->trigger ? refusal->trigger->settings->label : "";
	switch (refusal->code) {
	case EMIT_NOBODY:
		snprintf(why, sizeof(why), "nothing waits for it");
		break;
	case EMIT_UNFIT:
		snprintf(why, sizeof(why), "%s: %s", label, refusal->reason);
		break;
	case EMIT_REFUSED:
		snprintf(why, sizeof(why), "%s: %s", label, run_code_name(refusal->run_code));
		break;
	default:
		snprintf(why, sizeof(why), "out of memory");
	}
	taken_end(taken, why);
}

static void taken_send(struct taken *taken, json_t *body)
{
	static const struct principal nobody = { .provider = "" }; /* in particular */
	const struct emitter *emitter = taken->emitter;
	struct emit_refusal refusal = { .code = EMIT_NO_MEMORY };
	struct emit_setup setup = { .event = taken->event,
		.body = body,
		.who = &nobody,
		.later = true,
		.done = on_taken,
		.arg = taken };
	if (!body || emit(emitter->runs, emitter->triggers, &setup, &refusal) != EMIT_OK)
		taken_refuse(taken, &refusal);
}

static struct taken *taken_new(struct emitter *emitter, const char *from, struct frame_text event)
{
	struct taken *taken = calloc(1, sizeof(*taken));
	if (!taken)
		return NULL;
	taken->emitter = emitter;
	taken->from = strdup(from);
	taken->event = strndup(event.p, event.n);
	if (taken->from && taken->event)
		return taken;
	free(taken->from);
	free(taken->event);
	free(taken);
	return NULL;
}

void emitter_take(struct emitter *emitter, const char *from, struct frame_text event,
    struct frame_text json, void (*done)(void *arg), void *arg)
{
	struct taken *taken = taken_new(emitter, from, event);
	if (!taken) {
		done(arg);
		return;
	}
	taken->done = done;
	taken->arg = arg;
	if (!triggers_of_event(emitter->triggers, taken->event, 0)) {
		taken_refuse(taken, &(struct emit_refusal){ .code = EMIT_NOBODY });
		return; /* before its JSON is looked at: who floods agentd with such costs it least */
	}
	size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
	json_t *read = json.n ? json_loadb(json.p, json.n, flags, NULL) : json_object();
	if (!read) {
		taken_end(taken, "its JSON is none");
		return;
	}
	json_t *body = emit_body(read);
	taken_send(taken, body);
	json_decref(body);
}
