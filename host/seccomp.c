/*
 * seccomp: a list of what fails. A list of what is allowed would break programs that agents are
 * made of with every new libc; what is listed here is what reaches other processes, the kernel or
 * more rights, and what would go round the list.
 */
#include <asm/sockios.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/sandbox.h"

/* Other processes, whoever they are. LeakSanitizer needs ptrace, on its own process. */
static const int others[] = {
#ifndef __SANITIZE_ADDRESS__
	SCMP_SYS(ptrace),
#endif
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise),
	SCMP_SYS(process_mrelease),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp),
	SCMP_SYS(migrate_pages),
	SCMP_SYS(move_pages),
	/* A pidfd names a process that no rule can see. */
	SCMP_SYS(pidfd_send_signal),
};

/* The machine: mounts, modules, clocks, keys, tracing. Most need capabilities that are gone. */
static const int machine[] = {
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount),
	SCMP_SYS(fspick),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(acct),
	SCMP_SYS(quotactl),
	SCMP_SYS(syslog),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
	SCMP_SYS(vhangup),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(fanotify_init),
	SCMP_SYS(lookup_dcookie),
	SCMP_SYS(nfsservctl),
	SCMP_SYS(uselib),
	/* Its operations are system calls that a filter does not see. */
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
};

/* Calls whose first argument is the process that they change, or any thread of it. */
static const int on_process[] = {
	SCMP_SYS(kill),
	SCMP_SYS(tkill),
	SCMP_SYS(tgkill),
	SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo),
	SCMP_SYS(prlimit64),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(sched_setaffinity),
	SCMP_SYS(sched_setscheduler),
	SCMP_SYS(sched_setparam),
	SCMP_SYS(sched_setattr),
};

/* Calls that name by their first argument what the second is: a process, or (refused altogether) a
 * group or a user, to whom the daemon belongs, too. */
static const struct {
	int call, process, group, user;
} on_which[] = {
	{ SCMP_SYS(setpriority), PRIO_PROCESS, PRIO_PGRP, PRIO_USER },
	{ SCMP_SYS(ioprio_set), 1, 2, 3 }, /* IOPRIO_WHO_… of <linux/ioprio.h> */
};

/* What has the kernel send signals to whom it names. */
static const unsigned owner_commands[] = { F_SETOWN, F_SETOWN_EX };
static const unsigned owner_requests[] = { FIOSETOWN, SIOCSPGRP };

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* A call that this kernel or processor does not have needs no rule. */
static int refuse(scmp_filter_ctx ctx, int call, unsigned count, const struct scmp_arg_cmp *args)
{
	int error = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), call, count, args);
	return error == -EDOM || error == -EFAULT ? 0 : error;
}

static int refuse_all(scmp_filter_ctx ctx, const int *calls, size_t count)
{
	int error = 0;
	for (size_t i = 0; error == 0 && i < count; i++)
		error = refuse(ctx, calls[i], 0, NULL);
	return error;
}

/* pid_t is 32 bits, the rest of the register is whatever it is. */
static struct scmp_arg_cmp arg_is(unsigned arg, int32_t value)
{
	return (struct scmp_arg_cmp){ .arg = arg,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = UINT32_MAX,
		.datum_b = (uint32_t)value };
}

/* One thread of the daemon. */
static int guard_thread(scmp_filter_ctx ctx, pid_t id)
{
	int error = 0;
	for (size_t i = 0; error == 0 && i < COUNT(on_process); i++) {
		struct scmp_arg_cmp is_thread = arg_is(0, id);
		error = refuse(ctx, on_process[i], 1, &is_thread);
	}
	for (size_t i = 0; error == 0 && i < COUNT(on_which); i++) {
		struct scmp_arg_cmp one[] = { arg_is(0, on_which[i].process), arg_is(1, id) };
		error = refuse(ctx, on_which[i].call, 2, one);
	}
	return error;
}

/* A limit of 0 is death to another process, and no list has all that are worth guarding: so whoever has limits to
 * set sets its own, as setrlimit does. To look at those of others does no harm. */
static int guard_limits(scmp_filter_ctx ctx)
{
	struct scmp_arg_cmp of_other[] = {
		{ .arg = 0, .op = SCMP_CMP_NE, .datum_a = 0 },
		{ .arg = 2, .op = SCMP_CMP_NE, .datum_a = 0 },
	};
	return refuse(ctx, SCMP_SYS(prlimit64), 2, of_other);
}

/* The daemon, its process group, and everybody. */
static int guard_daemon(scmp_filter_ctx ctx, const struct sandbox *sandbox, pid_t group)
{
	int error = guard_thread(ctx, sandbox->daemon);
	for (size_t i = 0; error == 0 && i < sandbox->thread_count; i++)
		error = guard_thread(ctx, sandbox->threads[i]);
	for (size_t i = 0; error == 0 && i < COUNT(on_which); i++) {
		struct scmp_arg_cmp of_group = arg_is(0, on_which[i].group);
		struct scmp_arg_cmp of_user = arg_is(0, on_which[i].user);
		error = refuse(ctx, on_which[i].call, 1, &of_group);
		if (error == 0)
			error = refuse(ctx, on_which[i].call, 1, &of_user);
	}
	for (size_t i = 0; error == 0 && i < COUNT(owner_commands); i++) {
		struct scmp_arg_cmp is_command = arg_is(1, (int32_t)owner_commands[i]);
		struct scmp_arg_cmp is_request = arg_is(1, (int32_t)owner_requests[i]);
		error = refuse(ctx, SCMP_SYS(fcntl), 1, &is_command);
		if (error == 0)
			error = refuse(ctx, SCMP_SYS(ioctl), 1, &is_request);
	}
	struct scmp_arg_cmp is_all = arg_is(0, -1), is_group = arg_is(0, -group);
	if (error == 0)
		error = refuse(ctx, SCMP_SYS(kill), 1, &is_all);
	if (error == 0)
		error = refuse(ctx, SCMP_SYS(kill), 1, &is_group);
	return error;
}

/* Flags of clone that would make namespaces, in which rights can be had again. clone3 hides its flags
 * behind a pointer; without it libc uses clone. */
static int guard_namespaces(scmp_filter_ctx ctx)
{
	static const int flags[] = { CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
		CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET };
	int error = 0;
	for (size_t i = 0; error == 0 && i < COUNT(flags); i++) {
		struct scmp_arg_cmp has = { .arg = 0,
			.op = SCMP_CMP_MASKED_EQ,
			.datum_a = (uint32_t)flags[i],
			.datum_b = (uint32_t)flags[i] };
		error = refuse(ctx, SCMP_SYS(clone), 1, &has);
	}
	if (error == 0)
		error = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return error;
}

/* What would undo the sandbox, or type on somebody's terminal. */
static int guard_sandbox(scmp_filter_ctx ctx)
{
	struct scmp_arg_cmp outlive[] = { arg_is(0, PR_SET_PDEATHSIG), arg_is(1, 0) };
	struct scmp_arg_cmp let_go[] = { arg_is(0, PR_SET_CHILD_SUBREAPER), arg_is(1, 0) };
	struct scmp_arg_cmp type = arg_is(1, TIOCSTI), paste = arg_is(1, TIOCLINUX);
	int error = refuse(ctx, SCMP_SYS(prctl), 2, outlive);
	if (error == 0)
		error = refuse(ctx, SCMP_SYS(prctl), 2, let_go);
	if (error == 0)
		error = refuse(ctx, SCMP_SYS(ioctl), 1, &type);
	if (error == 0)
		error = refuse(ctx, SCMP_SYS(ioctl), 1, &paste);
	return error;
}

int sandbox_filter_calls(const struct sandbox *sandbox)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (!ctx)
		return -ENOMEM;
	int error = refuse_all(ctx, others, COUNT(others));
	if (error == 0)
		error = refuse_all(ctx, machine, COUNT(machine));
	if (error == 0)
		error = guard_daemon(ctx, sandbox, getpgid(sandbox->daemon));
	if (error == 0)
		error = guard_limits(ctx);
	if (error == 0)
		error = guard_namespaces(ctx);
	if (error == 0)
		error = guard_sandbox(ctx);
	if (error == 0 && !sandbox->unix_sockets) {
		struct scmp_arg_cmp is_unix = arg_is(0, AF_UNIX);
		error = seccomp_rule_add_array(
		    ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1, &is_unix);
	}
	/* Landlock learned of this call with its third ABI only. */
	if (error == 0 && sandbox->hidden_count && !sandbox->files && sandbox_landlock_abi() < 3)
		error = refuse(ctx, SCMP_SYS(truncate), 0, NULL);
	if (error == 0)
		error = seccomp_load(ctx);
	seccomp_release(ctx);
	return error;
}
