/*
 * upload: the attachments in a body of /run: what each must be, and what it is. Pure.
 *
 * An array of objects with `type`, `name`, `mime_type` and one of `url` and `data`, which is base64. Fields
 * that are not known are left alone, as in the rest of the body; null is as good as absent.
 */
#ifndef AGENTD_HTTP_UPLOAD_H
#define AGENTD_HTTP_UPLOAD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define UPLOAD_MAX_BYTES ((size_t)32 << 20) /* of one, decoded */

/* Texts are borrowed from the array; NULL: it has none. */
struct upload {
	const char *type; /* always there */
	const char *name, *mime_type;
	const char *url;  /* or: */
	const char *data; /* good base64 */
	size_t data_length;
	size_t bytes; /* that the data stands for */
};

/* 0; -EINVAL, or -EFBIG for data that is too long: then `why` says it, by the name of the field. */
int uploads_check(const json_t *array, char *why, size_t size);
/* Whether any of a good array has data. NULL is none. */
bool uploads_have_data(const json_t *array);
/* The i-th of a good array. */
struct upload upload_at(const json_t *array, size_t i);

#endif
