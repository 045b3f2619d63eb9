/* status: one line for agentd, and a row for each agent, interface and hook. */
#include <stdio.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/metrics.h"
#include "ctl/say.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "daemon/base/id.h"

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static long long number_of(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static enum style style_of(const char *state)
{
	static const struct {
		const char *state;
		enum style style;
	} table[] = {
		{ "ready", STYLE_GREEN },
		{ "backoff", STYLE_RED },
		{ "failed", STYLE_RED },
	};
	for (size_t i = 0; state && i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].state, state) == 0)
			return table[i].style;
	return STYLE_YELLOW;
}

/* The processes, and what they take of memory together. */
static void add_processes(struct table *table, json_t *agent, const struct metrics *metrics)
{
	struct buf pids = { 0 }, memory = { 0 };
	uint64_t bytes = 0;
	size_t i;
	json_t *pid;
	json_array_foreach (json_object_get(agent, "pids"), i, pid) {
		buf_addf(&pids, "%s%lld", i ? "," : "", (long long)json_integer_value(pid));
		bytes += metrics_memory(metrics, json_integer_value(pid));
	}
	if (bytes)
		text_add_size(&memory, bytes);
	buf_add(&pids, "", 1);
	buf_add(&memory, "", 1);
	table_add(table, pids.data);
	table_add(table, memory.data);
	buf_done(&pids);
	buf_done(&memory);
}

/* "3m ago: killed by SIGSEGV". */
static void add_last_exit(struct table *table, const json_t *exit)
{
	struct buf text = { 0 };
	if (!json_is_object(exit)) {
		table_add(table, NULL);
		return;
	}
	const char *reason = text_of(exit, "reason"), *signal = text_of(exit, "signal");
	text_add_age(&text, text_of(exit, "at"), clock_wall_ms());
	if (text.length != 3 || memcmp(text.data, "now", 3) != 0)
		buf_add_str(&text, " ago");
	if (reason && reason[0])
		buf_addf(&text, ": %s", reason);
	else if (signal)
		buf_addf(&text, ": %s", signal);
	else
		buf_addf(&text, ": exit code %lld", number_of(exit, "code"));
	buf_add(&text, "", 1);
	table_add(table, text.data);
	buf_done(&text);
}

/* "in 4s": one that died is started again then. */
static void add_next_try(struct table *table, const json_t *row)
{
	struct buf text = { 0 };
	text_add_wait(&text, text_of(row, "next_retry_at"), clock_wall_ms());
	buf_add(&text, "", 1);
	table_add(table, text.data);
	buf_done(&text);
}

#define NUMBERS_MAX 4

/* What is listed, and its numbers beside those that all have. */
static const struct kind {
	const char *list, *heading;
	const char *numbers[NUMBERS_MAX], *headings[NUMBERS_MAX]; /* up to the first NULL */
} agents = { "agents", "AGENT", { "running", "queued" }, { ">RUNNING", ">QUEUED" } },
  interfaces = { "interfaces", "INTERFACE", { "received", "answered", "failed", "waiting" },
	  { ">RECEIVED", ">ANSWERED", ">FAILED", ">WAITING" } },
  hooks = { "hooks", "HOOK", { "calls", "waiting" }, { ">CALLS", ">WAITING" } };

static void add_row(
    struct table *table, const struct kind *kind, json_t *row, const struct metrics *metrics)
{
	const char *state = text_of(row, "state");
	table_add(table, text_of(row, "name"));
	table_add_styled(table, style_of(state), state);
	add_next_try(table, row);
	add_processes(table, row, metrics);
	table_addf(table, "%lld", number_of(row, "restarts"));
	for (size_t i = 0; i < NUMBERS_MAX && kind->numbers[i]; i++)
		table_addf(table, "%lld", number_of(row, kind->numbers[i]));
	add_last_exit(table, json_object_get(row, "last_exit"));
}

static void print_table(const struct kind *kind, json_t *list, const struct metrics *metrics)
{
	const char *headings[8 + NUMBERS_MAX] = { kind->heading, "STATE", "NEXT TRY", "PIDS",
		">MEMORY", ">RESTARTS" };
	size_t i, n = 6;
	json_t *row;
	for (i = 0; i < NUMBERS_MAX && kind->numbers[i]; i++)
		headings[n++] = kind->headings[i];
	headings[n] = "LAST EXIT";
	struct table *table = table_new(headings);
	json_array_foreach (list, i, row)
		add_row(table, kind, row, metrics);
	putchar('\n');
	table_print(table, stdout);
	table_free(table);
}

/* "agentd 0.1.0 at /run/agentd/agentd.sock: ready", or who is not. */
static void print_server(
    const struct client *client, const struct metrics *metrics, const json_t *ready)
{
	const char *status = text_of(ready, "status");
	bool good = status && strcmp(status, "ready") == 0;
	size_t i;
	json_t *name;
	fputs("agentd ", stdout);
	say_word(stdout, metrics->version);
	printf("%sat ", metrics->version[0] ? " " : "");
	say_word(stdout, client_address(client));
	printf(": %s", say_style(stdout, good ? STYLE_GREEN : STYLE_YELLOW));
	say_word(stdout, status ? status : "not known whether it is ready");
	fputs(say_style(stdout, STYLE_NONE), stdout);
	json_array_foreach (json_object_get(ready, "not_ready"), i, name) {
		fputs(i ? ", " : ": ", stdout);
		say_word(stdout, json_string_value(name) ? json_string_value(name) : "?");
	}
	putchar('\n');
}

static void print_trouble(const char *trouble)
{
	if (!trouble)
		return;
	fputs("the store cannot write: ", stdout);
	say_word(stdout, trouble);
	puts("; until it can, runs are answered with 503, or wait");
}

static void add_memory(json_t *list, const struct metrics *metrics)
{
	size_t i, j;
	json_t *row, *pid;
	json_array_foreach (list, i, row) {
		uint64_t bytes = 0;
		json_array_foreach (json_object_get(row, "pids"), j, pid)
			bytes += metrics_memory(metrics, json_integer_value(pid));
		json_object_set_new(
		    row, "memory_bytes", bytes ? json_integer((json_int_t)bytes) : json_null());
	}
}

static void print_json(const struct client *client, const struct metrics *metrics, json_t *ready,
    const struct kind *const *kinds, json_t *const *lists)
{
	json_t *document = json_pack("{s:{s:s, s:s?, s:s?, s:O?, s:s?}}", "server", "address",
	    client_address(client), "version", metrics->version[0] ? metrics->version : NULL,
	    "status", text_of(ready, "status"), "not_ready", json_object_get(ready, "not_ready"),
	    "store_error", text_of(ready, "store_error"));
	for (size_t i = 0; kinds[i]; i++) {
		if (!lists[i])
			continue;
		add_memory(lists[i], metrics);
		json_object_set(document, kinds[i]->list, lists[i]);
	}
	say_json(document);
}

int status_run(struct client *client, const struct arguments *arguments)
{
	static const struct kind *const kinds[] = { &agents, &interfaces, &hooks, NULL };
	struct reply replies[3], ready = { 0 };
	json_t *lists[3];
	struct metrics metrics;
	(void)arguments;
	int code = client_call(client, "GET", "/agents", NULL, &replies[0]);
	if (code)
		return code;
	/* What is refused is left out. */
	client_exchange(client, "GET", "/ready", NULL, &ready);
	replies[1] = replies[2] = (struct reply){ 0 };
	client_exchange(client, "GET", "/interfaces", NULL, &replies[1]);
	client_exchange(client, "GET", "/hooks", NULL, &replies[2]);
	metrics_read(client, &metrics);
	for (size_t i = 0; kinds[i]; i++)
		lists[i] = replies[i].status == 200
			       ? json_object_get(replies[i].json, kinds[i]->list)
			       : NULL;
	if (say_is_json()) {
		print_json(client, &metrics, ready.json, kinds, lists);
	} else {
		print_server(client, &metrics, ready.json);
		print_trouble(text_of(ready.json, "store_error"));
		for (size_t i = 0; kinds[i]; i++)
			if (i == 0 || json_array_size(lists[i]))
				print_table(kinds[i], lists[i], &metrics);
	}
	metrics_done(&metrics);
	reply_done(&ready);
	for (size_t i = 0; kinds[i]; i++)
		reply_done(&replies[i]);
	return 0;
}
