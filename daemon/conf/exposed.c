/* exposed: a walk along the files of the config, and one along all that may have a secret. */
#include "daemon/conf/exposed.h"

#include <string.h>
#include <sys/stat.h>

#include "daemon/conf/file.h"
#include "daemon/conf/list.h"
#include "daemon/conf/providers.h"
#include "daemon/conf/tables.h"

struct search {
	struct conf_errors *notes;
	struct schema_list files; /* that have been looked at */
};

static bool is_new(struct search *search, const char *file)
{
	return !schema_list_has(&search->files, file) &&
	       list_add(&search->files, file, strlen(file)) == 0;
}

/* A secret, or a list of them. NULL is fine. */
static void look_at(struct search *search, const struct conf_node *node)
{
	struct stat is;
	char path[256];
	for (size_t i = 0; node && node->kind == CONF_LIST && i < node->count; i++)
		look_at(search, node->items[i]);
	if (!node || node->kind != CONF_SCALAR || !node->line || !*node->text ||
	    conf_is_expanded(node) || !is_new(search, node->file))
		return;
	if (stat(node->file, &is) < 0 || !S_ISREG(is.st_mode) || !(is.st_mode & S_IROTH))
		return;
	conf_path(node, path, sizeof(path));
	conf_error_at(search->notes, node->file, 0, 0,
	    "everybody may read it (mode %04o), and it has a secret: %s; try chmod o-r",
	    is.st_mode & 07777u, path);
}

static void look_at_rows(
    struct search *search, const struct schema *schema, const struct conf_node *section)
{
	for (size_t i = 0; i < schema->count; i++)
		if (schema->rows[i].type == AGENTD_SECRET || schema->rows[i].type == SCHEMA_SECRETS)
			look_at(search, conf_get(section, schema->rows[i].key));
}

/* Those that are hidden from plugins are those that matter: the config, keys, the store. */
static void look_at_files(const struct settings *settings, struct conf_errors *notes)
{
	struct stat is;
	for (size_t i = 0; i < settings->hidden.count; i++) {
		const char *file = settings->hidden.items[i];
		if (stat(file, &is) == 0 && S_ISREG(is.st_mode) && conf_file_is_open(&is))
			conf_error_at(notes, file, 0, 0,
			    "others may write it (mode %04o), and so do as they like; try chmod "
			    "go-w",
			    is.st_mode & 07777u);
	}
}

void exposed_note(const struct settings *settings, struct conf_errors *notes)
{
	look_at_files(settings, notes);
	struct search search = { .notes = notes };
	for (size_t i = 0; i < settings->provider_count; i++)
		look_at_rows(&search, providers_schema(settings->providers[i].type),
		    settings->providers[i].section);
	for (size_t i = 0; i < settings->trigger_count; i++)
		look_at_rows(&search, settings_triggers[settings->triggers[i].kind].schema,
		    settings->triggers[i].section);
	for (size_t i = 0; i < settings_instance_count(settings); i++) {
		const struct instance_settings *instance = settings_instance_at(settings, i);
		if (instance->option_schema)
			look_at_rows(&search, instance->option_schema, instance->section);
	}
	list_done(&search.files);
}
