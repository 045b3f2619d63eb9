/*
 * payload: what a bot says to Discord's gateway, and what the codes mean with which that closes a connection.
 * Pure. Texts are malloc'ed; NULL: memory is out.
 */
#ifndef DISCORD_PAYLOAD_H
#define DISCORD_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>

/* `sequence`: 0: nothing has come. */
char *discord_payload_heartbeat(int64_t sequence);
/* `message_content`: ask for the texts of all messages, which the portal must allow. */
char *discord_payload_identify(const char *token, bool message_content);
char *discord_payload_resume(const char *token, const char *session_id, int64_t sequence);

enum discord_close {
	DISCORD_CLOSE_RESUME, /* the session goes on */
	DISCORD_CLOSE_BEGIN,  /* it has ended, and a new one helps */
	DISCORD_CLOSE_FATAL,  /* nothing does; the reason is for operators */
};

enum discord_close discord_close_meaning(unsigned code, const char **ret_reason);

#endif
