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
 * EMIT may come from CONFIG on. Each is answered with EMITTED, once what came of it is in the store; a host
 * has at most MESSAGE_EMISSIONS that are not answered.
 */
#ifndef AGENTD_BASE_MESSAGE_H
#define AGENTD_BASE_MESSAGE_H

#include <stdint.h>

/* Both programs come from one build; this catches a host that does not. Change it with any field. */
#define MESSAGE_PROTOCOL 4u

#define MESSAGE_WINDOW (256u << 10)
#define MESSAGE_COST   64u

#define MESSAGE_EMISSIONS 64u /* events of a host on their way into the store */

#define MESSAGE_INPUT_MAX (16u << 20) /* what a handler says */

/* What the sandbox of a host leaves open. */
#define MESSAGE_ALLOW_UNIX  1u
#define MESSAGE_ALLOW_FILES 2u

enum message_type {
	/* agentd → host */
	MESSAGE_SETUP = 1, /* u32 protocol, str name, bounds: u32 delta, u32 event, u32 events,
	                    * u64 content, u32 threads, u32 what the sandbox allows, count, then
	                    * hidden files: str path */
	MESSAGE_CONFIG,    /* count, then per option: u32 set, i64 number, f64 real, text text,
	                    * count items: text */
	MESSAGE_QUIT,      /* close the plugin and exit with 0 */
	MESSAGE_RUN,       /* run; u32 attempt, u64 deadline (monotonic ms), texts run_id, input,
	                    * session_id, user_id, claims, source, trigger, metadata, traceparent,
	                    * what came: texts body, raw, headers, timestamp (absent without a
	                    * trigger, as the input is with one), then messages */
	MESSAGE_CANCEL,    /* run */
	MESSAGE_CREDIT,    /* run; u32 bytes */
	MESSAGE_PING,      /* nothing */
	MESSAGE_EMITTED,   /* nothing: one event less is on its way */
	MESSAGE_FETCH, /* to agentd-fetch: str url, u32 timeout (ms), u32 most bytes, count, then
	                    * hidden files: str path */

	/* host → agentd */
	MESSAGE_HELLO =
	    64,          /* u32 protocol, u32 kind, u32 flags, strs name, version, summary, count,
	                     * then per option: str key, u32 type, u32 required, str fallback,
	                     * str choices, i64 min, i64 max, str help, count, then per trigger:
	                     * u32 type, u32 flags, strs name, path, method, schedule, zone, event,
	                     * session */
	MESSAGE_READY,   /* nothing */
	MESSAGE_LEAVING, /* text reason: why this process is about to end */
	MESSAGE_DELTA,   /* run; rest: text */
	MESSAGE_EVENT,   /* run; text type, text json */
	MESSAGE_FINISH,  /* run; u32 status, texts content (absent: the deltas), error, usage, then
	                     * messages */
	MESSAGE_PONG,    /* nothing */
	MESSAGE_LOG,     /* u32 level, text, str run's id (absent: it is about none) */
	MESSAGE_INPUT,   /* run; texts input, metadata: what a handler says; absent: nothing */
	MESSAGE_EMIT,    /* texts event, json: something has happened */
	MESSAGE_FETCHED, /* from agentd-fetch: rest: what the URL has */
};

/* "messages" is: count, then per message texts role, content, tool_calls, tool_call_id. */

/* Exit codes of agentd-host. */
#define HOST_EXIT_REFUSED 78 /* EX_CONFIG: another try cannot help */
#define HOST_EXIT_FAILED  70 /* EX_SOFTWARE: it said why */
#define HOST_EXIT_NO_EXEC 111

/* File descriptors of agentd-host. */
#define HOST_FD_CHANNEL 3
#define HOST_FD_PLUGIN  4

#endif
