/* doctor: the machine: plugins' files, the kernel, limits, time zones. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "ctl/doctor.h"

#ifndef AGENTD_PLUGINDIR
#define AGENTD_PLUGINDIR "/usr/lib/agentd/plugins"
#endif

#define FILES_ENOUGH 4096 /* descriptors: some for each connection and each process */

/* A folder with the sticky bit (/tmp) protects what is in it. */
static bool is_open_to_others(const struct stat *st)
{
	if (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX))
		return false;
	return (st->st_mode & S_IWOTH) || ((st->st_mode & S_IWGRP) && st->st_gid != 0);
}

static void check_plugin_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct stat st;
	struct dirent *entry;
	size_t seen = 0, open = 0;
	if (!folder)
		return; /* agentd -t has said so, if it matters */
	if (fstat(dirfd(folder), &st) == 0 && is_open_to_others(&st)) {
		doctor_say(VERDICT_FAIL, "plugins",
		    "chmod go-w it: who can write there runs code in agents",
		    "others may write to %s", path);
		open++;
	}
	while ((entry = readdir(folder))) {
		const char *dot = strrchr(entry->d_name, '.');
		if (!dot || strcmp(dot, ".so") != 0 ||
		    fstatat(dirfd(folder), entry->d_name, &st, 0) < 0)
			continue;
		seen++;
		if (!is_open_to_others(&st))
			continue;
		doctor_say(VERDICT_FAIL, "plugins", "chmod go-w it: agentd refuses such a file",
		    "others may write to %s/%s", path, entry->d_name);
		open++;
	}
	if (!open)
		doctor_say(VERDICT_OK, "plugins", NULL, "%s: %zu, and nobody else may write them",
		    path, seen);
	closedir(folder);
}

/* "[ a, b ]" as doctor_setting gives it; its texts may be quoted. */
static void check_each(char *list)
{
	for (char *word = strtok(list, "[],\" "); word; word = strtok(NULL, "[],\" "))
		check_plugin_folder(word);
}

void doctor_check_plugins(struct doctor *doctor)
{
	char *path = doctor_setting(doctor, "plugins", "path");
	char *dir = doctor_setting(doctor, "plugins", "dir");
	if (path)
		check_each(path);
	else
		check_plugin_folder(AGENTD_PLUGINDIR);
	if (dir)
		check_plugin_folder(dir);
	free(path);
	free(dir);
}

void doctor_check_kernel(struct doctor *doctor)
{
	struct utsname name;
	(void)doctor;
	if (uname(&name) == 0)
		doctor_say(VERDICT_OK, "kernel", NULL, "%s %s", name.sysname, name.release);
	long abi =
	    syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 0)
		doctor_say(VERDICT_WARN, "landlock",
		    "a kernel of 5.13 or newer with landlock in its lsm= hides config and store from plugins",
		    "not there: %s", strerror(errno));
	else if (abi < 6)
		doctor_say(VERDICT_OK, "landlock", NULL,
		    "ABI %ld (from 6 on, Linux 6.12, it also keeps plugins from signalling each other)",
		    abi);
	else
		doctor_say(VERDICT_OK, "landlock", NULL, "ABI %ld", abi);
	/* It asks for a filter at address 0: EFAULT says that there are filters. */
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0);
	if (errno == EFAULT)
		doctor_say(VERDICT_OK, "seccomp", NULL, "there are filters");
	else
		doctor_say(VERDICT_FAIL, "seccomp",
		    "agentd-host needs a kernel with CONFIG_SECCOMP_FILTER", "no filters: %s",
		    strerror(errno));
}

void doctor_check_limits(struct doctor *doctor)
{
	struct rlimit files;
	(void)doctor;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	bool low = files.rlim_max < FILES_ENOUGH;
	doctor_say(low ? VERDICT_WARN : VERDICT_OK, "files",
	    low ? "raise it (LimitNOFILE= in the unit, or ulimit -n): each connection takes one"
		: NULL,
	    "an agentd started from here may open %llu", (unsigned long long)files.rlim_max);
}

void doctor_check_zones(struct doctor *doctor)
{
	bool there = access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0;
	(void)doctor;
	doctor_say(there ? VERDICT_OK : VERDICT_WARN, "zones",
	    there ? NULL : "install tzdata, if schedules are to have time zones",
	    there ? "time zone data is in /usr/share/zoneinfo" : "there is no time zone data");
}
