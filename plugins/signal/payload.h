/* payload: the body of POST /v2/send. Pure. */
#ifndef SIGNAL_PAYLOAD_H
#define SIGNAL_PAYLOAD_H

#include "agentd/plugin.h"

struct signal_payload {
	const char *number;
	const char *recipient;
	struct agentd_text text;
	struct agentd_text quote; /* key of the message that it answers (envelope.h); or empty */
	/* What goes along; no bytes: nothing. */
	const void *bytes;
	size_t bytes_n;
	const char *file_name, *mime_type;
};

/* The JSON, which is the caller's to free; NULL: memory is out, or the text is no UTF-8. */
char *signal_payload_new(const struct signal_payload *payload);

#endif
