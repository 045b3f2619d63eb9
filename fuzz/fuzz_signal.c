/*
 * fuzz_signal: any bytes as what a receive of signal-cli-rest-api has brought.
 *
 * What must hold: what is a message has what agentd asks of one, and says something; its ids end where
 * they seem to and are not too long; its JSON is JSON; what was lost is no more than there was; and the same
 * bytes bring the same messages with anything unreadable in front of them.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/signal/batch.h"
#include "plugins/signal/envelope.h"
#include "plugins/signal/output.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char number[] = "+4915100000000", person[] = "+4915111111111", group[] = "Z3JvdXA=";
static char *people[] = { person }, *groups[] = { group };

/* That anybody may write to; and that one may, in one group. */
static const struct signal_account accounts[] = {
	{ .number = number },
	{ .number = number, .people = { people, 1 }, .groups = { groups, 1 } },
};

static void check_id(const char *id, size_t least)
{
	size_t n = strlen(id);
	if (n < least || n > SIGNAL_ID_MAX)
		abort();
}

static void check_message(const struct signal_message *message)
{
	check_id(message->key, 3);
	check_id(message->user_id, 1);
	check_id(message->user_name, 0);
	check_id(message->chat_id, 1);
	check_id(message->reply_to, 0);
	if (strcmp(message->user_id, number) == 0)
		abort();
	if (!message->text_n && !message->attachment_count)
		abort();
	if (message->attachment_count > SIGNAL_ATTACHMENTS_MAX)
		abort();
	for (size_t i = 0; i < message->attachment_count; i++)
		check_id(message->attachments[i].id, 1);
	json_t *raw = json_loads(message->raw, JSON_ALLOW_NUL, NULL);
	if (*message->raw && !raw)
		abort();
	json_decref(raw);
}

/* How many messages there are, and for the one in one group. */
static void read_all(const char *bytes, size_t n, size_t counts[2])
{
	struct signal_batch batch = { .rest = agentd_text(bytes, n) };
	for (json_t *object; (object = signal_batch_next(&batch));) {
		for (size_t i = 0; i < 2; i++) {
			struct signal_message *message;
			if (signal_envelope_read(object, &accounts[i], &message) != 1)
				continue;
			check_message(message);
			if (i == 1 && (strcmp(message->chat_id, "group.WjNKdmRYQT0=") != 0))
				abort();
			signal_message_free(message);
			counts[i]++;
		}
		json_decref(object);
	}
	if (batch.lost > n || batch.rest.n)
		abort();
}

/* As the words of an error: no byte is in two lines, and the words fit. */
static void read_output(const char *output)
{
	size_t n = strlen(output), received = 0;
	struct agentd_text rest = agentd_text(output, n), line;
	char words[100];
	while (signal_output_next(&rest, &line))
		received += line.n;
	signal_output_words(output, words, sizeof(words));
	if (rest.n || strlen(words) + received > n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char noise[] = "[WARN: this is no JSON\n";
	size_t counts[2] = { 0 }, again[2] = { 0 }, n = strlen(noise);
	char *bytes = malloc(n + size);
	if (!bytes)
		return 0;
	memcpy(bytes, noise, n);
	if (size)
		memcpy(bytes + n, data, size);
	char *copy =
	    malloc(size ? size : 1); /* of its very size, so that reading past its end is seen */
	if (copy && size)
		memcpy(copy, data, size);
	if (copy)
		read_all(copy, size, counts);
	read_all(bytes, n + size, again);
	char *output = strndup((const char *)data, size);
	if (output)
		read_output(output);
	free(output);
	if (counts[1] > counts[0] || memcmp(counts, again, sizeof(counts)) != 0)
		abort();
	free(copy);
	free(bytes);
	return 0;
}
