/*
 * parts: a reply as the messages that Discord takes: text of at most so many characters, then images by
 * their URLs (as embeds, ten in a message), then files of this machine (ten in a message, and at most 10 MiB
 * together unless one is larger by itself). Other URLs are lines of the text. Pure, and always the same for
 * the same reply, so that a later try can begin behind what Discord has taken.
 *
 * A code block that does not fit into one message is closed at its end and opened again in the next.
 */
#ifndef DISCORD_PARTS_H
#define DISCORD_PARTS_H

#include "agentd/plugin.h"
#include "rest.h"

#define DISCORD_MESSAGE_MAX 2000
#define DISCORD_MESSAGE_MIN 64 /* what an opened and a closed code block need has room in it */

struct discord_parts;

/* Copies what it needs. NULL: memory is out. `most`: characters of a message. */
struct discord_parts *discord_parts_new(const struct agentd_reply *reply, size_t most);
void discord_parts_free(struct discord_parts *parts);

size_t discord_parts_count(const struct discord_parts *parts);
/* The body of a part's request; NULL: memory is out. To be freed. */
char *discord_parts_json(const struct discord_parts *parts, size_t i);
/* Its files, borrowed. */
const struct discord_file *discord_parts_files(
    const struct discord_parts *parts, size_t i, size_t *ret_count);

#endif
