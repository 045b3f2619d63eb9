"""What the project promises of itself: its floors, its headers, its documents, its packaging."""
import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from conftest import BUILD, ROOT, SANITIZED, plugin, run_agentd, wait_for

FLOORS = {"base": 0, "conf": 1, "store": 1, "proc": 2, "auth": 2, "run": 3, "trigger": 4, "chat": 4, "http": 5}


def floor_of(path):
    parts = Path(path).parts
    return FLOORS[parts[1]] if len(parts) == 3 else 6


def test_a_file_includes_its_own_folder_or_a_lower_floor():
    """The floors of docs/architecture.md: nothing includes upward, rooms of one floor do not mix."""
    wrong = []
    for path in sorted((ROOT / "daemon").rglob("*.[ch]")):
        name = path.relative_to(ROOT)
        for included in re.findall(r'#include "(daemon/[^"]+)"', path.read_text()):
            same = Path(included).parent == name.parent
            if not same and floor_of(included) >= floor_of(name) and included != "daemon/version.h":
                wrong.append(f"{name} includes {included}")
    assert not wrong, "\n".join(wrong)


def test_internal_headers_stay_in_their_room():
    """internal.h is what the files of one room share; nobody else includes it."""
    for path in sorted((ROOT / "daemon").rglob("*.[ch]")):
        for included in re.findall(r'#include "(daemon/[^"]+/internal\.h)"', path.read_text()):
            assert Path(included).parent == path.relative_to(ROOT).parent, f"{path}: {included}"


def test_the_host_shares_only_what_is_meant_for_both():
    """agentd-host stays slim: of the daemon it includes base/ and the channel."""
    for path in sorted((ROOT / "host").glob("*.[ch]")):
        for included in re.findall(r'#include "(daemon/[^"]+)"', path.read_text()):
            assert included.startswith("daemon/base/") or included == "daemon/proc/channel.h", f"{path}: {included}"


def test_agentctl_is_a_client():
    """agentctl shares no more with the daemon than its lowest floor, did-you-mean and the version."""
    for path in sorted((ROOT / "ctl").glob("*.[ch]")):
        for included in re.findall(r'#include "(daemon/[^"]+)"', path.read_text()):
            assert included.startswith("daemon/base/") or included in (
                "daemon/conf/schema.h", "daemon/version.h"), f"{path}: {included}"


@pytest.mark.parametrize("header", sorted(
    str(p.relative_to(ROOT)) for top in ("include", "daemon", "host", "ctl") for p in (ROOT / top).rglob("*.h")))
def test_a_header_compiles_alone(header):
    """A header is complete: whoever includes it first needs nothing else."""
    done = subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-I.", "-Iinclude", "-Wall", "-Wextra", "-Werror",
                           "-fsyntax-only", "-x", "c", header], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def code_of(document, name):
    """The code block of a document that carries a file name."""
    return re.search(rf"```c {name}\n(.*?)```", (ROOT / document).read_text(), re.S).group(1)


@pytest.mark.parametrize("name", ["shout", "countdown", "patient"])
def test_the_plugins_of_the_docs_build_and_run(name, tmp_path, agentd):
    """docs/plugins.md alone is enough to write a plugin that builds without a warning, loads and runs."""
    (tmp_path / f"{name}.c").write_text(code_of("docs/plugins.md", f"{name}.c"))
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden",
                    f"-I{ROOT}/include", "-o", f"{name}.so", f"{name}.c"], cwd=tmp_path, check=True)
    probe = run_agentd("--probe", f"./{name}.so", cwd=tmp_path)
    assert probe.stdout.startswith(f"{name} 1.0.0: "), probe.stderr
    daemon = agentd(arguments=["--listen", "127.0.0.1:0", f"./{name}.so"]).wait_ready(name)
    if name == "shout":
        assert daemon.run("hello").json["content"] == "HELLO"
        return
    deltas = ["3… ", "2… ", "1… "] if name == "countdown" else ["step 1\n", "step 2\n", "step 3\n"]
    events = list(daemon.stream("go"))
    assert [e.data["text"] for e in events if e.name == "run.delta"] == deltas
    assert events[-1].data["content"] == "".join(deltas)


def test_the_interface_and_the_hook_of_the_docs_build_and_run(tmp_path, agentd):
    """docs/interfaces.md alone is enough to write an interface and a hook."""
    for name in ("mailbox", "sign"):
        (tmp_path / f"{name}.c").write_text(code_of("docs/interfaces.md", f"{name}.c"))
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden",
                        f"-I{ROOT}/include", "-o", f"{name}.so", f"{name}.c"], cwd=tmp_path, check=True)
    letters = tmp_path / "letters"
    letters.mkdir()
    agentd("""
        agents: { hello: { plugin: echo } }
        hooks: { sign: { plugin: ./sign.so } }
        interfaces: { post: { plugin: ./mailbox.so, hooks: [ sign ], agent: hello, open: true, folder: letters } }
        plugins: { path: [ %s ] }
    """ % (BUILD / "plugins"))
    for i in (1, 2):
        (letters / f"ann.{i}.tmp").write_text(f"letter {i}")
        (letters / f"ann.{i}.tmp").rename(letters / f"ann.{i}.msg")
        wait_for("the answer", lambda: (letters / "ann.txt").exists() and
                 (letters / "ann.txt").read_text().count("-- a machine") == i)
    assert (letters / "ann.txt").read_text() == "letter 1\n-- a machine\nletter 2\n-- a machine\n"
    wait_for("the letters to be confirmed", lambda: not list(letters.glob("*.msg")))


def test_every_option_is_documented(tmp_path, agentd):
    """docs/config.md names every option that --print-config knows."""
    (tmp_path / "agent.conf").write_text("agents: { a: { plugin: echo } }\nplugins: { path: [ %s ] }\n"
                                         "default_agent: a\n" % (BUILD / "plugins"))
    shown = run_agentd("--print-config", "-c", "agent.conf", cwd=tmp_path).stdout
    keys = set(re.findall(r"^ *(\w+):", shown, re.M)) - {"a", "delay", "chunk", "interval"}
    document = (ROOT / "docs" / "config.md").read_text()
    missing = [key for key in sorted(keys) if not re.search(rf"^ *{key}:", document, re.M)]
    assert len(keys) > 30 and not missing


@pytest.mark.skipif(not shutil.which("mandoc"), reason="no mandoc here")
@pytest.mark.parametrize("page, says", [
    ("agentd.8", ["--print-config", "SIGTERM", "RUNTIME_DIRECTORY"]),
    ("agent.conf.5", ["max_body", "Default: 1M", "jwks_url", "session", "cors_origins"])])
def test_manuals(page, says):
    """The manuals are good mdoc, and name all that the tables have."""
    path = BUILD / "man" / page
    lint = subprocess.run(["mandoc", "-Tlint", "-Wwarning", path], capture_output=True, text=True)
    assert (lint.returncode, lint.stdout) == (0, ""), lint.stdout
    text = re.sub(".\b", "", subprocess.run(["mandoc", "-Tutf8", path], capture_output=True, text=True).stdout)
    assert not [word for word in says if word not in text]
    if page == "agent.conf.5":
        rows = re.findall(r'\{ "(\w+)", (?:AGENTD|SCHEMA)_', (ROOT / "daemon/conf/tables.c").read_text())
        assert len(rows) > 60 and not [row for row in rows if not re.search(rf"\b{row}\b", text)]


def test_every_route_is_documented():
    """docs/http-api.md names every route of the table."""
    routes = re.findall(r'\{ HTTP_\w+, "(/[^"]+)"', (ROOT / "daemon/http/routes.c").read_text())
    document = (ROOT / "docs" / "http-api.md").read_text()
    assert len(routes) >= 6
    assert not [route for route in routes if f"`{route}`" not in document]


def test_the_configs_that_ship_are_good():
    """conf/agent.conf passes -t."""
    done = run_agentd("-t", "-c", "conf/agent.conf", cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_the_unit_is_good(tmp_path):
    """systemd-analyze verify accepts the unit, and security calls it OK."""
    unit = tmp_path / "agentd.service"
    text = (ROOT / "systemd/agentd.service").read_text().replace("@BINDIR@/agentd", "/bin/true").replace("@SYSCONFDIR@", "/etc")
    unit.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    shutil.copy(ROOT / "systemd" / "agentd.socket", tmp_path)
    done = subprocess.run(["systemd-analyze", "verify", tmp_path / "agentd.socket"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", str(unit)], capture_output=True, text=True)
    assert re.search(r"Overall exposure level for agentd.service: [0-4]\.\d OK", done.stdout), done.stdout


def test_systemd_is_told(agentd, tmp_path):
    """Type=notify: READY=1 once it serves, WATCHDOG=1 from the loop, STOPPING=1 when told to stop."""
    path = str(tmp_path / "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(10)
    daemon = agentd("agents: { hello: { plugin: echo } }",
                    env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "100000"})
    assert wait_for("READY=1", lambda: next((m for m in [listener.recv(4096)] if m != b"WATCHDOG=1"), None)).startswith(
        b"READY=1\n")
    assert listener.recv(4096) == b"WATCHDOG=1"
    daemon.terminate()
    said = wait_for("STOPPING=1", lambda: next((m for m in [listener.recv(4096)] if b"STOPPING=1" in m), None))
    assert said
    assert daemon.wait() == 0


@pytest.mark.skipif(SANITIZED, reason="installs the plain build")
def test_install(tmp_path):
    """make install DESTDIR= PREFIX= after a make without them puts everything in place, and what it puts there works."""
    shutil.copytree(BUILD, tmp_path / "build", ignore=shutil.ignore_patterns("tests"))
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    subprocess.run(["make", "install", f"DESTDIR={tmp_path}", "PREFIX=/usr", f"BUILD={tmp_path}/build"], cwd=ROOT,
                   check=True, capture_output=True, env=environment)
    for file in ("usr/bin/agentd", "usr/bin/agentctl", "usr/share/man/man1/agentctl.1",
                 "usr/share/man/man5/agent.conf.5", "usr/share/man/man8/agentd.8",
                 "usr/share/bash-completion/completions/agentctl", "usr/share/zsh/site-functions/_agentctl",
                 "usr/libexec/agentd/agentd-host", "usr/lib/agentd/plugins/echo.so",
                 "usr/include/agentd/plugin.h", "usr/lib/pkgconfig/agentd.pc", "etc/agentd/agent.conf",
                 "usr/lib/systemd/system/agentd.service", "usr/lib/systemd/system/agentd.socket", "usr/lib/sysusers.d/agentd.conf"):
        assert (tmp_path / file).exists(), file
    assert "ExecStart=/usr/bin/agentd -c /etc/agentd/agent.conf" in (tmp_path / "usr/lib/systemd/system/agentd.service").read_text()
    flags = subprocess.run(["pkg-config", "--cflags", "agentd"], capture_output=True, text=True, check=True,
                           env={**os.environ, "PKG_CONFIG_PATH": str(tmp_path / "usr/lib/pkgconfig")})
    assert "-I" in flags.stdout or flags.stdout.strip() == ""  # /usr/include needs no -I
    subprocess.run(["make", f"{tmp_path}/build/agentd", "PREFIX=/opt/other", f"BUILD={tmp_path}/build"], cwd=ROOT,
                   check=True, capture_output=True, env=environment)
    assert b"/opt/other/libexec/agentd" in (tmp_path / "build/agentd").read_bytes()  # not that of the make before


@pytest.mark.skipif(SANITIZED, reason="installs the plain build")
def test_another_sysconfdir_and_uninstall(tmp_path):
    """Nothing is written outside of PREFIX and SYSCONFDIR, where the config then is for all; uninstall leaves the config, and a
    plugin of somebody else's, and nothing besides."""
    shutil.copytree(BUILD, tmp_path / "build", ignore=shutil.ignore_patterns("tests"))
    to = tmp_path / "to"
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}

    def make(target):
        subprocess.run(["make", target, f"PREFIX={to}/opt", f"SYSCONFDIR={to}/conf", f"BUILD={tmp_path}/build"], cwd=ROOT,
                       check=True, capture_output=True, env=environment)
    make("install")
    config = f"{to}/conf/agentd/agent.conf"
    assert sorted(os.listdir(to)) == ["conf", "opt"] and Path(config).stat().st_mode & 0o777 == 0o640
    unit = (to / "opt/lib/systemd/system/agentd.service").read_text()
    assert f"ExecStart={to}/opt/bin/agentd -c {config}\n" in unit and "DIR@" not in unit
    done = subprocess.run([to / "opt/bin/agentd", "-t"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the config is good\n", "")
    for page in ("man5/agent.conf.5", "man8/agentd.8"):
        text = (to / "opt/share/man" / page).read_text()
        assert f"{to}/conf/agentd" in text and "/etc/agentd/agent.conf" not in text
    for tool in ("agentd", "agentctl"):
        assert config.encode() in (to / "opt/bin" / tool).read_bytes()
    shutil.copy(plugin("echo"), to / "opt/lib/agentd/plugins/own.so")
    make("uninstall")
    left = [str(path.relative_to(to)) for path in sorted(to.rglob("*")) if path.is_file()]
    assert left == ["conf/agentd/agent.conf", "opt/lib/agentd/plugins/own.so"]


@pytest.mark.skipif(SANITIZED, reason="it answers the signal itself")
def test_the_readme_kills_its_own_agent(agentd):
    """The README's line ends the process of hello of the agentd that agentctl finds, and of no other."""
    line = re.search(r"^kill .*build/agentctl .*$", (ROOT / "README.md").read_text(), re.M).group(0)
    daemon = agentd("agents: { hello: { plugin: echo } }\nsupervision: { backoff_min: 50ms }").wait_ready()
    other = agentd("agents: { hello: { plugin: echo } }").wait_ready()
    pid, left = daemon.pid_of("hello"), other.pid_of("hello")
    subprocess.run(["sh", "-euc", line.replace("build/agentctl", f"{BUILD}/agentctl -s {daemon.control}")], check=True)
    daemon.wait_log("agent hello: .*SIGSEGV")
    wait_for("another process", lambda: daemon.agent("hello")["pids"] not in ([], [pid]))
    assert other.pid_of("hello") == left


def test_the_readme_commands_exist():
    """Every make target that the README names is one."""
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make (\w+)", (ROOT / "README.md").read_text()):
        assert re.search(rf"^{target}:", makefile, re.M), target
