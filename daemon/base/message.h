/*
 * message: the words that agentd and agentd-host say to each other, each with its fields in order.
 * frame.h has their form. A word that is not in this table, or has a field too many or too few, is
 * a broken sender: agentd kills such a host, a host ends itself.
 *
 * The order of a start: SETUP → (the host builds its sandbox, loads the plugin) → HELLO → CONFIG,
 * or QUIT → (open) → READY. Afterwards RUN, CANCEL, CREDIT and PING one way, INPUT, DELTA, EVENT,
 * FINISH and PONG the other. LOG may come at any time.
 *
 * A run of a trigger that the plugin brings has no input when it goes out, but what came. What its
 * handler makes of that comes back as INPUT: at most once, before FINISH, and not for other runs.
 *
 * Flow control. A run begins with MESSAGE_WINDOW bytes of credit. A delta or event costs its
 * length and MESSAGE_COST; agentd gives the credit back as the readers of the run take the text. A
 * host that spends more than it has is broken. FINISH costs nothing.
 *
 * An interface: SUBMIT and STOPPED from CONFIG on, SENT and RESPOND from READY on. Each SUBMIT is answered with
 * SUBMITTED, once the message is in the store; it has at most MESSAGE_SUBMISSIONS that are not answered. Each SEND is
 * answered with SENT, each HTTP with RESPOND. A hook: each CALL is answered with DECIDE. The numbers of these are the
 * sender's, in the place of a run's.
 *
 * EMIT may come from CONFIG on. Each is answered with EMITTED, once what came of it is in the store; a host
 * has at most MESSAGE_EMISSIONS that are not answered.
 */
#ifndef AGENTD_BASE_MESSAGE_H
#define AGENTD_BASE_MESSAGE_H

#include <stdint.h>

/* Both programs come from one build; this catches a host that does not. Change it with any field. */
#define MESSAGE_PROTOCOL 7u

#define MESSAGE_WINDOW (256u << 10)
#define MESSAGE_COST   64u

#define MESSAGE_EMISSIONS 64u /* events of a host on their way into the store */

#define MESSAGE_INPUT_MAX (16u << 20) /* what a handler says */

#define MESSAGE_SUBMISSIONS      256u /* messages of an interface on their way into the store */
#define MESSAGE_SUBMIT_MAX       (256u << 10) /* bytes of one */
#define MESSAGE_ID_MAX           256u /* bytes of its key, and of each of its ids and names */
#define MESSAGE_ATTACHMENTS_MAX  64u  /* of a message, or an answer */
#define MESSAGE_ATTACHMENT_LEAST 28u  /* bytes of one in a frame, without its texts */
#define MESSAGE_EDIT_MAX \
	(256u << 10) /* bytes of a text, and of the metadata, that a hook makes of another */

/* What a hook can be called for, in this order. HELLO has them as bits. */
enum message_stage {
	STAGE_ON_MESSAGE,
	STAGE_BEFORE_RUN,
	STAGE_AFTER_RUN,
	STAGE_ON_ERROR,
	STAGE_COUNT
};

/* What an interface can do, in the same place. */
#define MESSAGE_CAN_TYPE 1u
#define MESSAGE_CAN_HTTP 2u

/* What the sandbox of a host leaves open. */
#define MESSAGE_ALLOW_UNIX  1u
#define MESSAGE_ALLOW_FILES 2u

enum message_type {
	/* agentd → host */
	MESSAGE_SETUP = 1, /* u32 protocol, str name, bounds: u32 delta, u32 event, u32 events,
	                    * u64 content, u32 threads, u32 what the sandbox allows, str spool folder
	                    * (absent: none), count, then other threads of agentd: u32 id, count, then
	                    * hidden files: str path */
	MESSAGE_CONFIG,    /* text working folder (absent: as it is), count, per option: u32 set,
	                    * i64 number, f64 real, text text, count items: text */
	MESSAGE_QUIT,      /* close the plugin and exit with 0 */
	MESSAGE_RUN,       /* run; u32 attempt, u64 deadline (monotonic ms), texts run_id, input,
	                    * session_id, user_id, claims, source, trigger, metadata, traceparent,
	                    * what came: texts body, raw, headers, timestamp (absent without a
	                    * trigger, as the input is with one), text spool folder, then messages,
	                    * attachments */
	MESSAGE_CANCEL,    /* run */
	MESSAGE_CREDIT,    /* run; u32 bytes */
	MESSAGE_PING,      /* nothing */
	MESSAGE_EMITTED,   /* nothing: one event less is on its way */
	MESSAGE_SUBMITTED, /* number; u32 errno: 0, it is in the store */
	MESSAGE_SEND,      /* number; u32 parts, texts chat_id, reply_to, text, then attachments */
	MESSAGE_TYPING,    /* text chat_id */
	MESSAGE_STOP,      /* receive no more; STOPPED follows */
	MESSAGE_HTTP,      /* number; texts method, path, query, headers, body */
	MESSAGE_CALL,  /* number; u32 stage, texts interface, platform, agent, user_id, session_id,
	                    * run_id, reply, error, then the message as in SUBMIT */
	MESSAGE_FETCH, /* to agentd-fetch: str url, u32 timeout (ms), u32 most bytes, count, then
	                    * hidden files: str path */

	/* host → agentd */
	MESSAGE_HELLO =
	    64,          /* u32 protocol, u32 kind, u32 flags, strs name, version, summary, count,
	                     * then per option: str key, u32 type, u32 required, str fallback,
	                     * str choices, i64 min, i64 max, str help, count, then per trigger:
	                     * u32 type, u32 flags, strs name, path, method, schedule, zone, event,
	                     * session, then u32 what it can do, count, then per path: strs method,
	                     * path, when */
	MESSAGE_READY,   /* nothing */
	MESSAGE_LEAVING, /* text reason: why this process is about to end */
	MESSAGE_DELTA,   /* run; rest: text */
	MESSAGE_EVENT,   /* run; text type, text json */
	MESSAGE_FINISH,  /* run; u32 status, texts content (absent: the deltas), error, usage, then
	                     * messages, attachments */
	MESSAGE_PONG,    /* nothing */
	MESSAGE_LOG,     /* u32 level, text, str run's id (absent: it is about none) */
	MESSAGE_INPUT,   /* run; texts input, metadata: what a handler says; absent: nothing */
	MESSAGE_EMIT,    /* texts event, json: something has happened */
	MESSAGE_FETCHED, /* from agentd-fetch: rest: what the URL has */
	MESSAGE_SUBMIT, /* number; texts key, user_id, user_name, chat_id, message_id, reply_to, text,
	                  * raw, then attachments */
	MESSAGE_SENT,   /* number; u32 status, u32 parts, u64 retry_after (ms), text error */
	MESSAGE_RESPOND, /* number; u32 status, text content type, text body */
	MESSAGE_STOPPED, /* nothing: no SUBMIT follows */
	MESSAGE_DECIDE,  /* number; i64 verdict, texts text, metadata (absent: as it was) */
	MESSAGE_REST,    /* u64 ms: after this process, the next one not before; LEAVING follows */
};

/* "messages" is: count, then per message texts role, content, tool_calls, tool_call_id.
 * "attachments" is: count, then per attachment u32 type, u64 bytes, texts name, mime_type, path, url. */

/* Exit codes of agentd-host. */
#define HOST_EXIT_REFUSED 78 /* EX_CONFIG: another try cannot help */
#define HOST_EXIT_FAILED  70 /* EX_SOFTWARE: it said why */
#define HOST_EXIT_DONE    79 /* it has nothing more to do */
#define HOST_EXIT_NO_EXEC 111

/* File descriptors of agentd-host. */
#define HOST_FD_CHANNEL 3
#define HOST_FD_PLUGIN  4

#endif
