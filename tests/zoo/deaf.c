/* Never reads again, while it asks for answers without end, and says PONG as if it had been asked. agentd must kill it,
 * and not keep what it does not read. */
#include "raw.h"

static void *thread_main(void *arg)
{
	struct raw_body event = { .n = 0 };
	raw_put_str(&event, "nothing");
	raw_put_str(&event, "{}");
	for (unsigned i = 0;; i++) {
		raw_frame(MESSAGE_EMIT, 0, event.bytes, event.n);
		if (i % 1000 == 0)
			raw_frame(MESSAGE_PONG, 0, NULL, 0);
	}
	return arg;
}

static void on_timer(void *arg)
{
	(void)arg;
	in_thread(thread_main, NULL);
	hang();
}

static int bite(void *self)
{
	(void)self;
	return host->timer_set(host->timer_new(host, on_timer, NULL), 20);
}

INTERFACE_ANIMAL(.start = bite, .stop = animal_stop, .send = animal_send);
