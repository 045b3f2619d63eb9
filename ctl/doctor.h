/* doctor: checks, by what they look at. Each says what it found with doctor_say. */
#ifndef AGENTCTL_DOCTOR_H
#define AGENTCTL_DOCTOR_H

#include <stdbool.h>

#include "ctl/arguments.h"

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL };

struct doctor {
	const struct arguments *arguments; /* borrowed */
	char *agentd;                      /* the program; NULL: not found */
	char *settings; /* what --print-config says; NULL: there is no good config */
};

/* One line; `advice` is what to do about it, or NULL. */
void doctor_say(enum verdict verdict, const char *what, const char *advice, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The value of `key` in `section` of the settings ("" for the top), to be freed, or NULL. */
char *doctor_setting(const struct doctor *doctor, const char *section, const char *key);

void doctor_check_program(struct doctor *doctor);
void doctor_check_config(struct doctor *doctor);
void doctor_check_server(struct doctor *doctor);
void doctor_check_store(struct doctor *doctor);
void doctor_check_plugins(struct doctor *doctor);
void doctor_check_kernel(struct doctor *doctor);
void doctor_check_limits(struct doctor *doctor);
void doctor_check_zones(struct doctor *doctor);

#endif
