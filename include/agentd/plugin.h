/*
 * agentd/plugin.h: all that a plugin needs to know about agentd.
 *
 * A plugin is a shared object that exports exactly one symbol:
 *
 *	const struct agentd_plugin agentd_plugin = { AGENTD_PLUGIN_HEAD, .kind = AGENTD_AGENT, … };
 *
 * Nothing is linked from agentd. What agentd does for a plugin is in `struct agentd_host`, a
 * table of functions handed to `open`; what a plugin does for agentd is in its descriptor.
 * Each plugin runs in a process of its own: it may crash, leak or hang, and costs nobody else.
 * docs/plugins.md walks through a first plugin.
 *
 * Bytes in, bytes out. Whatever is passed, either way, is borrowed for the call: who wants it
 * longer copies it, and neither side ever frees the other's memory. The one shared object is
 * the run, which agentd makes and counts (`ref`, `unref`).
 *
 * Text is UTF-8, pointer and length, not terminated. A sequence cut between two deltas is held
 * together; bytes that are not UTF-8 become U+FFFD.
 *
 * Threads. A plugin is called on one thread, the loop thread, and must not block it. An agent that
 * says AGENTD_BLOCKING has its `run`, and the handlers of its triggers, and nothing else, called on
 * threads of a pool. These may be called from any thread: delta, event, finish, input, metadata,
 * cancelled, ref, unref, log, run_log, emit, submit, sent, respond, spool, edit, decide. Everything
 * else belongs to the loop thread.
 *
 * Errors. Functions return 0, or a negative errno (-EAGAIN, -EALREADY …).
 *
 * Growth. Every struct begins with its size and grows only at its end; arrays carry the size of
 * a row. So a plugin built against any header with this ABI number loads into any agentd with it. What
 * asks for more than an agentd has is refused, and so is another number: by name, never misread.
 */
#ifndef AGENTD_PLUGIN_H
#define AGENTD_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AGENTD_MAGIC 0x746e6761u /* "agnt" */
#define AGENTD_ABI   1u

/* The kinds of plugin. An agent answers; an interface speaks a platform on which people write; a
 * hook looks at what goes from one to the other. */
#define AGENTD_AGENT     1u
#define AGENTD_INTERFACE 2u
#define AGENTD_HOOK      3u

/* Flags of a plugin. Blocking, of an agent: `run`, and a trigger's `handle`, are called on threads of agentd's,
 * several at once (`threads` in agent.conf), and may wait there as they like. */
#define AGENTD_BLOCKING 1u

/* Option types. What each becomes in struct agentd_value stands beside it. */
#define AGENTD_STRING   1u  /* text */
#define AGENTD_INT      2u  /* number */
#define AGENTD_NUMBER   3u  /* real */
#define AGENTD_BOOL     4u  /* number, 0 or 1 */
#define AGENTD_DURATION 5u  /* number, milliseconds: 500ms 30s 5m 2h 1d */
#define AGENTD_SIZE     6u  /* number, bytes: 100 64K 1M 2G */
#define AGENTD_SECRET   7u  /* text; never shown, never logged */
#define AGENTD_LIST     8u  /* items */
#define AGENTD_MAP      9u  /* items: key, value, key, value … */
#define AGENTD_JSON     10u /* text: the value as JSON, whatever its shape */

/* The types of trigger. */
#define AGENTD_WEBHOOK 1u
#define AGENTD_CRON    2u
#define AGENTD_EVENT   3u

/* Flags of a trigger. No auth: anybody may call the webhook. Else it is as http.auth says. */
#define AGENTD_NO_AUTH 1u

/* How a run ended, for agentd_result.status. */
#define AGENTD_DONE      0u
#define AGENTD_FAILED    1u
#define AGENTD_CANCELLED 2u

/* Log levels. */
#define AGENTD_LOG_ERROR 0u
#define AGENTD_LOG_WARN  1u
#define AGENTD_LOG_INFO  2u
#define AGENTD_LOG_DEBUG 3u

/* What `open` and `start` return when `ready` will be called later, `stop` when `stopped` will, and a
 * function of a hook when `decide` will. */
#define AGENTD_PENDING 1
/* What a function of a hook returns, or hands to `decide`: it goes no further. */
#define AGENTD_REFUSE 2

/* The types of attachment. */
#define AGENTD_FILE  0u
#define AGENTD_IMAGE 1u
#define AGENTD_AUDIO 2u
#define AGENTD_VIDEO 3u

/* What became of a reply, for agentd_sent.status. */
#define AGENTD_SENT     0u /* the platform has taken all of it */
#define AGENTD_RETRY    1u /* not now: another try may help */
#define AGENTD_REJECTED 2u /* and no other try will help */

/* What a hook may change, for `edit`. */
#define AGENTD_EDIT_TEXT     1u /* of the message; after the run, of the reply */
#define AGENTD_EDIT_METADATA 2u /* a JSON object, for the run's metadata; before the run */

/* What a watch waits for. */
#define AGENTD_READ  1u
#define AGENTD_WRITE 2u

struct agentd_run;   /* one run, counted by agentd */
struct agentd_call;  /* one call of a hook, until it has decided */
struct agentd_timer; /* owned by the plugin, freed with timer_free */
struct agentd_watch; /* owned by the plugin, freed with watch_free */

struct agentd_text {
	const char *p; /* may be NULL when n is 0 */
	size_t n;      /* bytes */
};

/* One row of a plugin's option table. agentd checks agent.conf against it before `open`. */
struct agentd_option {
	const char *key;
	uint32_t type;
	uint32_t required;    /* 1: the section must name it */
	const char *fallback; /* default, written as in the config; NULL: none */
	const char *choices;  /* for a string, or each item of a list: "a|b|c"; NULL: anything */
	int64_t min, max;     /* bounds of a number, in its unit; both 0: none */
	const char *help;     /* one line */
};

/* One checked option. `set` is 0 if the config does not name it and it has no default. */
struct agentd_value {
	const char *key;
	uint32_t type;
	uint32_t set;
	int64_t number;
	double real;
	struct agentd_text text; /* also terminated with a NUL */
	const struct agentd_text *items;
	size_t count;
};

/* All options of the plugin's table, in its order. Use the agentd_get_* helpers below. */
struct agentd_options {
	uint32_t size;
	uint32_t value_size;
	size_t count;
	const struct agentd_value *values;
};

/* A message of a session, in the order in which they were said. */
struct agentd_message {
	struct agentd_text role; /* user, assistant, tool, system */
	struct agentd_text content;
	struct agentd_text tool_calls;   /* JSON array, or empty */
	struct agentd_text tool_call_id; /* of a tool's answer, or empty */
};

/* A file that goes along with a message or an answer. It is a path or a URL; a URL must hold no
 * secret, since agents hand it to providers of models. */
struct agentd_attachment {
	uint32_t type; /* AGENTD_FILE, AGENTD_IMAGE … */
	uint32_t reserved;
	uint64_t bytes;               /* 0: not known */
	struct agentd_text name;      /* of the file, for people; or empty */
	struct agentd_text mime_type; /* "image/jpeg" (RFC 6838); or empty */
	struct agentd_text path;      /* absolute, of this machine; or empty */
	struct agentd_text url;       /* http or https; or empty */
};

struct agentd_request {
	uint32_t size;
	uint32_t attempt;     /* 1, or more when an earlier attempt died with its process */
	uint64_t deadline_ms; /* on the clock of now_ms; agentd ends the run then */
	struct agentd_text run_id;
	struct agentd_text input;
	struct agentd_text session_id;
	struct agentd_text user_id;  /* empty: nobody in particular */
	struct agentd_text claims;   /* JSON object: what auth found about the user, or empty */
	struct agentd_text source;   /* http, cron(…), POST /path, interface NAME … */
	struct agentd_text trigger;  /* name of the plugin's own trigger, or empty */
	struct agentd_text metadata; /* JSON object given by the caller, or the handler, or empty */
	struct agentd_text
	    traceparent; /* of the caller, to be passed on (W3C Trace Context), or empty */
	const struct agentd_message *history; /* earlier messages of the session */
	size_t history_count;
	size_t message_size; /* bytes from one message to the next */
	/* What came with the input. Files of paths are there until the run is over. */
	const struct agentd_attachment *attachments;
	size_t attachment_count;
	size_t attachment_size; /* bytes from one attachment to the next */
	/* A folder for the files of the answer, which goes once they have been delivered. Empty: this
	 * run can have none. */
	struct agentd_text spool;
};

struct agentd_result {
	uint32_t size;              /* sizeof(struct agentd_result) */
	uint32_t status;            /* AGENTD_DONE, AGENTD_FAILED or AGENTD_CANCELLED */
	struct agentd_text content; /* the answer; p == NULL: what the deltas said */
	struct agentd_text error;   /* of a failed run: one line for the caller */
	struct agentd_text usage;   /* JSON object, or empty */
	/* What the session remembers of this run after the user's input. None: the content, as
	 * one message of the assistant. */
	const struct agentd_message *messages;
	size_t message_count;
	size_t message_size; /* sizeof(struct agentd_message) */
	/* Files of the answer: URLs, or paths in the request's `spool`. */
	const struct agentd_attachment *attachments;
	size_t attachment_count;
	size_t attachment_size; /* sizeof(struct agentd_attachment) */
};

/* What came to one of the plugin's triggers. */
struct agentd_event {
	uint32_t size;
	uint32_t reserved;
	struct agentd_text trigger;   /* name of the trigger */
	struct agentd_text source;    /* POST /path, event(NAME), cron(…) */
	struct agentd_text timestamp; /* when it came, RFC 3339, UTC */
	struct agentd_text
	    body; /* JSON: an object, or what else a webhook was sent; {} if nothing */
	struct agentd_text raw; /* of a webhook: the body's bytes as they came */
	/* JSON object: the webhook's headers, names in lower case; several of one name are one, with
	 * ", " between them. Without the credentials that agentd itself has checked. */
	struct agentd_text headers;
};

/*
 * A trigger: what makes runs without anybody asking the agent. agent.conf may tune each, under
 * `agents.NAME.triggers.NAME`, with the keys that its own triggers of that kind have.
 *
 * What came is the first thing of a run: `handle` says what the agent is told, with host->input, or
 * does all that there is to do itself. 0: with an input `run` is called with it; without one the run
 * has succeeded, with nothing to say, unless `handle` has called finish. Anything else: the run fails.
 * If the process dies, and the run is one that is tried again, `handle` is called again.
 *
 * It is called where `run` is, and must not block if that must not; `cancel` may be called beside it.
 * What it is given is there until it returns; the run may be used as in `run`.
 */
struct agentd_trigger {
	uint32_t type;        /* AGENTD_WEBHOOK, AGENTD_CRON or AGENTD_EVENT */
	uint32_t flags;       /* AGENTD_NO_AUTH, or 0 */
	const char *name;     /* letters, digits, _ and - */
	const char *path;     /* webhook: "/github" */
	const char *method;   /* webhook; NULL: POST */
	const char *schedule; /* cron: "0 9 * * MON-FRI" */
	const char *zone;     /* cron: "Europe/Berlin"; NULL: UTC */
	const char *event;    /* event: which; NULL: the trigger's name */
	const char *session;  /* a template, as in agent.conf; NULL: a new session each time */
	int (*handle)(void *self, struct agentd_run *run, const struct agentd_event *event);
};

/* A message that came in on a platform: an interface's `submit`. */
struct agentd_incoming {
	uint32_t size; /* sizeof(struct agentd_incoming) */
	uint32_t reserved;
	/* What the platform gives to no other message, such as the id of its update: a message whose
	 * key is known is dropped. At most 256 bytes, as all ids and names here. */
	struct agentd_text key;
	struct agentd_text user_id; /* who wrote it, as the platform knows them */
	/* As people know them; or empty. With an @ in front ("@ann") it is one that the platform gives
	 * to nobody else, and may be what an allowlist knows them by. */
	struct agentd_text user_name;
	struct agentd_text chat_id;    /* where it was written, and where the answer goes */
	struct agentd_text message_id; /* what the answer refers to; or empty */
	struct agentd_text reply_to;   /* id of the message that it answers; or empty */
	struct agentd_text text;       /* may be empty if there are attachments */
	struct agentd_text raw;        /* JSON, as the platform sent it; or empty */
	/* Paths are those of `spool`: agentd takes the files over. */
	const struct agentd_attachment *attachments;
	size_t attachment_count;
	size_t attachment_size; /* sizeof(struct agentd_attachment) */
};

/* What an interface is to send. */
struct agentd_reply {
	uint32_t size;
	uint32_t parts; /* that the platform has taken in an earlier try: begin behind them */
	uint64_t id;    /* for `sent` */
	struct agentd_text chat_id;
	struct agentd_text reply_to; /* id of the message that it answers; or empty */
	struct agentd_text text;     /* of any length: how it is cut is the platform's affair */
	const struct agentd_attachment *attachments;
	size_t attachment_count;
	size_t attachment_size; /* bytes from one attachment to the next */
};

/* What became of it. */
struct agentd_sent {
	uint32_t size;     /* sizeof(struct agentd_sent) */
	uint32_t status;   /* AGENTD_SENT, AGENTD_RETRY or AGENTD_REJECTED */
	uint32_t parts;    /* of those that are not sent: how many parts the platform has taken */
	uint32_t reserved; /* 0 */
	/* Not before, as the platform says; 0: agentd decides, and counts it as one of max_attempts. With it, a try is not
	 * counted, however often it is said. At most a day at a time. */
	uint64_t retry_after_ms;
	struct agentd_text error; /* one line for operators, without secrets */
};

/* A request to one of an interface's paths. */
struct agentd_http_request {
	uint32_t size;
	uint32_t reserved;
	uint64_t id; /* for `respond` */
	struct agentd_text method, path;
	struct agentd_text query;   /* behind the ?, as it came; or empty */
	struct agentd_text headers; /* JSON object, names in lower case */
	struct agentd_text body;
};

/* What a hook sees. In on_message there is no user and no session yet; a reply is there after the
 * run, an error in on_error. */
struct agentd_exchange {
	uint32_t size;
	uint32_t reserved;
	struct agentd_text interface, platform,
	    agent; /* names; the platform is its plugin's name */
	const struct agentd_incoming *message;
	struct agentd_text user_id, session_id, run_id;
	struct agentd_text reply;
	struct agentd_text error;
};

/*
 * What agentd does for a plugin. The table lives as long as the process. Before using a member
 * that is newer than the oldest agentd you support, ask AGENTD_HAS(host, member).
 */
struct agentd_host {
	uint32_t size;
	uint32_t abi;
	const char *name; /* the instance's name in agent.conf */

	/* Any thread. One line for the log; printf's format. */
	void (*log)(const struct agentd_host *host, uint32_t level, const char *format, ...)
#if defined(__GNUC__)
	    __attribute__((format(printf, 3, 4)))
#endif
	    ;

	/* Readiness, when `open` returned AGENTD_PENDING. */
	void (*ready)(const struct agentd_host *host);
	/* Ends this process. fail: agentd starts it again after a delay. fatal: another try
	 * cannot help (refused credentials, bad settings), so it stays down until somebody
	 * changes something. Neither returns. Of a reason of several lines the first is shown to
	 * whoever may use the plugin, the others to admins and in the log. */
	void (*fail)(const struct agentd_host *host, const char *reason);
	void (*fatal)(const struct agentd_host *host, const char *reason);

	/*
	 * Any thread. Text to stream. -EAGAIN: the reader is slow; keep the text and wait for
	 * `writable`. A thread of a blocking plugin waits here instead, and gets -ECANCELED if
	 * the run is cancelled meanwhile. -EMSGSIZE: more than a delta may have (64 KiB).
	 * -EALREADY: the run is finished.
	 */
	int (*delta)(struct agentd_run *run, struct agentd_text text);
	/* Any thread. Something to report: a type ("tool_call") and a JSON object. Errors as
	 * for delta, and -ENOSPC past the number of events that a run may have. */
	int (*event)(struct agentd_run *run, const char *type, struct agentd_text json);
	/* Any thread. Ends the run: once, and never refused for want of space. -EALREADY: it is
	 * finished already. -EMSGSIZE: the content is too long; -E2BIG: the result says more than this
	 * agentd knows; the run has failed with that as its error. */
	int (*finish)(struct agentd_run *run, const struct agentd_result *result);
	/* Any thread. 1 once agentd has asked for the run to be cancelled. */
	int (*cancelled)(const struct agentd_run *run);
	/* Any thread. A run passed to `run` may be used until it is finished; who keeps it
	 * longer takes a reference. */
	struct agentd_run *(*ref)(struct agentd_run *run);
	void (*unref)(struct agentd_run *run);

	/* The loop. Milliseconds on the monotonic clock. */
	uint64_t (*now_ms)(const struct agentd_host *host);
	/* A timer is made asleep; set wakes it once, after a while; clear puts it to sleep. */
	struct agentd_timer *(*timer_new)(
	    const struct agentd_host *host, void (*fn)(void *arg), void *arg);
	int (*timer_set)(struct agentd_timer *timer, uint64_t after_ms);
	void (*timer_clear)(struct agentd_timer *timer);
	void (*timer_free)(struct agentd_timer *timer);
	/* A watch calls fn while fd is ready for what `watch_set` names (0: nothing). The fd stays
	 * the plugin's; free the watch before closing it. */
	struct agentd_watch *(*watch_new)(const struct agentd_host *host, int fd,
	    void (*fn)(void *arg, uint32_t what), void *arg);
	int (*watch_set)(struct agentd_watch *watch, uint32_t what);
	void (*watch_free)(struct agentd_watch *watch);

	/* Any thread. A line for the log that bears the run's id, as `log` does inside `run`. */
	void (*run_log)(struct agentd_run *run, uint32_t level, const char *format, ...)
#if defined(__GNUC__)
	    __attribute__((format(printf, 3, 4)))
#endif
	    ;

	/* Any thread, while a trigger's `handle` is in its call. Both copy; the last call counts.
	 * input: what the agent is told, and what the session remembers of it. metadata: a JSON object
	 * for the request's metadata. -EINVAL: empty; -EMSGSIZE: more than 16 MiB, or than an event
	 * may have; -EALREADY: not in `handle`, or the run is finished. */
	int (*input)(struct agentd_run *run, struct agentd_text text);
	int (*metadata)(struct agentd_run *run, struct agentd_text json);

	/*
	 * Any thread, from `open` on. Something has happened: each trigger that waits for the event,
	 * of agent.conf or of whatever plugin, makes a run, which is nobody's in particular. The body is
	 * any JSON: what is no object becomes {"data": …}, nothing an empty object. 0: it is handed
	 * over; nobody need wait for it, and what becomes of it is in the log, if it is nothing.
	 * -EINVAL: no name as triggers have; -EMSGSIZE: more than an event may have (64 KiB); -EAGAIN:
	 * 64 of this process are on their way into the store: try again later.
	 */
	int (*emit)(const struct agentd_host *host, const char *event, struct agentd_text json);

	/* Ends this process, which has nothing more to do: it is not started again. For interfaces
	 * whose other side has an end. Does not return. */
	void (*done)(const struct agentd_host *host, const char *reason);

	/*
	 * Of interfaces. Any thread, from `start` on. A message that came in. `done` is called once, on
	 * the loop thread. 0: it is in the store, or has been before, so it may be confirmed to the
	 * platform. Negative: it is not; leave it with the platform, and submit it again.
	 * What submit itself returns: 0, and `done` follows; -EINVAL: no key, user or chat, or nothing
	 * said, or a path that is not from `spool`, or no file; -EMSGSIZE: more than 256 KiB; -EAGAIN: 256
	 * messages are on their way into the store; -E2BIG: it says more than this agentd knows; else its
	 * files cannot be written to the disk (fsync(2), which this waits for).
	 */
	int (*submit)(const struct agentd_host *host, const struct agentd_incoming *message,
	    void (*done)(void *arg, int error), void *arg);
	/* Any thread. What became of a reply, once for each `send` that returned 0. -EALREADY: that
	 * has been said. */
	int (*sent)(const struct agentd_host *host, uint64_t reply, const struct agentd_sent *sent);
	/* Any thread. Answers a request to `http`. -EALREADY: it has been answered, or nobody waits
	 * any more; -EINVAL: no status that there is. */
	int (*respond)(const struct agentd_host *host, uint64_t request, uint32_t status,
	    const char *content_type, struct agentd_text body);
	/* Any thread. The path of a new file in this interface's spool folder, which is for the caller
	 * to make, and agentd's once it is in a message: at most 32 MiB. Files of other names that a plugin
	 * makes in that folder are its own, and outlive it. -ENOSPC: `size` is too small. */
	int (*spool)(const struct agentd_host *host, char *path, size_t size);
	/* Nothing more will be submitted, when `stop` returned AGENTD_PENDING. */
	void (*stopped)(const struct agentd_host *host);

	/* Of hooks. Any thread, from the call of its function until it has decided. Changes what goes
	 * on: `what` is AGENTD_EDIT_TEXT or _METADATA. The last counts. -EMSGSIZE: more than 256 KiB. */
	int (*edit)(struct agentd_call *call, uint32_t what, struct agentd_text text);
	/* Any thread, when the function returned AGENTD_PENDING: 0, AGENTD_REFUSE, or negative. The
	 * call is over, and its pointer no longer valid. */
	void (*decide)(struct agentd_call *call, int verdict);

	/* As fail; and agentd does not start it again before so many milliseconds, a day at most, have
	 * passed: for a platform that says when to come back. */
	void (*fail_for)(const struct agentd_host *host, const char *reason, uint64_t after_ms);
};

#define AGENTD_HAS(host, member) \
	((host)->size >= offsetof(struct agentd_host, member) + sizeof((host)->member))

/* What an agent does for agentd. All on the loop thread, where none may block; `run` of a blocking
 * agent is called on other threads, and `cancel` beside it. */
struct agentd_agent_ops {
	uint32_t size; /* sizeof(struct agentd_agent_ops) */
	uint32_t reserved;
	/* 0: ready. AGENTD_PENDING: `ready` will follow. Negative: failed, tried again later. */
	int (*open)(
	    const struct agentd_host *host, const struct agentd_options *options, void **ret_self);
	/*
	 * Begins a run and returns. 0 promises exactly one `finish`, which may come before the
	 * return, or later, from any thread. Anything else: agentd ends the run as failed. What
	 * `request` points to is there until the return.
	 */
	int (*run)(void *self, struct agentd_run *run, const struct agentd_request *request);
	/* Optional. The run is no longer wanted: finish it soon, as AGENTD_CANCELLED. */
	void (*cancel)(void *self, struct agentd_run *run);
	/* Optional. After -EAGAIN: there is room again. */
	void (*writable)(void *self, struct agentd_run *run);
	/* Optional. The last call; the process ends after it. */
	void (*close)(void *self);
};

/*
 * What an interface does for agentd. All on the loop thread, where none may block.
 *
 * It turns what its platform says into messages, and agentd's replies into what its platform
 * understands. Who may write, whose message it is, in which session, one after another, retries: all
 * that is agentd's. A message is confirmed to the platform when `submit` has said that it is stored;
 * a reply is done when the platform has taken it.
 */
struct agentd_interface_ops {
	uint32_t size; /* sizeof(struct agentd_interface_ops) */
	uint32_t reserved;
	/* 0, or negative: failed, tried again later. AGENTD_PENDING is for `start`. */
	int (*open)(
	    const struct agentd_host *host, const struct agentd_options *options, void **ret_self);
	/* Begin to receive. 0: ready. AGENTD_PENDING: `ready` will follow. Negative: failed, tried
	 * again later; host->fatal if that cannot help. */
	int (*start)(void *self);
	/* Receive no more; replies may still come. 0: all that came is submitted. AGENTD_PENDING:
	 * something is on its way that nobody else would give again; host->stopped will follow, and
	 * the process ends after it, or within `supervision.drain`. It may be called before `ready`. */
	int (*stop)(void *self);
	/* Sends a reply; what it points to is there until the return. 0 promises one host->sent, now
	 * or later, within two minutes; negative: as sent, to be tried again. Of one chat the next
	 * reply comes when that before is done; of several chats many at once. */
	int (*send)(void *self, const struct agentd_reply *reply);
	/* Optional. An answer in that chat is being worked on; again every four seconds. */
	void (*typing)(void *self, struct agentd_text chat_id);
	/* Of who has paths. 0 promises one host->respond; what `request` points to is there until the
	 * return. Negative: 503. */
	int (*http)(void *self, const struct agentd_http_request *request);
	/* Optional. The last call; the process ends after it. */
	void (*close)(void *self);
};

/* A path on agentd's own listener, for platforms that push. No auth is asked of who calls it: how the
 * platform proves itself is the interface's affair. */
struct agentd_path {
	const char *method;
	const char *path; /* "/hook"; or "$KEY": what that option of the plugin says */
	const char *when; /* "mode=webhook": only if that option says so; NULL: always */
};

/* What a hook does for agentd: any of the four. Each returns 0 (go on), AGENTD_REFUSE, AGENTD_PENDING
 * (host->decide will follow, within ten seconds), or something negative: the message has failed, and is
 * answered with the interface's error_message. What `exchange` points to is there until the return. */
struct agentd_hook_ops {
	uint32_t size; /* sizeof(struct agentd_hook_ops) */
	uint32_t reserved;
	int (*open)(
	    const struct agentd_host *host, const struct agentd_options *options, void **ret_self);
	/* A message of somebody who may write. Refused: it is not answered. */
	int (*on_message)(
	    void *self, struct agentd_call *call, const struct agentd_exchange *exchange);
	/* Its run is about to be made, and may be changed. Refused: it is not answered. */
	int (*before_run)(
	    void *self, struct agentd_call *call, const struct agentd_exchange *exchange);
	/* The reply is about to be sent, and may be changed. Refused: it is not sent. */
	int (*after_run)(
	    void *self, struct agentd_call *call, const struct agentd_exchange *exchange);
	/* Its run has failed, or a hook has. What is returned does not matter. */
	int (*on_error)(
	    void *self, struct agentd_call *call, const struct agentd_exchange *exchange);
	void (*close)(void *self);
};

/* The descriptor. Its first twelve bytes stay as they are for ever. */
struct agentd_plugin {
	uint32_t magic;
	uint32_t abi;
	uint32_t size;
	uint32_t option_size;
	uint32_t kind;
	uint32_t flags; /* AGENTD_BLOCKING, or 0 */
	const char *name;
	const char *version;
	const char *summary; /* one line */
	const struct agentd_option *options;
	size_t option_count;
	const struct agentd_agent_ops *agent;
	const struct agentd_trigger *triggers; /* use AGENTD_TRIGGERS for these three */
	size_t trigger_count;
	size_t trigger_size;
	const struct agentd_interface_ops *interface;
	const struct agentd_path *paths; /* use AGENTD_PATHS for these three */
	size_t path_count;
	size_t path_size;
	const struct agentd_hook_ops *hook;
};

#define AGENTD_PLUGIN_HEAD                                                              \
	.magic = AGENTD_MAGIC, .abi = AGENTD_ABI, .size = sizeof(struct agentd_plugin), \
	.option_size = sizeof(struct agentd_option)

/* An array of triggers. Not in the head, so that a plugin without any asks nothing new of agentd. */
#define AGENTD_TRIGGERS(rows)                                                  \
	.triggers = (rows), .trigger_count = sizeof(rows) / sizeof((rows)[0]), \
	.trigger_size = sizeof((rows)[0])

#define AGENTD_PATHS(rows)                                               \
	.paths = (rows), .path_count = sizeof(rows) / sizeof((rows)[0]), \
	.path_size = sizeof((rows)[0])

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
extern const struct agentd_plugin agentd_plugin;

/* Helpers, compiled into the plugin. */

static inline struct agentd_text agentd_text(const char *p, size_t n)
{
	struct agentd_text text = { p, n };
	return text;
}

/* The value of an option of the plugin's own table; NULL if the table has no such key. */
static inline const struct agentd_value *agentd_get(
    const struct agentd_options *options, const char *key)
{
	for (size_t i = 0; i < options->count; i++) {
		const struct agentd_value *value =
		    (const struct agentd_value *)(const void *)((const char *)options->values +
								i * options->value_size);
		const char *a = value->key, *b = key;
		while (*a && *a == *b)
			a++, b++;
		if (*a == *b)
			return value;
	}
	return NULL;
}

/* int, bool, duration (ms), size (bytes); 0 when not set. */
static inline int64_t agentd_get_int(const struct agentd_options *options, const char *key)
{
	const struct agentd_value *value = agentd_get(options, key);
	return value ? value->number : 0;
}

static inline double agentd_get_number(const struct agentd_options *options, const char *key)
{
	const struct agentd_value *value = agentd_get(options, key);
	return value ? value->real : 0;
}

/* string, secret, json: terminated, valid during `open`; NULL when not set. */
static inline const char *agentd_get_text(const struct agentd_options *options, const char *key)
{
	const struct agentd_value *value = agentd_get(options, key);
	return value && value->set ? value->text.p : NULL;
}

#ifdef __cplusplus
}
#endif

#endif
