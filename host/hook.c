/* hook: one call at a time on the loop thread; several may wait for their decision. */
#include "host/hook.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/base/message.h"
#include "host/chat.h"
#include "host/internal.h"

struct agentd_call {
	uint64_t number;
	struct buf text, metadata; /* what it says instead */
	bool has_text, has_metadata;
};

int (*hook_function(const struct agentd_hook_ops *ops, uint32_t stage))(
    void *self, struct agentd_call *call, const struct agentd_exchange *exchange)
{
	switch (stage) {
	case STAGE_ON_MESSAGE:
		return ops->on_message;
	case STAGE_BEFORE_RUN:
		return ops->before_run;
	case STAGE_AFTER_RUN:
		return ops->after_run;
	case STAGE_ON_ERROR:
		return ops->on_error;
	default:
		return NULL;
	}
}

int hook_edit(struct agentd_call *call, uint32_t what, struct agentd_text text)
{
	bool is_text = what == AGENTD_EDIT_TEXT;
	struct buf *into = is_text ? &call->text : &call->metadata;
	if (!is_text && what != AGENTD_EDIT_METADATA)
		return -EINVAL;
	if (text.n > MESSAGE_EDIT_MAX)
		return -EMSGSIZE;
	into->length = 0;
	buf_add(into, text.p, text.n);
	if (into->failed)
		return -ENOMEM;
	*(is_text ? &call->has_text : &call->has_metadata) = true;
	return 0;
}

/* What was not said is absent, which an empty text is not. */
static void put_edit(struct frame_writer *writer, const struct buf *text, bool is_said)
{
	frame_put_text(writer,
	    !is_said     ? NULL
	    : text->data ? text->data
			 : "",
	    is_said ? text->length : 0);
}

void hook_decide(struct agentd_call *call, int verdict)
{
	pthread_mutex_lock(&host.lock);
	struct frame_writer writer = frame_begin(&host.out, MESSAGE_DECIDE, call->number);
	frame_put_i64(&writer, verdict);
	put_edit(&writer, &call->text, call->has_text && !call->text.failed);
	put_edit(&writer, &call->metadata, call->has_metadata && !call->metadata.failed);
	frame_end(&writer);
	services_wake();
	pthread_mutex_unlock(&host.lock);
	buf_done(&call->text);
	buf_done(&call->metadata);
	free(call);
}

static int read_call(const struct frame *frame, uint32_t *stage, struct agentd_exchange *exchange,
    struct agentd_incoming *message)
{
	struct frame_cursor cursor = frame_fields(frame);
	*stage = frame_get_u32(&cursor);
	exchange->size = sizeof(*exchange);
	exchange->interface = chat_get_text(&cursor);
	exchange->platform = chat_get_text(&cursor);
	exchange->agent = chat_get_text(&cursor);
	exchange->user_id = chat_get_text(&cursor);
	exchange->session_id = chat_get_text(&cursor);
	exchange->run_id = chat_get_text(&cursor);
	exchange->reply = chat_get_text(&cursor);
	exchange->error = chat_get_text(&cursor);
	exchange->message = message;
	int error = chat_get_incoming(&cursor, message);
	return error < 0 ? error : frame_end_fields(&cursor);
}

int hook_on_frame(const struct frame *frame)
{
	struct agentd_exchange exchange = { 0 };
	struct agentd_incoming message = { 0 };
	uint32_t stage;
	if (frame->type != MESSAGE_CALL)
		return -EPROTO;
	int error = read_call(frame, &stage, &exchange, &message);
	struct agentd_call *call = error == 0 ? calloc(1, sizeof(*call)) : NULL;
	if (error == 0 && !call)
		error = -ENOMEM;
	if (error == 0) {
		call->number = frame->run;
		int (*function)(void *, struct agentd_call *, const struct agentd_exchange *) =
		    hook_function(&host.plugin->hook, stage);
		int verdict = function ? function(host.self, call, &exchange) : 0;
		if (verdict != AGENTD_PENDING)
			hook_decide(call, verdict);
	}
	free((void *)(uintptr_t)message.attachments);
	return error;
}
