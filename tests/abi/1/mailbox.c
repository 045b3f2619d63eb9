/* mailbox: an interface as it was when ABI 1 was new; never changed. tests/e2e/test_abi_1.py. */
#include <agentd/plugin.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS   200
#define BYTES_MAX 65536

struct mailbox {
	const struct agentd_host *host;
	struct agentd_timer *timer;
	char *folder;
	int stopped, waiting; /* waiting: files that are on their way into the store */
};

/* A file on its way: removing it is what confirms the message. */
struct letter {
	struct mailbox *mailbox;
	char path[512];
};

static void on_stored(void *arg, int error)
{
	struct letter *letter = arg;
	if (error == 0)
		unlink(letter->path); /* else it lies there still, and is submitted again */
	letter->mailbox->waiting--;
	free(letter);
}

static struct agentd_text text_of(const char *text)
{
	return agentd_text(text, strlen(text));
}

static void submit(struct mailbox *mailbox, const char *name)
{
	static char bytes[BYTES_MAX];
	struct letter *letter = calloc(1, sizeof(*letter));
	char user[256];
	if (!letter)
		return;
	letter->mailbox = mailbox;
	snprintf(letter->path, sizeof(letter->path), "%s/%s", mailbox->folder, name);
	snprintf(user, sizeof(user), "%.*s", (int)strcspn(name, "."), name);
	FILE *file = fopen(letter->path, "r");
	size_t n = file ? fread(bytes, 1, sizeof(bytes), file) : 0;
	if (file)
		fclose(file);
	struct agentd_incoming message = {
		.size = sizeof(message),
		.key = text_of(name), /* so no two letters may have one name */
		.user_id = text_of(user),
		.chat_id = text_of(user),
		.text = agentd_text(bytes, n),
	};
	if (mailbox->host->submit(mailbox->host, &message, on_stored, letter) < 0)
		free(letter);
	else
		mailbox->waiting++;
}

static void look(void *arg)
{
	struct mailbox *mailbox = arg;
	const struct dirent *entry;
	DIR *folder = mailbox->stopped || mailbox->waiting ? NULL : opendir(mailbox->folder);
	while (folder && (entry = readdir(folder))) {
		const char *end = strrchr(entry->d_name, '.');
		if (end && end != entry->d_name && strcmp(end, ".msg") == 0)
			submit(mailbox, entry->d_name);
	}
	if (folder)
		closedir(folder);
	mailbox->host->timer_set(mailbox->timer, LOOK_MS);
}

static int mailbox_open(
    const struct agentd_host *host, const struct agentd_options *options, void **ret_self)
{
	struct mailbox *mailbox = calloc(1, sizeof(*mailbox));
	if (!mailbox)
		return -ENOMEM;
	mailbox->host = host;
	mailbox->folder = strdup(agentd_get_text(options, "folder"));
	mailbox->timer = host->timer_new(host, look, mailbox);
	*ret_self = mailbox;
	return mailbox->folder && mailbox->timer ? 0 : -ENOMEM;
}

static int mailbox_start(void *self)
{
	struct mailbox *mailbox = self;
	if (access(mailbox->folder, R_OK | W_OK) < 0)
		mailbox->host->fatal(mailbox->host, "the folder cannot be read and written");
	look(mailbox);
	return 0; /* ready */
}

static int mailbox_stop(void *self)
{
	struct mailbox *mailbox = self;
	mailbox->stopped = 1;
	return 0; /* what is not submitted lies in its folder */
}

static int mailbox_send(void *self, const struct agentd_reply *reply)
{
	struct mailbox *mailbox = self;
	struct agentd_sent sent = { .size = sizeof(sent), .status = AGENTD_SENT };
	char path[512];
	snprintf(path, sizeof(path), "%s/%.*s.txt", mailbox->folder, (int)reply->chat_id.n,
	    reply->chat_id.p);
	FILE *file = fopen(path, "a");
	if (!file || fprintf(file, "%.*s\n", (int)reply->text.n, reply->text.p) < 0)
		sent.status = AGENTD_RETRY;
	if (file && fclose(file) != 0)
		sent.status = AGENTD_RETRY;
	if (sent.status == AGENTD_RETRY)
		sent.error = text_of("the answer cannot be written");
	mailbox->host->sent(mailbox->host, reply->id, &sent);
	return 0;
}

static const struct agentd_option options[] = {
	{ .key = "folder", .type = AGENTD_STRING, .required = 1, .help = "where letters are put" },
};

static const struct agentd_interface_ops interface = {
	.size = sizeof(interface),
	.open = mailbox_open,
	.start = mailbox_start,
	.stop = mailbox_stop,
	.send = mailbox_send,
};

const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD,
	.kind = AGENTD_INTERFACE,
	.name = "mailbox",
	.version = "1.0.0",
	.summary = "a folder as a platform",
	.options = options,
	.option_count = 1,
	.interface = &interface,
};
