/*
 * cron_expr, by another program: what croner says comes next, 100,000 times, in 41 zones, mostly around changes
 * of their clocks. make_cron_vectors.mjs made them, and says how; no network is needed here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/cron_expr.h"

#define VECTORS     "gzip -dc tests/data/cron_vectors.gz"
#define ZONES_MAX   64
#define ZONES_LEAST 35                  /* that tzdata has as the vectors' maker had it; of 41 */
#define KNOWN_FROM  INT64_C(1672531200) /* 2023, where the vectors' changes begin */
#define KNOWN_TO    INT64_C(2366841600) /* 2045, where they end */

struct vectors {
	struct zone *zones[ZONES_MAX]; /* NULL: of another tzdata */
	size_t zone_count, usable, compared, differing;
};

static int64_t take(char **text)
{
	return strtoll(*text, text, 36);
}

/* "Z zone [time offset]…": whether the system's tzdata has the same changes. */
static struct zone *open_zone(char *line)
{
	struct zone *zone = NULL;
	char *name = strsep(&line, " ");
	if (zone_new(name, &zone) < 0)
		return NULL;
	struct zone_span span = zone_span_at(zone, KNOWN_FROM);
	while (line && *line) {
		int64_t at = take(&line), offset = take(&line);
		if (span.end == INT64_MAX || span.end != at)
			break;
		span = zone_span_at(zone, at);
		if (span.offset != offset)
			break;
	}
	if ((!line || !*line) && span.end >= KNOWN_TO)
		return zone;
	print_message("left out: %s, of which this tzdata says something else\n", name);
	zone_free(zone);
	return NULL;
}

/* "after delta[ reason],…" */
static void compare(
    struct vectors *vectors, const char *schedule, const struct zone *zone, char *line)
{
	struct cron_expr expr;
	char error[CRON_ERROR_MAX], *pair;
	if (cron_expr_parse(schedule, &expr, error) < 0)
		fail_msg("%s: %s", schedule, error);
	while ((pair = strsep(&line, ","))) {
		int64_t after = take(&pair), delta = take(&pair), next = 0;
		if (cron_expr_next(&expr, zone, after * 1000, &next) < 0 ||
		    next != (after + delta) * 1000)
			fail_msg("%s %s after %lld: %lld, not %lld", zone_name(zone), schedule,
			    (long long)after, (long long)next / 1000, (long long)(after + delta));
		vectors->compared++;
		vectors->differing += *pair == ' ';
	}
}

static void test_vectors(void **state)
{
	(void)state;
	struct vectors vectors = { .zone_count = 0 };
	struct zone *zone = NULL;
	char *line = NULL, *schedule = NULL;
	size_t size = 0;
	FILE *file = popen(VECTORS, "r");
	assert_non_null(file);
	while (getline(&line, &size, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == 'Z' && vectors.zone_count < ZONES_MAX) {
			zone = open_zone(line + 2);
			vectors.usable += zone != NULL;
			vectors.zones[vectors.zone_count++] = zone;
		} else if (line[0] == 'E') {
			unsigned long i = strtoul(line + 2, &schedule, 10);
			assert_true(i < vectors.zone_count);
			zone = vectors.zones[i];
			schedule = strdup(schedule + 1);
		} else if (line[0] != '#') {
			if (zone)
				compare(&vectors, schedule, zone, line);
			free(schedule);
		}
	}
	assert_int_equal(pclose(file), 0);
	print_message("%zu vectors in %zu zones; of them %zu by our rules, not as croner\n",
	    vectors.compared, vectors.usable, vectors.differing);
	assert_true(vectors.usable >= ZONES_LEAST && vectors.compared > 80000);
	for (size_t i = 0; i < vectors.zone_count; i++)
		zone_free(vectors.zones[i]);
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
