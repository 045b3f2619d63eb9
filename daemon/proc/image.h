/*
 * image: one version of a plugin file, held so that nobody can change it: its bytes in a sealed
 * memfd, and what it said about itself the first time it was loaded (by a host, never here).
 *
 * `cp` over the file, or truncating it, harms no process that runs it, and what was checked is what
 * is loaded. Reference counted; one thread.
 */
#ifndef AGENTD_PROC_IMAGE_H
#define AGENTD_PROC_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/base/frame.h"
#include "daemon/proc/descriptor.h"

struct image;

/* Reads a file. 0, or -errno with `reason` saying why as people read it ("may be written by
 * others (mode 0666)"). */
int image_load(const char *path, struct image **ret, char *reason, size_t size);
struct image *image_ref(struct image *image);
void image_unref(struct image *image);

const char *image_path(const struct image *image);
/* Whether it is what the file has now, by its path, inode, size and time of change. */
bool image_is_of(const struct image *image, const char *path);
int image_fd(const struct image *image); /* the image's to close */

/* Takes a HELLO: the first is remembered, a later one must be the same, byte for byte. 0, or
 * -EPROTO. */
int image_hello(struct image *image, const struct frame *hello);
/* NULL until image_hello; lives as long as the image. */
const struct descriptor *image_descriptor(const struct image *image);

#endif
