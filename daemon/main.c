/*
 * agentd: serves agents that are shared objects, each in a process of its own.
 *
 * The way of a start: command line → config file → settings → every plugin tried once, its options
 * checked → parts built (daemon.c) → loop. Whatever is wrong with the config is said at once, and
 * nothing starts.
 */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/base/era.h"
#include "daemon/base/journal.h"
#include "daemon/base/log.h"
#include "daemon/conf/plugin_path.h"
#include "daemon/conf/settings.h"
#include "daemon/daemon.h"
#include "daemon/load.h"
#include "daemon/options.h"
#include "daemon/plugins.h"
#include "daemon/proc/notify.h"
#include "daemon/proc/spawn.h"
#include "daemon/upgrade.h"
#include "daemon/version.h"

struct arguments {
	const char *config, *listen, *probe;
	bool test, print, dev;
	char *const *plugins;
	size_t plugin_count;
};

static _Noreturn void usage_error(const char *message, const char *word)
{
	fprintf(stderr, "agentd: %s%s\nTry: agentd --help\n", message, word ? word : "");
	exit(EX_USAGE);
}

/* What was asked for must not be lost without a word. */
static int check_output(int code)
{
	if (!ferror(stdout) && fflush(stdout) == 0)
		return code;
	fprintf(stderr, "agentd: cannot write to standard output\n");
	return code ? code : EX_OSERR;
}

static struct arguments parse_arguments(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	int c;
	while ((c = options_next(argc, argv)) != -1) {
		switch (c) {
		case OPTION_CONFIG:
			arguments.config = optarg;
			break;
		case OPTION_TEST:
			arguments.test = true;
			break;
		case OPTION_PRINT_CONFIG:
			arguments.print = true;
			break;
		case OPTION_LISTEN:
			arguments.listen = optarg;
			break;
		case OPTION_PROBE:
			arguments.probe = optarg;
			break;
		case OPTION_DEV:
			arguments.dev = true;
			break;
		case OPTION_VERSION:
			puts("agentd " AGENTD_VERSION);
			exit(check_output(0));
		case OPTION_HELP:
			options_print_help(stdout);
			exit(check_output(0));
		default: /* getopt has said what is wrong */
			fputs("Try: agentd --help\n", stderr);
			exit(EX_USAGE);
		}
	}
	arguments.plugins = argv + optind;
	arguments.plugin_count = (size_t)(argc - optind);
	if (arguments.plugin_count && arguments.probe)
		usage_error("--probe takes one file, and nothing else: ", arguments.plugins[0]);
	if (arguments.plugin_count && arguments.config)
		usage_error("a config and plugins exclude each other: name the plugins in ",
		    arguments.config);
	if (arguments.listen && !arguments.plugin_count)
		usage_error("--listen goes with plugins; a config has http.listen", NULL);
	return arguments;
}

/* Where the log goes: what systemd reads, what a person reads, or what a machine reads. */
static void open_log(const struct settings *settings)
{
	const char *word = settings->log_format_word, *journal = getenv("JOURNAL_STREAM");
	enum log_format format = LOG_FORMAT_JSON;
	struct stat st;
	char stream[64] = "";
	if (fstat(STDERR_FILENO, &st) == 0)
		snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		    (unsigned long long)st.st_ino);
	bool automatic = strcmp(word, "auto") == 0;
	if (strcmp(word, "journal") == 0 || (automatic && journal && strcmp(journal, stream) == 0))
		format = LOG_FORMAT_JOURNAL;
	else if (strcmp(word, "text") == 0 || (automatic && isatty(STDERR_FILENO)))
		format = LOG_FORMAT_TEXT;
	log_open(STDERR_FILENO, format, settings_log_level(settings));
	if (format == LOG_FORMAT_JOURNAL)
		log_open_journal(
		    JOURNAL_SOCKET); /* without it lines go to stderr, with their level */
}

/* As many descriptors as we may have, what hosts leave behind, and memory that nobody else reads: it
 * will hold secrets. */
static void prepare_process(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
#ifndef __SANITIZE_ADDRESS__ /* its leak check attaches to this process */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	umask(077);
}

static struct event_base *make_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;
	if (config) {
		/* The changelist saves an epoll_ctl for most events. It is safe only if no descriptor
		 * is shared with a child: all are close-on-exec, and children always exec. */
		event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
		base = event_base_new_with_config(config);
		event_config_free(config);
	}
	return base;
}

static void print_all(struct conf_errors *messages)
{
	for (size_t i = 0; i < conf_errors_count(messages); i++)
		fprintf(stderr, "%s\n", conf_errors_get(messages, i));
}

static int check_only(const struct arguments *arguments, const struct settings *settings)
{
	if (arguments->print)
		settings_print(settings, stdout);
	else
		printf("%s is good\n", arguments->config ? arguments->config : "the config");
	return 0;
}

struct start {
	struct event_base *base;
	const struct arguments *arguments;
	struct load_source source;
	struct notify *notify;   /* NULL: only a check */
	struct upgrade *upgrade; /* borrowed */
	int host_fd, code;
	bool is_over;
	struct loaded loaded; /* nothing, unless there is something to serve */
};

/* `notes`: what is worth a warning, and no mistake. */
static void on_loaded(
    void *arg, const struct loaded *loaded, struct conf_errors *errors, struct conf_errors *notes)
{
	struct start *start = arg;
	const struct arguments *arguments = start->arguments;
	start->is_over = true;
	start->code = loaded || conf_errors_count(errors) == 0 ? EX_OSERR : EX_CONFIG;
	if (!loaded) {
		print_all(errors);
	} else if (arguments->test || arguments->print) {
		print_all(notes);
		start->code = check_only(arguments, loaded->settings);
		era_unref(loaded->era);
	} else {
		open_log(loaded->settings);
		for (size_t i = 0; i < conf_errors_count(notes); i++)
			log_warn("%s", conf_errors_get(notes, i));
		start->loaded = *loaded;
	}
	event_base_loopbreak(start->base);
}

static int run_daemon(const struct start *start)
{
	struct daemon_setup setup = { .loaded = start->loaded,
		.source = &start->source,
		.notify = start->notify,
		.upgrade = start->upgrade,
		.host_fd = start->host_fd };
	struct daemon *daemon = NULL;
	int code = daemon_new(start->base, &setup, &daemon);
	if (code == 0)
		code = daemon_run(daemon);
	daemon_free(daemon);
	return code;
}

static int serve(struct event_base *base, const struct arguments *arguments,
    struct upgrade *upgrade, int host_fd)
{
	bool serves = !arguments->test && !arguments->print;
	struct start start = {
		.base = base, .arguments = arguments, .upgrade = upgrade, .host_fd = host_fd
	};
	start.source = (struct load_source){ .listen = arguments->listen,
		.plugins = arguments->plugins,
		.plugin_count = arguments->plugin_count,
		.handed = serves ? upgrade_handed(upgrade) : NULL,
		.dev = arguments->dev };
	if (!arguments->plugin_count)
		start.source.config =
		    arguments->config ? arguments->config : OPTIONS_DEFAULT_CONFIG;
	struct load_setup setup = {
		.base = base,
		.source = &start.source,
		.host_fd = host_fd,
		.done = on_loaded,
		.arg = &start,
	};
	/* So early, since after an upgrade a watchdog goes on. */
	if (serves && !(start.notify = notify_new(base)))
		return EX_OSERR;
	struct load *load;
	int code = load_start(&setup, &load) < 0 ? EX_OSERR : 0;
	if (code == 0 && !start.is_over)
		event_base_dispatch(base);
	if (code == 0)
		code = start.loaded.era ? run_daemon(&start) : start.code;
	notify_free(start.notify);
	eras_release();
	return code;
}

static int show_plugin(struct event_base *base, const char *word, int host_fd)
{
	char *path = plugin_path_of(word);
	int code = path ? plugins_show(base, path, host_fd) : EX_OSERR;
	free(path);
	return code;
}

static struct upgrade *prepare_upgrade(char **argv)
{
	struct upgrade *upgrade;
	int error = upgrade_new(argv, &upgrade);
	if (error == 0)
		return upgrade;
	fprintf(stderr, "agentd: cannot use the sockets that $LISTEN_FDS promises: %s\n",
	    strerror(-error));
	exit(EX_UNAVAILABLE);
}

int main(int argc, char **argv)
{
	struct upgrade *upgrade = prepare_upgrade(argv);
	struct arguments arguments = parse_arguments(argc, argv);
	char host[4096];
	int host_fd = spawn_open("agentd-host", host, sizeof(host));
	if (host_fd < 0) {
		fprintf(stderr, "agentd: cannot open %s: %s\n", host, strerror(-host_fd));
		return EX_UNAVAILABLE;
	}
	prepare_process();
	struct event_base *base = make_base();
	if (!base) {
		fprintf(stderr, "agentd: cannot make an event loop\n");
		return EX_OSERR;
	}
	int code = arguments.probe ? show_plugin(base, arguments.probe, host_fd)
				   : serve(base, &arguments, upgrade, host_fd);
	event_base_free(base);
	close(host_fd);
	if (upgrade_is_due(upgrade))
		code = upgrade_exec(upgrade);
	upgrade_free(upgrade);
	return check_output(code);
}
