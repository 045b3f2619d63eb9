/* recover: what was going on when agentd ended is begun again, or ended. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/run/agent.h"
#include "daemon/run/attachment.h"
#include "daemon/run/event_log.h"
#include "daemon/run/internal.h"
#include "daemon/run/spool.h"

#define ATTEMPTS_MAX \
	3 /* after so many a run is not begun again; the last life may have made one more */

struct recovery {
	struct runs *runs; /* borrowed */
	struct runs_recovery setup;
	size_t left; /* to be written down */
	struct runs_recovered result;
};

static void recovery_check(struct recovery *recovery)
{
	if (--recovery->left)
		return;
	recovery->setup.done(recovery->setup.arg, &recovery->result);
	free(recovery);
}

/* The files of one folder. */
struct looking {
	const char *folder;
	bool found_all;
};

static void look_at(void *arg, const char *path, uint64_t bytes)
{
	struct looking *looking = arg;
	size_t n = strlen(looking->folder);
	struct stat file;
	if (strncmp(path, looking->folder, n) != 0 || path[n] != '/')
		return; /* of an interface, which may not know how large its files are */
	if (lstat(path, &file) < 0 || !S_ISREG(file.st_mode) || (uint64_t)file.st_size != bytes)
		looking->found_all = false;
}

/* They were on the disk before the run was accepted; but files can be removed, or changed, by others. */
static bool has_its_files(struct recovery *recovery, const struct store_run *record)
{
	const struct spool *spool = recovery->runs->spool;
	char *folder = spool && record->attachments.n ? spool_of_run(spool, record->id) : NULL;
	struct looking looking = { .folder = folder, .found_all = true };
	if (folder)
		attachments_paths(record->attachments, look_at, &looking);
	free(folder);
	return looking.found_all;
}

static int resume(struct recovery *recovery, const struct store_run *record, struct agent *agent)
{
	char *claims = record->claims.p ? strndup(record->claims.p, record->claims.n) : NULL;
	struct run_request request = {
		.agent = agent,
		.input = record->input,
		.session_id = record->session_id,
		.user_id = record->user,
		.claims = claims,
		.reach = record->reach,
		.source = record->source,
		.trigger = record->trigger,
		.metadata = record->metadata,
		.attachments = record->attachments,
		.timeout_ms = record->timeout_ms,
		.history = record->history,
		.durable = true,
		.id = record->id,
		.attempt = record->attempts + 1,
		.created_wall_ms = record->created_wall_ms,
	};
	struct run *run;
	enum run_code code = run_create(recovery->runs, &request, &run);
	free(claims);
	if (code != RUN_OK)
		return -ENOMEM;
	run->is_recorded = true;
	run_start(run);
	run_unref(run);
	recovery->result.resumed++;
	return 0;
}

static void on_interrupted(void *arg, int error)
{
	struct recovery *recovery = arg;
	if (error < 0)
		recovery->result.error = error;
	recovery_check(recovery);
}

static void interrupt(struct recovery *recovery, const struct store_run *record, const char *why)
{
	struct store_run ended = *record;
	struct run_event event = { .type = RUN_EVENT_ENDED,
		.id = record->attempts ? record->attempts * EVENT_GAP : 1 };
	struct buf log = { 0 };
	event_log_add(&log, &event);
	ended.status = RUN_FAILED;
	ended.code = run_code_name(RUN_INTERRUPTED);
	ended.error = (struct frame_text){ why, strlen(why) };
	ended.finished_wall_ms = clock_wall_ms();
	ended.events = (struct frame_text){ log.data, log.length };
	recovery->result.interrupted++;
	recovery->left++;
	if (recovery->runs->spool)
		spool_remove_run(recovery->runs->spool, record->id);
	store_run_finish(
	    records_store(runs_records(recovery->runs)), &ended, on_interrupted, recovery);
	buf_done(&log);
}

static void on_unfinished(
    void *arg, int error, const struct store_run *records, size_t count, const char *next)
{
	(void)next;
	struct recovery *recovery = arg;
	recovery->result.error = error;
	for (size_t i = 0; i < count; i++) {
		const struct store_run *record = &records[i];
		struct agent *agent = recovery->setup.find(recovery->setup.arg, record->agent);
		if (!record->durable)
			interrupt(recovery, record, "agentd ended while it was going on");
		else if (record->attempts >= ATTEMPTS_MAX)
			interrupt(recovery, record,
			    "agentd ended while it was going on, and it has had three attempts");
		else if (!agent)
			interrupt(recovery, record, "agentd has no such agent any more");
		else if (!has_its_files(recovery, record))
			interrupt(recovery, record,
			    "agentd ended while it was going on, and a file that came with it is "
			    "gone");
		else if ((error = resume(recovery, record, agent)) < 0)
			recovery->result.error = error;
	}
	recovery_check(recovery);
}

void runs_recover(struct runs *runs, const struct runs_recovery *setup)
{
	struct recovery *recovery = calloc(1, sizeof(*recovery));
	if (!recovery) {
		setup->done(setup->arg, &(struct runs_recovered){ .error = -ENOMEM });
		return;
	}
	*recovery = (struct recovery){ .runs = runs, .setup = *setup, .left = 1 };
	store_runs_unfinished(records_store(runs_records(runs)), on_unfinished, recovery);
}
