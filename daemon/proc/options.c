/* options: values to fields. */
#include "daemon/proc/options.h"

#include <string.h>

#include "daemon/base/frame.h"
#include "daemon/base/message.h"

/* What a plugin's options say of files is relative to the file that says it, as everywhere in a config. */
static void put_folder(struct frame_writer *writer, const struct conf_node *section)
{
	const char *file = section && section->line ? section->file : "";
	const char *slash = strrchr(file, '/');
	frame_put_text(writer, slash ? file : NULL,
	    slash == file ? 1
	    : slash       ? (size_t)(slash - file)
			  : 0);
}

int options_encode(const struct instance_settings *settings, struct buf *out)
{
	size_t count = settings->option_schema->count;
	struct frame_writer writer = frame_begin(out, MESSAGE_CONFIG, 0);
	put_folder(&writer, settings->section);
	frame_put_u32(&writer, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		const struct schema_value *value = &settings->options[i];
		frame_put_u32(&writer, value->set);
		frame_put_i64(&writer, value->number);
		frame_put_f64(&writer, value->real);
		frame_put_str(&writer, value->text);
		frame_put_u32(&writer, (uint32_t)value->count);
		for (size_t j = 0; j < value->count; j++)
			frame_put_str(&writer, value->items[j]);
	}
	return frame_end(&writer);
}

void options_done(struct buf *config)
{
	if (config->data)
		explicit_bzero(config->data, config->length);
	buf_done(config);
}
