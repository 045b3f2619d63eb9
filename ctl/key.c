/* key: API keys. agentd is told their SHA-256 only; they are random, so a slow hash would gain nothing. */
#include <errno.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include "ctl/command.h"
#include "ctl/say.h"

#define KEY_BYTES   32
#define KEY_TEXT    (7 + 43 + 1) /* agentd_, 32 bytes in base64url without padding, NUL */
#define KEY_MAX     8192
#define KEY_LONGEST 1024         /* that agentd takes */
#define HASH_TEXT   (7 + 64 + 1) /* sha256:, hex, NUL */

static void encode(const unsigned char bytes[KEY_BYTES], char text[KEY_TEXT])
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint32_t bits = 0;
	int held = 0;
	char *out = stpcpy(text, "agentd_");
	for (size_t i = 0; i < KEY_BYTES; i++) {
		bits = bits << 8 | bytes[i];
		for (held += 8; held >= 6; held -= 6)
			*out++ = digits[bits >> (held - 6) & 63];
	}
	if (held)
		*out++ = digits[bits << (6 - held) & 63];
	*out = '\0';
}

static int make_key(char text[KEY_TEXT])
{
	unsigned char bytes[KEY_BYTES];
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return say_error(EX_OSERR, "no random bytes: %s", strerror(errno));
	encode(bytes, text);
	explicit_bzero(bytes, sizeof(bytes));
	return 0;
}

static int hash_key(const char *key, size_t n, char text[HASH_TEXT])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	if (EVP_Digest(key, n, digest, &length, EVP_sha256(), NULL) != 1 || length != 32)
		return say_error(EX_SOFTWARE, "libcrypto cannot do SHA-256");
	char *out = stpcpy(text, "sha256:");
	for (unsigned i = 0; i < length; i++, out += 2)
		snprintf(out, 3, "%02x", digest[i]);
	return 0;
}

/* It becomes a word of a YAML file. */
static bool is_plain(const char *name)
{
	return name[0] &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") ==
		   strlen(name);
}

static void add_agents(struct buf *line, json_t *list, const struct arguments *arguments)
{
	size_t at = 0;
	const char *agent;
	while ((agent = arguments_next(arguments, "agent", &at))) {
		buf_addf(line, "%s%s", json_array_size(list) ? ", " : ", agents: [ ", agent);
		json_array_append_new(list, json_string(agent));
	}
	if (json_array_size(list))
		buf_add_str(line, " ]");
}

static int check_names(const struct arguments *arguments)
{
	static const char *const options[] = { "name", "agent" };
	for (size_t i = 0; i < 2; i++) {
		size_t at = 0;
		const char *value;
		while ((value = arguments_next(arguments, options[i], &at)))
			if (!is_plain(value))
				return say_usage("key new",
				    "--%s takes letters, digits and _ - . only, not \"%s\"",
				    options[i], value);
	}
	return 0;
}

int key_new(struct client *client, const struct arguments *arguments)
{
	char key[KEY_TEXT], hash[HASH_TEXT];
	const char *name =
	    arguments_get(arguments, "name") ? arguments_get(arguments, "name") : "client";
	bool admin = arguments_get(arguments, "admin") != NULL;
	struct buf line = { 0 };
	(void)client;
	int code = check_names(arguments);
	if (code == 0)
		code = make_key(key);
	if (code == 0)
		code = hash_key(key, strlen(key), hash);
	if (code)
		return code;
	json_t *agents = json_array();
	buf_addf(&line, "- { name: %s, hash: %s%s", name, hash, admin ? ", admin: true" : "");
	add_agents(&line, agents, arguments);
	buf_add(&line, " }", sizeof(" }"));
	if (say_is_json())
		say_json(json_pack("{s:s, s:s, s:s, s:b, s:O, s:s}", "key", key, "name", name,
		    "hash", hash, "admin", admin, "agents", agents, "line", line.data));
	else
		printf(
		    "%s\n\n"
		    "This is the key, shown only now. agent.conf gets its hash, in the list of keys of an\n"
		    "auth of type api_key:\n\n"
		    "  %s\n\n"
		    "Whoever has the key sends it as the header X-API-Key, or as Authorization: Bearer.\n"
		    "agentctl takes it from AGENTD_API_KEY, or from a file:\n"
		    "agentctl --url http://HOST:PORT --key-file FILE status\n",
		    key, line.data);
	json_decref(agents);
	buf_done(&line);
	explicit_bzero(key, sizeof(key));
	return 0;
}

static struct termios before; /* it was made silent */

/* Whoever changes their mind gets a terminal back that shows what they type. */
static void on_signal(int number)
{
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	signal(number, SIG_DFL);
	raise(number);
}

/* One line, which nobody sees being typed. */
static size_t read_hidden(char key[KEY_MAX])
{
	struct termios silent;
	bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
	if (terminal) {
		fputs("Key: ", stderr);
		silent = before;
		silent.c_lflag &= ~(tcflag_t)ECHO;
		signal(SIGINT, on_signal);
		signal(SIGTERM, on_signal);
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	}
	if (!fgets(key, KEY_MAX, stdin))
		key[0] = '\0';
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputs("\n", stderr);
	}
	size_t n = strcspn(key, "\r\n");
	key[n] = '\0';
	return n;
}

int key_hash(struct client *client, const struct arguments *arguments)
{
	char key[KEY_MAX], hash[HASH_TEXT];
	(void)client;
	(void)arguments;
	size_t n = read_hidden(key);
	int code = 0;
	if (n == 0)
		code = say_error(EX_NOINPUT, "there was no key on stdin");
	else if (n > KEY_LONGEST)
		code =
		    say_error(EX_DATAERR, "agentd takes no key of more than %d bytes", KEY_LONGEST);
	else
		code = hash_key(key, n, hash);
	explicit_bzero(key, sizeof(key));
	if (code)
		return code;
	if (say_is_json())
		return say_json(json_pack("{s:s}", "hash", hash));
	puts(hash);
	return 0;
}
