/* Submits an attachment whose name has a NUL in it, as a platform may give it: it must be answered, and no reason to be killed. */
#include "animal.h"

static int bite(void *self)
{
	(void)self;
	struct agentd_attachment file = { .type = AGENTD_FILE,
		.name = agentd_text("a\0b.txt", 7),
		.mime_type = agentd_text("text\0plain", 10),
		.url = agentd_text("https://example.com/a", 21) };
	animal_submit("say answered", &file);
	return 0;
}

INTERFACE_ANIMAL(.start = bite, .stop = animal_stop, .send = animal_send);
