/* emissions: a slip for each, which outlives its process. */
#include "daemon/proc/emissions.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/base/id.h"
#include "daemon/base/message.h"

struct emission_slip {
	struct emissions *emissions; /* borrowed; NULL: the process is gone */
	TAILQ_ENTRY(emission_slip) link;
};

void emissions_init(struct emissions *emissions)
{
	TAILQ_INIT(&emissions->slips);
	emissions->count = 0;
}

static void slip_leave(struct emission_slip *slip)
{
	TAILQ_REMOVE(&slip->emissions->slips, slip, link);
	slip->emissions->count--;
	slip->emissions = NULL;
}

void emissions_forget(struct emissions *emissions)
{
	while (!TAILQ_EMPTY(&emissions->slips))
		slip_leave(TAILQ_FIRST(&emissions->slips));
}

static void answer(struct emissions *emissions)
{
	struct frame_writer writer = child_begin(emissions->child, MESSAGE_EMITTED, 0);
	frame_end(&writer);
}

static void slip_on_done(void *arg)
{
	struct emission_slip *slip = arg;
	if (slip->emissions) {
		answer(slip->emissions);
		slip_leave(slip);
	}
	free(slip);
}

int emissions_on_frame(struct emissions *emissions, const struct frame *frame)
{
	struct frame_cursor cursor = frame_fields(frame);
	struct frame_text name = frame_get_text(&cursor), json = frame_get_text(&cursor);
	if (frame_end_fields(&cursor) < 0 || !name_is_good(name.p, name.n) ||
	    name.n + json.n > emissions->event_max || emissions->count >= MESSAGE_EMISSIONS)
		return -EPROTO;
	struct emission_slip *slip = calloc(1, sizeof(*slip));
	if (!slip) {
		answer(emissions); /* it is lost */
		return 0;
	}
	slip->emissions = emissions;
	TAILQ_INSERT_TAIL(&emissions->slips, slip, link);
	emissions->count++;
	emissions->emit(emissions->arg, name, json, slip_on_done, slip);
	return 0;
}
