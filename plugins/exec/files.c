/* files: one row for each text of an attachment. */
#include "files.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static const char *const types[] = {
	[AGENTD_FILE] = "file",
	[AGENTD_IMAGE] = "image",
	[AGENTD_AUDIO] = "audio",
	[AGENTD_VIDEO] = "video",
};

static const struct {
	const char *name;
	size_t offset; /* of a struct agentd_text */
} texts[] = {
	{ "name", offsetof(struct agentd_attachment, name) },
	{ "mime_type", offsetof(struct agentd_attachment, mime_type) },
	{ "path", offsetof(struct agentd_attachment, path) },
	{ "url", offsetof(struct agentd_attachment, url) },
};

static json_t *file_to_json(const struct agentd_attachment *file)
{
	const char *type = types[file->type < COUNT(types) ? file->type : AGENTD_FILE];
	json_t *object = json_object();
	int error = json_object_set_new(object, "type", json_string(type));
	for (size_t i = 0; i < COUNT(texts) && error == 0; i++) {
		const struct agentd_text *text =
		    (const void *)((const char *)file + texts[i].offset);
		if (text->n)
			error = json_object_set_new(
			    object, texts[i].name, json_stringn(text->p, text->n));
	}
	if (file->bytes && error == 0)
		error = json_object_set_new(object, "bytes", json_integer((json_int_t)file->bytes));
	if (error == 0)
		return object;
	json_decref(object);
	return NULL;
}

json_t *files_to_json(const struct agentd_request *request)
{
	json_t *array = json_array();
	const char *row = (const char *)request->attachments;
	for (size_t i = 0; i < request->attachment_count; i++) {
		if (json_array_append_new(array, file_to_json((const void *)row)) < 0) {
			json_decref(array);
			return NULL;
		}
		row += request->attachment_size;
	}
	return array;
}

/* One of a type that nobody knows is a file. */
static uint32_t type_of(const json_t *object)
{
	const char *type = json_string_value(json_object_get(object, "type"));
	for (uint32_t i = 0; type && i < COUNT(types); i++)
		if (strcmp(type, types[i]) == 0)
			return i;
	return AGENTD_FILE;
}

struct agentd_attachment *files_of_json(const json_t *array, size_t *ret_count)
{
	size_t count = json_array_size(array);
	struct agentd_attachment *files = count ? calloc(count, sizeof(*files)) : NULL;
	for (size_t i = 0; files && i < count; i++) {
		const json_t *object = json_array_get(array, i);
		files[i].type = type_of(object);
		for (size_t j = 0; j < COUNT(texts); j++) {
			const json_t *value = json_object_get(object, texts[j].name);
			*(struct agentd_text *)((char *)&files[i] + texts[j].offset) =
			    agentd_text(json_string_value(value), json_string_length(value));
		}
	}
	*ret_count = files ? count : 0;
	return files;
}
