/*
 * blame: says why a text is not the YAML that a config is written in.
 *
 * libyaml's own words are about tokens and indicators. Here they become what to write instead;
 * most of all the advice to quote, as the values that trip people are cron lines, templates and
 * passwords: `* * * * *`, `{{ body.name }}`, `@…`.
 */
#ifndef AGENTD_CONF_BLAME_H
#define AGENTD_CONF_BLAME_H

#include <stdbool.h>
#include <yaml.h>

#include "daemon/conf/conf.h"

/* A file's text and name, both borrowed. */
struct conf_text {
	const char *file;
	const char *p;
	size_t n;
};

/* All three say one message and return -EINVAL, so that the caller can return it. */
int conf_blame(struct conf_errors *errors, const struct conf_text *text, const yaml_mark_t *mark,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The value at the mark begins with a character that means something to YAML. */
int conf_blame_unquoted(
    struct conf_errors *errors, const struct conf_text *text, const yaml_mark_t *mark);
/* The parser's error; -ENOMEM, without a message, if it is that. */
int conf_blame_parser(
    struct conf_errors *errors, const struct conf_text *text, const yaml_parser_t *parser);

/* Whether the mark is at the second brace of {{, where an unquoted template looks to YAML like a
 * map that is the key of a map. */
bool conf_blame_is_template(const struct conf_text *text, const yaml_mark_t *mark);

#endif
