/*
 * line: an interface whose platform is the test: a TCP connection to a port of this machine, on which both
 * sides write lines of fields with tabs between them (tests/e2e/line.py).
 *
 *	to the plugin:   M key user name chat message_id reply_to text [file text]
 *	                 S reply status parts retry_after error     (what became of a reply; unless `auto`)
 *	                 H request status body
 *	                 X crash|exit|hang|done|fail|rest MS|fatal|ready|stopped|emit NAME|print TEXT
 *	from the plugin: UP pid · ACK key errno · SEND reply parts chat reply_to text attachments · TYPING chat
 *	                 STOP · HTTP request method path query body headers · CLOSE
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agentd/plugin.h"

#define FIELDS_MAX 10

static const struct agentd_host *host;
static int fd = -1;
static struct agentd_watch *watch;
static char *input;
static size_t input_length;
static int is_auto, ready_later, stop_later, early, stopped;
static const char *secret;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
#include <stdarg.h>
static void say(const char *format, ...)
{
	char *line;
	va_list args;
	va_start(args, format);
	int n = vasprintf(&line, format, args);
	va_end(args);
	for (int done = 0, r; n > 0 && done < n; done += r)
		if ((r = (int)send(fd, line + done, (size_t)(n - done), MSG_NOSIGNAL)) <= 0)
			break;
	free(line);
}

/* Text on one line. */
static char *flat(struct agentd_text text)
{
	char *line = strndup(text.p ? text.p : "", text.n);
	for (char *at = line; *at; at++)
		if (*at == '\n' || *at == '\t')
			*at = *at == '\n' ? '\r' : ' ';
	return line;
}

static void read_lines(void);

static void on_submitted(void *arg, int error)
{
	say("ACK\t%s\t%d\n", (char *)arg, -error);
	free(arg);
	read_lines();
}

static struct agentd_text text_of(const char *field)
{
	return agentd_text(field ? field : "", field ? strlen(field) : 0);
}

/* -EAGAIN: too many are on their way; this one waits, and so does all behind it. */
static int on_message(char **f)
{
	char path[512];
	struct agentd_attachment file = {
		.type = AGENTD_FILE, .name = text_of("a.txt"), .mime_type = text_of("text/plain")
	};
	struct agentd_incoming message = { .size = sizeof(message),
		.key = text_of(f[1]),
		.user_id = text_of(f[2]),
		.user_name = text_of(f[3]),
		.chat_id = text_of(f[4]),
		.message_id = text_of(f[5]),
		.reply_to = text_of(f[6]),
		.text = text_of(f[7]),
		.raw = text_of("{\"raw\":true}"),
		.attachments = &file,
		.attachment_size = sizeof(file) };
	if (f[8] && strncmp(f[8], "http", 4) == 0) {
		file.url = text_of(f[8]);
		message.attachment_count = 1;
	} else if (f[8] && f[8][0] == '/') {
		file.path = text_of(f[8]);
		message.attachment_count = 1;
	} else if (f[8] && host->spool(host, path, sizeof(path)) == 0) {
		int out = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (out >= 0 && write(out, f[8], strlen(f[8])) > 0)
			close(out);
		file.path = text_of(path);
		file.bytes = strlen(f[8]);
		message.attachment_count = 1;
	}
	char *key = strdup(f[1]);
	int error = host->submit(host, &message, on_submitted, key);
	if (error == 0)
		return 0;
	if (error != -EAGAIN)
		say("ACK\t%s\t%d\n", key, -error);
	free(key);
	return error;
}

static void on_sent(char **f)
{
	struct agentd_sent sent = { .size = sizeof(sent),
		.status = (uint32_t)atoi(f[2]),
		.parts = (uint32_t)atoi(f[3]),
		.retry_after_ms = (uint64_t)atoi(f[4]),
		.error = text_of(f[5]) };
	host->sent(host, strtoull(f[1], NULL, 10), &sent);
}

static void on_order(char **f)
{
	if (strcmp(f[1], "crash") == 0)
		raise(SIGSEGV);
	else if (strcmp(f[1], "exit") == 0)
		_exit(0);
	else if (strcmp(f[1], "hang") == 0)
		for (;;)
			pause();
	else if (strcmp(f[1], "done") == 0)
		host->done(host, "the platform has closed");
	else if (strcmp(f[1], "fail") == 0)
		host->fail(host, "the platform is down");
	else if (strcmp(f[1], "rest") == 0)
		host->fail_for(
		    host, "the platform is tired", strtoull(f[2] ? f[2] : "0", NULL, 10));
	else if (strcmp(f[1], "fatal") == 0)
		host->fatal(host, "the token is refused");
	else if (strcmp(f[1], "ready") == 0)
		host->ready(host);
	else if (strcmp(f[1], "stopped") == 0)
		host->stopped(host);
	else if (strcmp(f[1], "emit") == 0)
		host->emit(host, f[2], text_of("{}"));
	else if (strcmp(f[1], "print") == 0)
		fprintf(stderr, "%s\n", f[2]);
	else if (strcmp(f[1], "log") == 0)
		host->log(
		    host, AGENTD_LOG_INFO, "the secret has %zu bytes", secret ? strlen(secret) : 0);
}

static int on_line(char *line)
{
	char *fields[FIELDS_MAX] = { 0 };
	for (size_t i = 0; i < FIELDS_MAX - 1 && line; i++)
		fields[i] = strsep(&line, "\t");
	switch (fields[0][0]) {
	case 'M':
		return on_message(fields);
	case 'S':
		on_sent(fields);
		break;
	case 'H':
		host->respond(host, strtoull(fields[1], NULL, 10), (uint32_t)atoi(fields[2]),
		    "text/plain", text_of(fields[3]));
		break;
	case 'X':
		on_order(fields);
		break;
	}
	return 0;
}

static void read_lines(void)
{
	static int reading;
	char *end;
	size_t done = 0;
	if (reading || !input_length)
		return;
	reading = 1;
	while ((end = memchr(input + done, '\n', input_length - done))) {
		size_t n = (size_t)(end - input) - done;
		char *line = strndup(input + done, n);
		int error = on_line(line);
		free(line);
		if (error == -EAGAIN)
			break;
		done += n + 1;
	}
	input_length -= done;
	memmove(input, input + done, input_length);
	reading = 0;
}

static void on_readable(void *arg, uint32_t what)
{
	(void)arg;
	(void)what;
	char bytes[65536];
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n <= 0) {
		if (n < 0 && errno == EAGAIN)
			return;
		host->fail(host, "the platform has gone");
	}
	input = realloc(input, input_length + (size_t)n + 1);
	memcpy(input + input_length, bytes, (size_t)n);
	input_length += (size_t)n;
	read_lines();
}

static int port;

static int line_open(
    const struct agentd_host *given, const struct agentd_options *options, void **self)
{
	(void)self;
	host = given;
	signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would make an exit of it */
	port = (int)agentd_get_int(options, "port");
	is_auto = (int)agentd_get_int(options, "auto");
	ready_later = (int)agentd_get_int(options, "ready_later");
	stop_later = (int)agentd_get_int(options, "stop_later");
	early = (int)agentd_get_int(options, "early");
	const char *token = agentd_get_text(options, "token");
	secret = token ? strdup(token) : NULL;
	return 0;
}

static int line_start(void *self)
{
	(void)self;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		host->fail(host, "the platform is not there");
	watch = host->watch_new(host, fd, on_readable, NULL);
	host->watch_set(watch, AGENTD_READ);
	say("UP\t%d\n", getpid());
	if (early) {
		char *fields[FIELDS_MAX] = { "M", "early", "ann", "", "c1", "", "", "say early" };
		on_message(fields);
	}
	return ready_later ? AGENTD_PENDING : 0;
}

static int line_stop(void *self)
{
	(void)self;
	if (!stopped)
		say("STOP\n");
	stopped = 1;
	return stop_later ? AGENTD_PENDING : 0;
}

static int line_send(void *self, const struct agentd_reply *reply)
{
	(void)self;
	char *text = flat(reply->text), *files = strdup("");
	for (size_t i = 0; i < reply->attachment_count; i++) {
		const struct agentd_attachment *file = &reply->attachments[i];
		char *more;
		if (asprintf(&more, "%s%u:%.*s:%.*s%.*s;", files, file->type, (int)file->name.n,
			file->name.p, (int)file->path.n, file->path.p, (int)file->url.n,
			file->url.p) < 0)
			return -ENOMEM;
		free(files);
		files = more;
	}
	say("SEND\t%llu\t%u\t%.*s\t%.*s\t%s\t%s\n", (unsigned long long)reply->id, reply->parts,
	    (int)reply->chat_id.n, reply->chat_id.p, (int)reply->reply_to.n, reply->reply_to.p,
	    text, files);
	free(text);
	free(files);
	if (is_auto) {
		struct agentd_sent sent = { .size = sizeof(sent), .status = AGENTD_SENT };
		host->sent(host, reply->id, &sent);
	}
	return 0;
}

static void line_typing(void *self, struct agentd_text chat_id)
{
	(void)self;
	say("TYPING\t%.*s\n", (int)chat_id.n, chat_id.p);
}

static int line_http(void *self, const struct agentd_http_request *request)
{
	(void)self;
	char *body = flat(request->body), *headers = flat(request->headers);
	say("HTTP\t%llu\t%.*s\t%.*s\t%.*s\t%s\t%s\n", (unsigned long long)request->id,
	    (int)request->method.n, request->method.p, (int)request->path.n, request->path.p,
	    (int)request->query.n, request->query.p, body, headers);
	free(body);
	free(headers);
	return 0;
}

static void line_close(void *self)
{
	(void)self;
	say("CLOSE\n");
}

static const struct agentd_interface_ops ops = {
	.size = sizeof(ops),
	.open = line_open,
	.start = line_start,
	.stop = line_stop,
	.send = line_send,
	.typing = line_typing,
	.http = line_http,
	.close = line_close,
};

static const struct agentd_option options[] = {
	{ "port", AGENTD_INT, 1, NULL, NULL, 1, 65535, "of the test" },
	{ "auto", AGENTD_BOOL, 0, "true", NULL, 0, 0, "whether replies are taken at once" },
	{ "ready_later", AGENTD_BOOL, 0, "false", NULL, 0, 0, "ready when the test says so" },
	{ "stop_later", AGENTD_BOOL, 0, "false", NULL, 0, 0, "stopped when the test says so" },
	{ "early", AGENTD_BOOL, 0, "false", NULL, 0, 0, "has a message before it is ready" },
	{ "token", AGENTD_SECRET, 0, NULL, NULL, 0, 0, "a secret" },
	{ "mode", AGENTD_STRING, 0, "polling", "polling|webhook", 0, 0, "whether it has a path" },
	{ "hook_path", AGENTD_STRING, 0, "/line", NULL, 0, 0, "which" },
};

static const struct agentd_path paths[] = {
	{ "POST", "$hook_path", "mode=webhook" },
	{ "GET", "$hook_path", "mode=webhook" },
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_INTERFACE,
	.name = "line",
	.version = "1.0",
	.summary = "a platform for tests",
	.options = options,
	.option_count = sizeof(options) / sizeof(options[0]),
	.interface = &ops,
	AGENTD_PATHS(paths),
};
