/* doctor: the list of checks, and their verdicts as lines or as JSON. */
#include "ctl/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/say.h"

static void (*const checks[])(struct doctor *doctor) = {
	doctor_check_program, /* first: the next ones need what they find */
	doctor_check_config,
	doctor_check_server,
	doctor_check_store,
	doctor_check_plugins,
	doctor_check_kernel,
	doctor_check_limits,
	doctor_check_zones,
};

static struct {
	json_t *list; /* with --json */
	size_t failed, warned;
} result;

static const struct {
	const char *word;
	enum style style;
} verdicts[] = {
	[VERDICT_OK] = { "ok", STYLE_GREEN },
	[VERDICT_WARN] = { "warn", STYLE_YELLOW },
	[VERDICT_FAIL] = { "fail", STYLE_RED },
};

void doctor_say(enum verdict verdict, const char *what, const char *advice, const char *format, ...)
{
	char *text;
	va_list args;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	result.failed += verdict == VERDICT_FAIL;
	result.warned += verdict == VERDICT_WARN;
	if (result.list) {
		struct buf clean = { 0 };
		buf_add_utf8(&clean, NULL, text, strlen(text));
		json_array_append_new(
		    result.list, json_pack("{s:s, s:s, s:s%, s:s?}", "check", what, "verdict",
				     verdicts[verdict].word, "text", clean.data ? clean.data : "",
				     clean.length, "advice", advice));
		buf_done(&clean);
	} else {
		printf("%s%-5s%s %-10s ", say_style(stdout, verdicts[verdict].style),
		    verdicts[verdict].word, say_style(stdout, STYLE_NONE), what);
		say_word(stdout, text);
		printf("\n%s%s%s", advice ? "                 → " : "", advice ? advice : "",
		    advice ? "\n" : "");
		fflush(stdout);
	}
	free(text);
}

/* The settings are agentd's own YAML: sections at the left, their keys two blanks in. */
char *doctor_setting(const struct doctor *doctor, const char *section, const char *key)
{
	const char *line = doctor->settings;
	bool inside = !section[0];
	size_t n = strlen(section), length = strlen(key);
	for (; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		size_t indent = strspn(line, " ");
		if (indent == 0 && section[0])
			inside = strncmp(line, section, n) == 0 && line[n] == ':';
		if (!inside || indent != (section[0] ? 2 : 0) ||
		    strncmp(line + indent, key, length) != 0 || line[indent + length] != ':')
			continue;
		const char *value = line + indent + length + 1;
		value += strspn(value, " ");
		if (*value == '[') /* a list, as it is */
			return strndup(value, strcspn(value, "\n"));
		value += strspn(value, "\"");
		n = strcspn(value, "\"\n");
		return strndup(value, n);
	}
	return NULL;
}

int doctor_run(struct client *client, const struct arguments *arguments)
{
	struct doctor doctor = { .arguments = arguments };
	(void)client;
	result.list = say_is_json() ? json_array() : NULL;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		checks[i](&doctor);
	free(doctor.agentd);
	free(doctor.settings);
	if (say_is_json())
		say_json(json_pack("{s:b, s:o}", "ok", result.failed == 0, "checks", result.list));
	else
		printf("\n%s\n", result.failed   ? "Something is wrong."
				 : result.warned ? "Nothing is wrong, but see the warnings."
						 : "All is well.");
	return result.failed ? EXIT_REFUSED : 0;
}
