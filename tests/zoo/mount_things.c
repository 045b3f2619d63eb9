/* Tries what only an administrator may do, or what has opened kernels before; with arguments that come
 * to nothing. agentd must refuse all of it. */
#include "animal.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>

static int bite(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	struct report report = { 0 };
	struct io_uring_params ring = { 0 };
	union bpf_attr map = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4 };
	struct perf_event_attr clock = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(clock) };
	int own = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	map.max_entries = 1;
	tried(&report, "mount", mount("none", "/nonexistent", "tmpfs", 0, NULL));
	tried(&report, "umount", umount2("/nonexistent", 0));
	tried(&report, "pivot_root", syscall(SYS_pivot_root, "/nonexistent", "/nonexistent"));
	tried(&report, "chroot", chroot("/nonexistent"));
	tried(&report, "fsopen", syscall(SYS_fsopen, "tmpfs", 0));
	tried(&report, "unshare", unshare(CLONE_NEWUTS));
	tried(&report, "unshare_user", unshare(CLONE_NEWUSER));
	tried(&report, "setns", setns(own, CLONE_NEWUTS));
	tried(&report, "clone3", syscall(SYS_clone3, NULL, 0));
	tried(&report, "bpf", syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof(map)));
	tried(&report, "perf_event_open", syscall(SYS_perf_event_open, &clock, 0, -1, -1, 0));
	tried(&report, "userfaultfd", syscall(SYS_userfaultfd, 1 /* of this process alone */));
	tried(&report, "io_uring_setup", syscall(SYS_io_uring_setup, 1, &ring));
	tried(&report, "keyctl", syscall(SYS_keyctl, 0, -3 /* of this session */, 0));
	tried(&report, "add_key",
	    syscall(SYS_add_key, "user", "zoo", "x", 1, -2 /* of this process */));
	tried(&report, "request_key", syscall(SYS_request_key, "user", "zoo", NULL, 0));
	tried(&report, "init_module", syscall(SYS_init_module, NULL, 0, ""));
	close(own);
	return say(run, report.text);
}

ANIMAL(.open = animal_open, .run = bite);
