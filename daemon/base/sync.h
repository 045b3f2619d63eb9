/*
 * sync: files that must outlast a power cut (fsync(2): that of a file says nothing of its name).
 */
#ifndef AGENTD_BASE_SYNC_H
#define AGENTD_BASE_SYNC_H

/* Waits until a file, given by its whole path, is on the disk, with its name in its folder, and the folder's in
 * the one above. No link is followed, and nothing waited for that is no file. Any thread. 0 or -errno. */
int sync_file(const char *path);

#endif
