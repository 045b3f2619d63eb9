/*
 * spool: the folder of attachments that are files. An interface has a folder in it, "in-NAME", for
 * what comes in, and a run one of its id: for the files that came with its request, and for those of its
 * answer, which its agent makes.
 *
 * The names of files that come in are ids (host->spool). What has another name in an interface's folder is
 * the plugin's own, and is left alone.
 *
 * What belongs to something that is over is removed with it; what a crash has left, by the sweep: a file
 * that is older than everything that still goes on belongs to nothing.
 */
#ifndef AGENTD_RUN_SPOOL_H
#define AGENTD_RUN_SPOOL_H

#include <stddef.h>
#include <stdint.h>

struct spool;

/* Makes the folder, if it is not there. 0 or -errno. */
int spool_new(const char *path, struct spool **ret);
void spool_free(struct spool *spool);
/* The folder of a run; of an interface, which is made. On the heap, the caller's; NULL: memory is out, or
 * it cannot be made. */
char *spool_of_run(const struct spool *spool, const char *run_id);
char *spool_of_interface(const struct spool *spool, const char *name);
/* Makes a file in the folder of a run, which is made if it is not there. *ret_path is on the heap. 0 or
 * -errno. */
int spool_add(const struct spool *spool, const char *run_id, const char *name, const void *bytes,
    size_t n, char **ret_path);
/* Removes a file by its path, if it lies in a folder of the spool. */
void spool_remove_file(const struct spool *spool, const char *path);
/* Removes a run's folder, if there is one, with what is in it. */
void spool_remove_run(const struct spool *spool, const char *run_id);
/* Removes all files of folders that were last changed before then, but for the plugins' own. */
void spool_sweep(const struct spool *spool, uint64_t before_wall_ms);

#endif
