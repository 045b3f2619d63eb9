/* event_log: what is read is what was added, also when the content has the text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "daemon/run/event_log.h"

static void add(struct buf *log, enum run_event_type type, uint64_t id, const char *text)
{
	struct run_event event = { .type = type, .id = id, .text = { text, strlen(text) } };
	if (type == RUN_EVENT_OTHER)
		event.name = (struct frame_text){ "tool", 4 };
	event_log_add(log, &event);
}

/* "1:0: 2:1:abc …": id, type, name, text. */
static void assert_events(const struct buf *log, const char *content, const char *expected)
{
	struct event_reader reader = { .log = { log->data, log->length },
		.content = { content, strlen(content) } };
	struct run_event event;
	char text[512] = "";
	while (event_log_next(&reader, &event))
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%d:%d:%.*s:%.*s ",
		    (int)event.id, (int)event.type, (int)event.name.n, event.name.p,
		    (int)event.text.n, event.text.p);
	assert_string_equal(text, expected);
}

static struct buf make(const char *const *deltas)
{
	struct buf log = { 0 };
	uint64_t id = 0;
	add(&log, RUN_EVENT_STARTED, ++id, "");
	for (; *deltas; deltas++) {
		if (strcmp(*deltas, "!") == 0)
			add(&log, RUN_EVENT_RESTARTED, ++id, "2");
		else
			add(&log, RUN_EVENT_DELTA, ++id, *deltas);
		add(&log, RUN_EVENT_OTHER, ++id, "{}");
	}
	add(&log, RUN_EVENT_ENDED, ++id, "");
	return log;
}

static void check(
    const char *const *deltas, const char *content, const char *expected, bool shrinks)
{
	struct buf log = make(deltas);
	size_t before = log.length;
	assert_events(&log, content, expected);
	event_log_compact(&log, (struct frame_text){ content, strlen(content) });
	assert_int_equal(log.length < before, shrinks);
	assert_events(&log, content, expected);
	event_log_compact(&log, (struct frame_text){ content, strlen(content) });
	assert_events(&log, content, expected); /* once more does nothing */
	buf_done(&log);
}

static void test_texts_that_the_content_has_are_not_kept_twice(void **unused)
{
	(void)unused;
	check((const char *const[]){ "ab", "c", NULL }, "abc",
	    "1:0:: 2:1::ab 3:3:tool:{} 4:1::c 5:3:tool:{} 6:5:: ", true);
}

static void test_another_content_leaves_the_texts(void **unused)
{
	(void)unused;
	check((const char *const[]){ "ab", "c", NULL }, "abcd",
	    "1:0:: 2:1::ab 3:3:tool:{} 4:1::c 5:3:tool:{} 6:5:: ", false);
	check((const char *const[]){ "ab", NULL }, "xy", "1:0:: 2:1::ab 3:3:tool:{} 4:5:: ", false);
}

static void test_what_was_void_stays(void **unused)
{
	(void)unused;
	check((const char *const[]){ "ol", "!", "ab", NULL }, "ab",
	    "1:0:: 2:1::ol 3:3:tool:{} 4:2::2 5:3:tool:{} 6:1::ab 7:3:tool:{} 8:5:: ", true);
}

static void test_a_log_that_is_cut_ends(void **unused)
{
	(void)unused;
	struct buf log = make((const char *const[]){ "ab", "c", NULL });
	event_log_compact(&log, (struct frame_text){ "abc", 3 });
	for (size_t n = 0; n < log.length; n++) {
		struct event_reader reader = { .log = { log.data, n }, .content = { "abc", 2 } };
		struct run_event event;
		while (event_log_next(&reader, &event))
			;
	}
	buf_done(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts_that_the_content_has_are_not_kept_twice),
		cmocka_unit_test(test_another_content_leaves_the_texts),
		cmocka_unit_test(test_what_was_void_stays),
		cmocka_unit_test(test_a_log_that_is_cut_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
