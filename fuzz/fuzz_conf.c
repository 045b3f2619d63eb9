/*
 * fuzz_conf: any bytes as a config. Nothing may crash, leak or hang, a root comes back always, and
 * every message is one line.
 *
 * No file is opened: the name lies in a folder that is not there, which stops relative paths, and
 * inputs that could spell an absolute one are skipped. Nor does the environment leak in.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "daemon/conf/conf.h"
#include "daemon/conf/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *no_variables(const char *name)
{
	(void)name;
	return NULL;
}

/* A slash, or an escape that makes one (\/, \x2f, \u002f), beside a word that opens files. */
static bool might_open(const uint8_t *data, size_t size)
{
	return (memmem(data, size, "file:", 5) || memmem(data, size, "include", 7)) &&
	       (memchr(data, '/', size) || memchr(data, '\\', size));
}

/* The parts of the schema that take a whole tree. */
static void check(const struct conf_node *root, struct conf_errors *errors)
{
	static const struct schema_row rows[] = {
		{ .key = "a", .type = AGENTD_JSON },
		{ .key = "b", .type = AGENTD_DURATION, .max = 1000 },
		{ .key = "c", .type = AGENTD_LIST },
		{ .key = "d", .type = AGENTD_MAP },
		{ .key = "e", .type = AGENTD_SIZE, .required = true },
		{ .key = "f", .type = AGENTD_NUMBER, .fallback = "0.5" },
		{ .key = "g", .type = AGENTD_STRING, .choices = "one|two" },
	};
	static const struct schema schema = { rows, sizeof(rows) / sizeof(*rows) };
	static const struct schema *const tables[] = { &schema };

	struct schema_value *values = schema_check(&schema, root, errors);
	assert(values);
	schema_values_free(values, schema.count);
	schema_reject_unknown(root, tables, 1, errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct conf_reader reader = { .getenv = no_variables };

	if (might_open(data, size))
		return 0;

	struct conf_errors *errors = conf_errors_new();
	assert(errors);
	struct conf_node *root =
	    conf_parse((const char *)data, size, "/nonexistent/agent.conf", &reader, errors);
	assert(root && root->kind == CONF_MAP);
	check(root, errors);
	for (size_t i = 0; i < conf_errors_count(errors); i++)
		assert(!strchr(conf_errors_get(errors, i), '\n'));
	conf_free(root);
	conf_errors_free(errors);
	return 0;
}
