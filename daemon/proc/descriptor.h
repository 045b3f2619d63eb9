/*
 * descriptor: what a plugin says about itself (HELLO), checked and copied. Its option table has the
 * form of the core's own, so one checker serves both. Its triggers are checked where those of the config
 * are: conf/brought.c.
 */
#ifndef AGENTD_PROC_DESCRIPTOR_H
#define AGENTD_PROC_DESCRIPTOR_H

#include <stdint.h>

#include "daemon/base/frame.h"
#include "daemon/conf/schema.h"

struct descriptor {
	uint32_t kind, flags;
	char *name, *version, *summary;
	struct schema options; /* rows and their texts are owned */
	/* As the plugin has them, but for `handle`, which stays with it: NULL. Texts are owned. */
	struct agentd_trigger *triggers;
	size_t trigger_count;
	uint32_t can;              /* stages of a hook, or MESSAGE_CAN_… of an interface */
	struct agentd_path *paths; /* of an interface; texts are owned */
	size_t path_count;
};

/* Reads a HELLO. 0, or -EPROTO: not a HELLO of this build; or -ENOMEM. */
int descriptor_read(const struct frame *hello, struct descriptor **ret);
void descriptor_free(struct descriptor *descriptor);

#endif
