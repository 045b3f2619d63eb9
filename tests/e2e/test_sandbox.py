"""What a host may not do, seen from programs that try. The zoo (test_zoo.py) has the attempts of bad
plugins; here is what the sandbox leaves open, and what opens it."""
import ctypes
import os
import re
import subprocess
from pathlib import Path

import pytest

from conftest import BUILD, ROOT, SANITIZED, plugin

LANDLOCK = ctypes.CDLL(None, use_errno=True).syscall(444, None, 0, 1)  # its ABI, or -1
needs_landlock = pytest.mark.skipif(LANDLOCK < 1, reason="this kernel has no Landlock")


def status(daemon, agent="a"):
    text = Path(f"/proc/{daemon.pid_of(agent)}/status").read_text()
    return dict(re.findall(r"^(\w+):\t(.*)$", text, re.M))


def test_a_host_has_no_rights_to_lose(actor):
    """Promise: no_new_privs, a system call filter, and no capability, effective or to be had."""
    now = status(actor, "actor")
    assert now["NoNewPrivs"] == "1" and now["Seccomp"] == "2"
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        if name != "CapBnd" or os.geteuid() == 0:  # only root can, and need, drop its bounding set
            assert int(now[name], 16) == 0, name


@pytest.mark.skipif(SANITIZED, reason="its leak check attaches to its own process")
def test_daemon_and_host_are_not_dumpable(actor):
    """Promise: nobody of the same user reads their memory: their /proc entries are root's."""
    for pid in (actor.pid, actor.pid_of("actor")):
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0
        assert os.geteuid() == 0 or not os.access(f"/proc/{pid}/environ", os.R_OK)


def test_no_thread_comes_after_the_hosts(actor):
    """Promise: a host knows all threads of agentd when it starts, so that its filter can keep the plugin from each."""
    def threads():
        return sorted(os.listdir(f"/proc/{actor.pid}/task"))
    before = threads()
    assert len(before) >= 4  # with the store's: writer, reader, keeper
    assert actor.run("say it", session_id="s").status == 200
    assert actor.get("/runs").status == 200
    assert actor.request("POST", "/reload").status == 200
    assert threads() == before


@pytest.fixture
def read(agentd, tmp_path):
    """read(path, section, extra config) → what an agent gets that tries to read the file."""
    def start(path, section="", extra=""):
        daemon = agentd(f"agents: {{ a: {{ plugin: PLUGIN(actor){section} }} }}\n{extra}").wait_ready()
        return daemon.run(f"read {path}").json["content"]
    return start


@needs_landlock
def test_the_config_is_hidden_and_all_that_it_was_made_of(read, tmp_path):
    """Promise: agent.conf, what it includes, and its ${file:}s cannot be read by a plugin."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "more.conf").write_text("log: { level: debug }\n")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "token").write_text("hunter2\n")
    extra = "include: [ conf.d/*.conf ]\nname: ${file:secrets/token}\n"
    assert read(tmp_path / "agent.conf", extra=extra) == "Permission denied"
    assert read(tmp_path / "conf.d" / "more.conf", extra=extra) == "Permission denied"
    assert read(tmp_path / "secrets" / "token", extra=extra) == "Permission denied"
    (tmp_path / "link").symlink_to(tmp_path / "secrets" / "token")
    assert read(tmp_path / "link", extra=extra) == "Permission denied"


def test_other_files_are_the_users(read, tmp_path):
    """Promise: nothing else is taken away: files beside the config, folders, what comes later in them."""
    (tmp_path / "beside").write_text("here")
    (tmp_path / "data").mkdir()
    assert read(tmp_path / "beside") == "here"
    assert read("/etc/hostname") == Path("/etc/hostname").read_text()
    (tmp_path / "data" / "late").write_text("later")
    assert read(tmp_path / "data" / "late") == "later"
    assert read("/nowhere") == "No such file or directory"


@needs_landlock
def test_a_section_may_open_the_files(read, tmp_path):
    """Promise: `allow: [ files ]` takes the fence away for that agent."""
    assert "PLUGIN" not in read(tmp_path / "agent.conf", ", allow: [ files ]")
    assert read(tmp_path / "agent.conf", ", allow: [ files ]").startswith("http:")


def tried(daemon, path):
    """How the actor's attempt to write to a file ends that takes no such words."""
    return daemon.run(f"write {path}").json["content"]


@needs_landlock
@pytest.mark.parametrize("section, result", [("", "Permission denied"), (", allow: [ files ]", "Invalid argument")])
def test_cgroups_are_to_be_read_only(agentd, section, result):
    """Bug: in cgroups of the user's own (systemd --user) a plugin could end agentd: by cgroup.kill, or a limit."""
    ours = next((path for path in Path("/sys/fs/cgroup").glob("**/cgroup.procs") if os.access(path, os.W_OK)), None)
    if not ours:
        pytest.skip("no cgroup is this user's")
    daemon = agentd(f"agents: {{ a: {{ plugin: PLUGIN(actor){section} }} }}").wait_ready()
    assert tried(daemon, ours) == result
    assert daemon.run(f"read {ours}").status == 200


@needs_landlock
@pytest.mark.skipif(SANITIZED and os.geteuid() != 0, reason="its daemon is dumpable, so it is the user's")
def test_what_proc_has_of_agentd_cannot_be_changed(actor):
    """Bug: with root's agentd a plugin could have it chosen when memory is out. The rest of a user's is root's."""
    assert tried(actor, f"/proc/{actor.pid}/oom_score_adj") == "Permission denied"
    store = max(os.listdir(f"/proc/{actor.pid}/task"), key=int)
    assert tried(actor, f"/proc/{actor.pid}/task/{store}/oom_score_adj") == "Permission denied"
    assert "Name" in actor.run(f"read /proc/{actor.pid}/status").json["content"]


@needs_landlock
def test_the_log_says_what_is_hidden(actor):
    """Who runs agentd beside what its agents write is told why they cannot."""
    actor.wait_log(r"plugins cannot read (\S+)/agent\.conf, nor make or rename files right in \1(, /\S+){,3}$")


@pytest.mark.parametrize("section, result", [
    ("", "Address family not supported by protocol"), (", allow: unix", "ok"), (", allow: [ files ]", "Address family"),
])
def test_unix_sockets_are_for_those_who_ask(agentd, section, result):
    """Promise: socket(AF_UNIX) only with `allow: [ unix ]`; socketpair always."""
    daemon = agentd(f"agents: {{ a: {{ plugin: PLUGIN(actor){section} }} }}").wait_ready()
    assert daemon.run("socket unix").json["content"].startswith(result)
    assert daemon.run("socket inet").json["content"] == "ok"
    assert daemon.run("socket pair").json["content"] == "ok"


FILTERED = r"""
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Without capabilities, refuses one system call, and executes the rest of its arguments. */
int main(int argc, char **argv)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED);
	syscall(SYS_capset, &head, none);
	seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), seccomp_syscall_resolve_name(argv[1]), 0);
	if (argc < 3 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || seccomp_load(filter))
		return 9;
	execv(argv[2], argv + 2);
	return 8;
}
"""


@pytest.mark.parametrize("call", ["capset", "seccomp", "landlock_create_ruleset"])
def test_a_filter_around_agentd_does_not_keep_hosts_from_starting(tmp_path, call):
    """Bug: systemd's @privileged has capset; in the unit's filter no host got through its sandbox."""
    (tmp_path / "filtered.c").write_text(FILTERED)
    subprocess.run(["cc", "filtered.c", "-lseccomp", "-o", "filtered"], cwd=tmp_path, check=True)
    done = subprocess.run(["./filtered", call, str(BUILD / "agentd"), "--probe", plugin("echo")], cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("echo "), done.stderr


def test_the_unit_lets_hosts_build_their_sandbox():
    """The same, said in the unit: its filter has what the hosts need."""
    unit = (ROOT / "systemd" / "agentd.service").read_text()
    allowed = re.findall(r"^SystemCallFilter=([a-z].*)$", unit, re.M)[-1].split()
    assert {"capset", "seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"} <= set(allowed)


def test_what_a_sandbox_may_be_told(agentd):
    """A word that `allow` does not know is a mistake in the config."""
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor), allow: [ unix, everything ] } }", listening=False)
    assert daemon.wait() == 78
    assert any(re.search(r"agent\.conf:2: agents\.a\.allow\[1\]: expected one of unix\|files, found \"everything\"", line)
               for line in daemon.raw), daemon.raw
