/*
 * actor: an agent for the tests that does what its input says. The first word is the act, the rest
 * its argument:
 *
 *	say TEXT         finishes with TEXT
 *	request          finishes with all it was given, as JSON-like lines "name=value"
 *	attached         finishes with its attachments, lines "type:name:mime type:the file's text, or the URL"
 *	file NAME TEXT   finishes with such a file as the answer's attachment
 *	link URL         finishes with that as the answer's attachment
 *	attempt ACT      hangs at the first attempt, later does that; without one as request
 *	traceparent      finishes with the caller's traceparent
 *	history          finishes with the session's messages, "role:content" lines
 *	deltas A B C     says each word as a delta, and finishes without content
 *	bytes HEX…       each word of hex digits is one delta of those bytes
 *	flood N          N bytes of deltas, as fast as the reader lets it; counts its -EAGAINs
 *	event TYPE JSON  reports an event, then finishes
 *	messages         finishes with a tool call and its answer for the session's history
 *	usage JSON       finishes with that usage
 *	fail TEXT        finishes as failed
 *	reach N M        finishes if M has reached N, else as failed
 *	refuse N         `run` returns N; without one -5
 *	hang             never finishes, but heeds cancel
 *	ignore           never finishes, and ignores cancel
 *	late             finishes; then finish, delta and event again; logs what they returned
 *	thread TEXT      finishes from another thread
 *	timer MS         finishes after so many ms, by a timer
 *	after MS TEXT    the same, with TEXT
 *	pipe TEXT        finishes with what it read from a pipe, by a watch
 *	block MS         blocks the loop for so long, then finishes
 *	crash            SIGSEGV
 *	abort            SIGABRT
 *	exit N           exit(N)
 *	close            closes fd 3
 *	garbage          writes bytes to fd 3 that are no frame
 *	print TEXT       writes TEXT to stderr, then finishes
 *	stdout TEXT      writes TEXT to stdout, then finishes
 *	fork             leaves a child in its process group, which sleeps; finishes with its pid
 *	orphan           as fork, but the child is in a session of its own
 *	read PATH        finishes with the file's text, or with why it cannot be read
 *	write PATH       writes a file; finishes with "ok", or why that cannot be
 *	socket KIND      finishes with what comes of a socket: unix, inet or pair
 *	ask PATH         finishes with the answer to GET /agents over a unix socket, or why there is none
 *	askfar PATH      as ask, but from a grandchild whose parent has ended
 *	log TEXT         logs TEXT, then finishes
 *	fatal TEXT       host->fatal(TEXT)
 *	env              finishes with its environment, arguments and fds ("fd N what it is")
 *	options          finishes with its options, "key=value" lines
 *	cancelled?       finishes with how many runs have been cancelled so far
 */
#include "agentd/plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static const struct agentd_option options[] = {
	{ .key = "start",
	    .type = AGENTD_STRING,
	    .fallback = "ready",
	    .choices = "ready|later|never|fail|fatal|crash|exit78|once",
	    .help = "what open does" }, /* once: fails if the file `text` is there, and makes it */
	{ .key = "text", .type = AGENTD_STRING },
	{ .key = "number", .type = AGENTD_INT, .fallback = "7", .min = -10, .max = 100 },
	{ .key = "real", .type = AGENTD_NUMBER, .fallback = "0.5" },
	{ .key = "flag", .type = AGENTD_BOOL, .fallback = "no" },
	{ .key = "wait", .type = AGENTD_DURATION, .fallback = "1500ms" },
	{ .key = "room", .type = AGENTD_SIZE, .fallback = "64K" },
	{ .key = "password", .type = AGENTD_SECRET },
	{ .key = "names", .type = AGENTD_LIST },
	{ .key = "pairs", .type = AGENTD_MAP },
	{ .key = "shape", .type = AGENTD_JSON },
};

static const struct agentd_host *host;
static char *shown_options;
static unsigned cancels;

/* What a run that is not over remembers. */
struct act {
	struct agentd_run *run;
	struct agentd_timer *timer;
	struct agentd_watch *watch;
	int pipe[2];
	size_t left, total;
	unsigned again;
	struct act *next;
	char *text;
};
static struct act *acts;

static void append(char **text, const char *format, ...)
{
	char *more = NULL, *joined = NULL;
	va_list args;
	va_start(args, format);
	if (vasprintf(&more, format, args) < 0)
		abort();
	va_end(args);
	if (asprintf(&joined, "%s%s", *text ? *text : "", more) < 0)
		abort();
	free(more);
	free(*text);
	*text = joined;
}

static int finish(struct agentd_run *run, const char *text)
{
	struct agentd_result result = { .size = sizeof(result) };
	result.content = agentd_text(text, strlen(text));
	return host->finish(run, &result);
}

static int finish_as(struct agentd_run *run, uint32_t status, const char *error)
{
	struct agentd_result result = { .size = sizeof(result), .status = status };
	result.error = agentd_text(error, strlen(error));
	return host->finish(run, &result);
}

static struct act *act_new(struct agentd_run *run, const char *text)
{
	struct act *act = calloc(1, sizeof(*act));
	if (!act)
		abort();
	act->run = run;
	act->text = strdup(text);
	act->next = acts;
	acts = act;
	return act;
}

static void act_free(struct act *act)
{
	for (struct act **link = &acts; *link; link = &(*link)->next)
		if (*link == act) {
			*link = act->next;
			break;
		}
	host->timer_free(act->timer);
	host->watch_free(act->watch);
	if (act->pipe[1])
		close(act->pipe[0]);
	free(act->text);
	free(act);
}

static void on_timer(void *arg)
{
	struct act *act = arg;
	const char *text = act->total ? strchr(act->text, ' ') : NULL;
	finish(act->run, text ? text + 1 : "timer");
	act_free(act);
}

static void on_watch(void *arg, uint32_t what)
{
	struct act *act = arg;
	char text[256];
	ssize_t n = read(act->pipe[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	finish(act->run, what == AGENTD_READ ? text : "wrong event");
	act_free(act);
}

static void *on_thread(void *arg)
{
	struct act *act = arg;
	host->delta(act->run, agentd_text("from ", 5));
	host->delta(act->run, agentd_text(act->text, strlen(act->text)));
	struct agentd_result result = { .size = sizeof(result) };
	host->finish(act->run, &result);
	host->unref(act->run);
	free(act->text);
	free(act);
	return NULL;
}

static void flood(struct act *act)
{
	char text[1024];
	memset(text, 'x', sizeof(text));
	while (act->left) {
		size_t piece = act->left < sizeof(text) ? act->left : sizeof(text);
		if (host->delta(act->run, agentd_text(text, piece)) == -EAGAIN) {
			act->again++;
			return;
		}
		act->left -= piece;
	}
	host->log(host, AGENTD_LOG_INFO, "flood of %zu bytes was held up %u times", act->total,
	    act->again);
	struct agentd_result result = { .size = sizeof(result) };
	host->finish(act->run, &result);
	act_free(act);
}

static void late(struct agentd_run *run)
{
	int first = finish(run, "once"), second = finish(run, "twice");
	int delta = host->delta(run, agentd_text("x", 1));
	int event = host->event(run, "x", agentd_text("{}", 2));
	host->log(
	    host, AGENTD_LOG_INFO, "late calls returned %d %d %d %d", first, second, delta, event);
}

static void say_bytes(struct agentd_run *run, char *words)
{
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
		char bytes[256];
		size_t n = 0;
		for (; word[0] && word[1]; word += 2) {
			unsigned byte;
			sscanf(word, "%2x", &byte);
			bytes[n++] = (char)byte;
		}
		host->delta(run, agentd_text(bytes, n));
	}
	struct agentd_result result = { .size = sizeof(result) };
	host->finish(run, &result);
}

static void say_deltas(struct agentd_run *run, char *words)
{
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		host->delta(run, agentd_text(word, strlen(word)));
	struct agentd_result result = { .size = sizeof(result) };
	host->finish(run, &result);
}

static void say_request(struct agentd_run *run, const struct agentd_request *request)
{
	char *text = NULL;
	uint64_t now = host->now_ms(host);
	const struct {
		const char *name;
		struct agentd_text value;
	} rows[] = {
		{ "run_id", request->run_id },
		{ "input", request->input },
		{ "session_id", request->session_id },
		{ "user_id", request->user_id },
		{ "claims", request->claims },
		{ "source", request->source },
		{ "trigger", request->trigger },
		{ "metadata", request->metadata },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		append(&text, "%s=%.*s\n", rows[i].name, (int)rows[i].value.n,
		    rows[i].value.p ? rows[i].value.p : "");
	append(&text, "attempt=%u\nname=%s\nleft_ms=%lld\n", request->attempt, host->name,
	    (long long)(request->deadline_ms - now));
	finish(run, text);
	free(text);
}

static void say_attached(struct agentd_run *run, const struct agentd_request *request)
{
	char *text = NULL;
	append(&text, "%zu\n", request->attachment_count);
	for (size_t i = 0; i < request->attachment_count; i++) {
		const struct agentd_attachment *a = (const struct agentd_attachment *)(const void
			*)((const char *)request->attachments + i * request->attachment_size);
		char *path = strndup(a->path.p, a->path.n), bytes[4096] = "";
		int file = a->path.n ? open(path, O_RDONLY) : -1;
		ssize_t n = file >= 0 ? read(file, bytes, sizeof(bytes) - 1) : 0;
		append(&text, "%u:%.*s:%.*s:%.*s%.*s\n", a->type, (int)a->name.n, a->name.p,
		    (int)a->mime_type.n, a->mime_type.p, (int)n, bytes, (int)a->url.n, a->url.p);
		if (file >= 0)
			close(file);
		free(path);
	}
	finish(run, text);
	free(text);
}

static void finish_with(struct agentd_run *run, const struct agentd_attachment *attachment)
{
	struct agentd_result result = { .size = sizeof(result) };
	result.content = agentd_text("here it is", 10);
	result.attachments = attachment;
	result.attachment_count = 1;
	result.attachment_size = sizeof(*attachment);
	host->finish(run, &result);
}

static void say_file_of_answer(
    struct agentd_run *run, const struct agentd_request *request, char *rest)
{
	char *name = strsep(&rest, " "), *folder = strndup(request->spool.p, request->spool.n);
	char *path = NULL;
	append(&path, "%s/%s", folder, name);
	int file = open(path, O_WRONLY | O_CREAT, 0600);
	if (file >= 0 && rest && write(file, rest, strlen(rest)) > 0)
		close(file);
	struct agentd_attachment attachment = { .type = AGENTD_FILE,
		.name = agentd_text(name, strlen(name)),
		.mime_type = agentd_text("text/plain", 10),
		.path = agentd_text(path, strlen(path)) };
	finish_with(run, &attachment);
	free(path);
	free(folder);
}

static void say_link(struct agentd_run *run, const char *url)
{
	struct agentd_attachment attachment = { .type = AGENTD_IMAGE,
		.url = agentd_text(url, strlen(url)) };
	finish_with(run, &attachment);
}

static void say_history(struct agentd_run *run, const struct agentd_request *request)
{
	char *text = NULL;
	append(&text, "%zu\n", request->history_count);
	for (size_t i = 0; i < request->history_count; i++) {
		const struct agentd_message *m =
		    (const struct agentd_message *)(const void *)((const char *)request->history +
								  i * request->message_size);
		append(&text, "%.*s:%.*s:%.*s:%.*s\n", (int)m->role.n, m->role.p, (int)m->content.n,
		    m->content.p, (int)m->tool_calls.n, m->tool_calls.p ? m->tool_calls.p : "",
		    (int)m->tool_call_id.n, m->tool_call_id.p ? m->tool_call_id.p : "");
	}
	finish(run, text);
	free(text);
}

#define TEXT(s)                  \
	{                        \
		s, sizeof(s) - 1 \
	}

static void say_messages(struct agentd_run *run)
{
	static const struct agentd_message messages[] = {
		{ .role = TEXT("assistant"),
		    .content = TEXT(""),
		    .tool_calls = TEXT("[{\"id\":\"c1\"}]") },
		{ .role = TEXT("tool"), .content = TEXT("42"), .tool_call_id = TEXT("c1") },
		{ .role = TEXT("assistant"), .content = TEXT("it is 42") },
	};
	struct agentd_result result = { .size = sizeof(result), .content = TEXT("it is 42") };
	result.messages = messages;
	result.message_count = 3;
	result.message_size = sizeof(messages[0]);
	host->finish(run, &result);
}

static void say_environment(struct agentd_run *run)
{
	char *text = NULL, arguments[256] = "";
	int fd = open("/proc/self/cmdline", O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, arguments, sizeof(arguments) - 1);
	for (ssize_t i = 0; i + 1 < n; i++)
		if (!arguments[i])
			arguments[i] = ' ';
	if (fd >= 0)
		close(fd);
	append(&text, "%s\n", arguments);
	for (char **entry = environ; *entry; entry++)
		append(&text, "%s\n", *entry);
	for (int i = 0; i < 1024; i++) {
		char link[32], what[256] = "";
		snprintf(link, sizeof(link), "/proc/self/fd/%d", i);
		if (readlink(link, what, sizeof(what) - 1) >= 0)
			append(&text, "fd %d %s\n", i, what);
	}
	finish(run, text);
	free(text);
}

static void say_file(struct agentd_run *run, const char *path)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		finish(run, strerror(errno));
	else
		finish(run, (text[n] = '\0', text));
	if (fd >= 0)
		close(fd);
}

static void write_file(struct agentd_run *run, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, "written", 7) == 7;
	finish(run, ok ? "ok" : strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* What is answered to a request over a unix socket, or why nothing is. */
static void ask(const char *path, char *text, size_t size)
{
	static const char request[] =
	    "GET /agents HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t n = 0;
	ssize_t more = 0;
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    write(fd, request, strlen(request)) < 0)
		snprintf(text, size, "%s", strerror(errno));
	else {
		while (n + 1 < size && (more = read(fd, text + n, size - 1 - n)) > 0)
			n += (size_t)more;
		text[n] = '\0';
	}
	if (fd >= 0)
		close(fd);
}

/* The loop stands still meanwhile; the answer comes from agentd, which does not wait for it. */
static void say_answer(struct agentd_run *run, const char *path, bool far)
{
	char text[4096] = "nothing";
	int ends[2];
	if (!far) {
		ask(path, text, sizeof(text));
		finish(run, text);
		return;
	}
	if (pipe2(ends, O_CLOEXEC) < 0)
		abort();
	pid_t child = fork();
	if (child == 0) {
		pid_t parent = getpid();
		if (fork())
			_exit(0);
		while (getppid() == parent)
			usleep(1000); /* until it is nobody's child but agentd's */
		ask(path, text, sizeof(text));
		(void)!write(ends[1], text, strlen(text));
		_exit(0);
	}
	close(ends[1]);
	waitpid(child, NULL, 0);
	ssize_t n = read(ends[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	close(ends[0]);
	finish(run, text);
}

static void say_socket(struct agentd_run *run, const char *kind)
{
	int fds[2] = { -1, -1 };
	bool pair = strcmp(kind, "pair") == 0;
	if (pair)
		fds[0] = socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 ? -1 : fds[0];
	else
		fds[0] = socket(strcmp(kind, "unix") ? AF_INET : AF_UNIX, SOCK_STREAM, 0);
	finish(run, fds[0] < 0 ? strerror(errno) : "ok");
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void leave_child(struct agentd_run *run, int own_session)
{
	char text[32];
	pid_t pid = fork();
	if (pid == 0) {
		if (own_session)
			setsid();
		for (;;)
			pause();
	}
	snprintf(text, sizeof(text), "%d", pid);
	finish(run, text);
}

static void show_options(const struct agentd_options *given)
{
	append(&shown_options, "%zu\n", given->count);
	for (size_t i = 0; i < given->count; i++) {
		const struct agentd_value *value = agentd_get(given, options[i].key);
		append(&shown_options, "%s=", value->key);
		if (!value->set)
			append(&shown_options, "unset");
		else if (value->type == AGENTD_NUMBER)
			append(&shown_options, "%g", value->real);
		else if (value->type == AGENTD_LIST || value->type == AGENTD_MAP)
			for (size_t j = 0; j < value->count; j++)
				append(&shown_options, "[%.*s]", (int)value->items[j].n,
				    value->items[j].p);
		else if (value->text.n)
			append(&shown_options, "%.*s", (int)value->text.n, value->text.p);
		else
			append(&shown_options, "%lld", (long long)value->number);
		append(&shown_options, "\n");
	}
}

static void on_ready_timer(void *arg)
{
	(void)arg;
	host->ready(host);
}

static int actor_open(
    const struct agentd_host *given, const struct agentd_options *values, void **self)
{
	const char *start = agentd_get_text(values, "start");
	host = given;
	*self = &acts;
	signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would make an exit of it */
	show_options(values);
	if (strcmp(start, "crash") == 0)
		raise(SIGSEGV);
	if (strcmp(start, "exit78") == 0)
		exit(78);
	if (strcmp(start, "fatal") == 0)
		host->fatal(host, "the credentials were refused");
	if (strcmp(start, "fail") == 0)
		return -ENOENT;
	if (strcmp(start, "never") == 0)
		return AGENTD_PENDING;
	if (strcmp(start, "once") == 0)
		return open(agentd_get_text(values, "text"), O_CREAT | O_EXCL | O_WRONLY, 0600) < 0
			   ? -EEXIST
			   : 0;
	if (strcmp(start, "later") == 0) {
		host->timer_set(host->timer_new(host, on_ready_timer, NULL), 200);
		return AGENTD_PENDING;
	}
	return 0;
}

/* Acts that are over when this returns. */
static int act_now(
    struct agentd_run *run, const struct agentd_request *request, const char *act, char *rest)
{
	if (strcmp(act, "say") == 0)
		return finish(run, rest);
	if (strcmp(act, "fail") == 0)
		return finish_as(run, AGENTD_FAILED, rest);
	if (strcmp(act, "refuse") == 0)
		return rest[0] ? atoi(rest) : -5;
	if (strcmp(act, "reach") == 0) {
		bool reached = atoi(rest + strcspn(rest, " ")) >= atoi(rest);
		return finish_as(run, reached ? AGENTD_DONE : AGENTD_FAILED, rest);
	}
	if (strcmp(act, "options") == 0)
		return finish(run, shown_options);
	if (strcmp(act, "traceparent") == 0) {
		struct agentd_result result = { .size = sizeof(result) };
		result.content = request->traceparent;
		return host->finish(run, &result);
	}
	if (strcmp(act, "request") == 0)
		say_request(run, request);
	else if (strcmp(act, "attached") == 0)
		say_attached(run, request);
	else if (strcmp(act, "file") == 0)
		say_file_of_answer(run, request, rest);
	else if (strcmp(act, "link") == 0)
		say_link(run, rest);
	else if (strcmp(act, "history") == 0)
		say_history(run, request);
	else if (strcmp(act, "messages") == 0)
		say_messages(run);
	else if (strcmp(act, "deltas") == 0)
		say_deltas(run, rest);
	else if (strcmp(act, "bytes") == 0)
		say_bytes(run, rest);
	else if (strcmp(act, "env") == 0)
		say_environment(run);
	else if (strcmp(act, "read") == 0)
		say_file(run, rest);
	else if (strcmp(act, "write") == 0)
		write_file(run, rest);
	else if (strcmp(act, "socket") == 0)
		say_socket(run, rest);
	else if (strcmp(act, "ask") == 0 || strcmp(act, "askfar") == 0)
		say_answer(run, rest, strcmp(act, "askfar") == 0);
	else if (strcmp(act, "late") == 0)
		late(run);
	else if (strcmp(act, "fork") == 0 || strcmp(act, "orphan") == 0)
		leave_child(run, strcmp(act, "orphan") == 0);
	else if (strcmp(act, "crash") == 0)
		raise(SIGSEGV);
	else if (strcmp(act, "abort") == 0)
		abort();
	else if (strcmp(act, "exit") == 0)
		exit(atoi(rest));
	else if (strcmp(act, "close") == 0)
		close(3);
	else if (strcmp(act, "garbage") == 0)
		(void)!write(3, "these bytes are no frame at all, I am afraid", 44);
	else if (strcmp(act, "fatal") == 0)
		host->fatal(host, rest);
	else
		return 1;
	return 0;
}

static int act_and_finish(struct agentd_run *run, const char *act, char *rest)
{
	char text[32];
	if (strcmp(act, "event") == 0) {
		char *json = strchr(rest, ' ');
		*json++ = '\0';
		snprintf(text, sizeof(text), "%d",
		    host->event(run, rest, agentd_text(json, strlen(json))));
		return finish(run, text);
	}
	if (strcmp(act, "usage") == 0) {
		struct agentd_result result = { .size = sizeof(result), .content = TEXT("ok") };
		result.usage = agentd_text(rest, strlen(rest));
		return host->finish(run, &result);
	}
	if (strcmp(act, "cancelled?") == 0) {
		snprintf(text, sizeof(text), "%u", cancels);
		return finish(run, text);
	}
	if (strcmp(act, "block") == 0) {
		int ms = atoi(rest);
		nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
	} else if (strcmp(act, "print") == 0) {
		fprintf(stderr, "%s\n", rest);
	} else if (strcmp(act, "stdout") == 0) {
		printf("%s\n", rest);
		fflush(stdout);
	} else if (strcmp(act, "log") == 0) {
		host->log(host, AGENTD_LOG_INFO, "%s", rest);
	} else {
		return 1;
	}
	return finish(run, "ok");
}

/* Acts that go on after this has returned. */
static int act_later(struct agentd_run *run, const char *name, const char *rest)
{
	struct act *act = act_new(run, rest);
	if (strcmp(name, "hang") == 0 || strcmp(name, "ignore") == 0) {
		act->total = strcmp(name, "ignore") == 0;
		return 0;
	}
	if (strcmp(name, "timer") == 0 || strcmp(name, "after") == 0) {
		act->total = strcmp(name, "after") == 0;
		act->timer = host->timer_new(host, on_timer, act);
		return host->timer_set(act->timer, (uint64_t)atoi(rest));
	}
	if (strcmp(name, "flood") == 0) {
		act->left = act->total = (size_t)atoll(rest);
		flood(act);
		return 0;
	}
	if (strcmp(name, "pipe") == 0) {
		if (pipe2(act->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
			abort();
		act->watch = host->watch_new(host, act->pipe[0], on_watch, act);
		host->watch_set(act->watch, AGENTD_READ);
		(void)!write(act->pipe[1], rest, strlen(rest));
		close(act->pipe[1]);
		return 0;
	}
	if (strcmp(name, "thread") == 0) {
		pthread_t thread;
		acts = act->next; /* the thread's own now */
		host->ref(run);
		if (pthread_create(&thread, NULL, on_thread, act))
			abort();
		pthread_detach(thread);
		return 0;
	}
	act_free(act);
	return finish_as(run, AGENTD_FAILED, "unknown act");
}

static int actor_run(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self;
	char *line = strndup(request->input.n ? request->input.p : "attached",
	    request->input.n ? request->input.n : 8);
	char *rest = line + strcspn(line, " ");
	if (*rest)
		*rest++ = '\0';
	const char *name = line;
	if (strcmp(line, "attempt") == 0) {
		name = *rest ? rest : "request";
		rest += strcspn(rest, " ");
		if (*rest)
			*rest++ = '\0';
		if (request->attempt == 1)
			name = "hang";
	}
	int done = act_now(run, request, name, rest);
	if (done > 0)
		done = act_and_finish(run, name, rest);
	if (done > 0)
		done = act_later(run, name, rest);
	free(line);
	return done;
}

static void actor_cancel(void *self, struct agentd_run *run)
{
	(void)self;
	cancels++;
	for (struct act *act = acts; act; act = act->next)
		if (act->run == run && !act->total) {
			finish_as(run, AGENTD_CANCELLED, "as told");
			act_free(act);
			return;
		}
}

static void actor_writable(void *self, struct agentd_run *run)
{
	(void)self;
	for (struct act *act = acts; act; act = act->next)
		if (act->run == run) {
			flood(act);
			return;
		}
}

static void actor_close(void *self)
{
	(void)self;
	while (acts)
		act_free(acts);
	free(shown_options);
}

static const struct agentd_agent_ops agent = {
	.size = sizeof(agent),
	.open = actor_open,
	.run = actor_run,
	.cancel = actor_cancel,
	.writable = actor_writable,
	.close = actor_close,
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_AGENT,
	.name = "actor",
	.version = "1.2.3",
	.summary = "does what its input says",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.agent = &agent,
};
