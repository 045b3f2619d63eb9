/* attach: one after the other, so that only one is decoded at a time. */
#include "daemon/http/attach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/base64.h"
#include "daemon/http/upload.h"
#include "daemon/run/run.h"

static int add_file(struct run *run, const struct upload *upload, char **ret_path)
{
	char *bytes = malloc(upload->bytes);
	if (!bytes)
		return -ENOMEM;
	base64_decode(upload->data, upload->data_length, bytes);
	int error = run_add_file(run, bytes, upload->bytes, ret_path);
	free(bytes);
	return error;
}

/* As run/attachment.h has it. NULL: memory is out, or the path is not UTF-8. */
static json_t *describe(const struct upload *upload, const char *path)
{
	const struct {
		const char *key, *text;
	} members[] = {
		{ "type", upload->type },
		{ "name", upload->name },
		{ "mime_type", upload->mime_type },
		{ "path", path },
		{ "url", upload->url },
	};
	json_t *one = json_object();
	int error =
	    path ? json_object_set_new(one, "bytes", json_integer((json_int_t)upload->bytes)) : 0;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (members[i].text)
			error |=
			    json_object_set_new(one, members[i].key, json_string(members[i].text));
	if (error == 0)
		return one;
	json_decref(one);
	return NULL;
}

static int add(struct run *run, const struct upload *upload, json_t *all)
{
	char *path = NULL;
	int error = upload->data ? add_file(run, upload, &path) : 0;
	if (error == 0 && json_array_append_new(all, describe(upload, path)) < 0)
		error = -ENOMEM;
	free(path);
	return error;
}

int attach_uploads(struct run *run, const json_t *array)
{
	size_t count = json_array_size(array);
	json_t *all = count ? json_array() : NULL;
	int error = count && !all ? -ENOMEM : 0;
	for (size_t i = 0; error == 0 && i < count; i++) {
		struct upload upload = upload_at(array, i);
		error = add(run, &upload, all);
	}
	char *text = error == 0 && count ? json_dumps(all, JSON_COMPACT) : NULL;
	if (text)
		error = run_attach(run, (struct frame_text){ text, strlen(text) });
	else if (error == 0 && count)
		error = -ENOMEM;
	free(text);
	json_decref(all);
	return error;
}
