/* try: a plugin, without a config. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/chat.h"
#include "ctl/command.h"
#include "ctl/interrupt.h"
#include "ctl/run.h"
#include "ctl/say.h"
#include "ctl/trial.h"

static int say_one(struct trial *trial, const char *text, size_t length)
{
	struct run_request request = { .text = text, .length = length };
	return run_once(trial_client(trial), &request, true);
}

int try_run(struct client *client, const struct arguments *arguments)
{
	const char *text = arguments_word(arguments, 1);
	char *read_text = NULL;
	size_t length = text ? strlen(text) : 0;
	struct trial *trial;
	bool talks = !text && isatty(STDIN_FILENO) && !say_is_json();
	(void)client;
	if (!talks && (!text || strcmp(text, "-") == 0)) {
		int code = run_read_stdin(&read_text, &length);
		if (code)
			return code;
		text = read_text;
	}
	interrupt_open();
	int code = !talks && !length ? say_usage("try", "the text is empty")
				     : trial_start(arguments_word(arguments, 0), &trial);
	if (code == 0) {
		code = talks ? chat_talk(trial_client(trial), NULL, NULL, NULL)
			     : say_one(trial, text, length);
		trial_stop(trial);
	}
	free(read_text);
	return code;
}
