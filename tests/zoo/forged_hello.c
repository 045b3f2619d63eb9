/* Says a HELLO of its own before the host's. agentd must not start a plugin that describes itself
 * twice. */
#include "raw.h"

__attribute__((constructor)) static void begin(void)
{
	struct {
		uint32_t protocol, kind, flags;
		uint32_t name_length;
		char name[4];
		uint32_t version_length, summary_length, option_count, trigger_count, can,
		    path_count;
	} hello = { MESSAGE_PROTOCOL, AGENTD_AGENT, 0, 4, "fake", 0, 0, 0, 0, 0, 0 };
	raw_frame(MESSAGE_HELLO, 0, &hello, sizeof(hello));
}

ANIMAL(.open = animal_open, .run = animal_run);
