/*
 * session: Discord's session with the bot, kept in a file of the interface's spool folder, so that the process that
 * follows one which was killed resumes it and is told what came meanwhile. Of what was before a new session Discord
 * tells nothing.
 *
 * The file is as good as Discord's word: the token is sent to the URL in it. So it is signed with the token, and what
 * anybody else has written there is no session, nor is that of another token, other intents, or long ago.
 *
 * What cannot be written is no error: then a new session begins with the next process.
 */
#ifndef DISCORD_SESSION_H
#define DISCORD_SESSION_H

#include <stdbool.h>

#include "event.h"

#define DISCORD_SESSION_MAX_S 600 /* Discord forgets it sooner, probably; it does not say when */

struct discord_session;

/* The host is borrowed, the token too; `about` is what a session holds for (intents, the server), and is copied. NULL:
 * memory is out. */
struct discord_session *discord_session_new(
    const struct agentd_host *host, const char *token, const char *about);
/* The file stays. NULL is fine. */
void discord_session_free(struct discord_session *session);

/* That of an earlier process. True: there is one. */
bool discord_session_load(
    struct discord_session *session, int64_t *ret_sequence, char ret_self_id[DISCORD_ID_MAX + 1]);
/* A new one, which the file has with the next `confirm`. */
void discord_session_begin(
    struct discord_session *session, const char *id, const char *url, const char *self_id);
/* All up to that event is in the store, or nothing to be stored: from there it is to be resumed. */
void discord_session_confirm(struct discord_session *session, int64_t sequence);
/* It is over. */
void discord_session_forget(struct discord_session *session);

/* NULL: there is none. */
const char *discord_session_id(const struct discord_session *session);
const char *discord_session_url(const struct discord_session *session);

#endif
