"""The control socket: the operator's way in. Who is at its other end the kernel says (SO_PEERCRED)."""
import contextlib
import json
import os
import pwd
import re
import resource
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from conftest import errors, BUILD, SLOW, assert_problem, wait_for
from credentials import CONFIG, Control, as_, user_of
from stored import database, execute
from test_http import cpu_seconds
from test_reload import reloaded

AGENT = "agents: { a: { plugin: PLUGIN(actor) } }\n"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def control(daemon, path=None):
    daemon.control = str(path or daemon.control)
    return Control(daemon)


def ask(path):
    """The status of GET /agents over a unix socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10 * SLOW)
        sock.connect(str(path))
        sock.sendall(b"GET /agents HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return int(sock.recv(65536).split()[1])


# Its file.

def test_its_file(agentd):
    """For the owner and the group; in a folder that is made, and that only the owner writes to; it goes with agentd."""
    daemon = agentd(AGENT)
    path = Path(daemon.control)
    assert stat.S_ISSOCK(path.stat().st_mode) and path.stat().st_mode & 0o777 == 0o660
    assert path.parent.stat().st_mode & 0o777 == 0o755
    daemon.wait_log(rf"^agentctl finds it at {path}$")
    assert Control(daemon).get("/health").status == 200
    daemon.stop()
    assert not path.exists()


def test_a_path_of_the_config(agentd, tmp_path):
    """control.socket is relative to the file that says it."""
    agentd(AGENT + "control: { socket: folder/own.sock }\n")
    assert ask(tmp_path / "folder" / "own.sock") == 200


def test_a_stale_one_is_replaced(agentd):
    """What a killed agentd left behind is in nobody's way."""
    daemon = agentd(AGENT)
    daemon.process.kill()
    daemon.wait()
    assert Path(daemon.control).exists()
    daemon = agentd(AGENT)
    assert Control(daemon).get("/agents").status == 200
    assert not any("control socket" in message for message in daemon.messages())


def test_in_use_by_another(agentd, tmp_path):
    """The usual one is missing then, with a warning; one that the config names is an error, and 69. The other's stays."""
    first = agentd(AGENT)
    second = agentd(AGENT, env={"RUNTIME_DIRECTORY": str(Path(first.control).parent)})
    line = second.wait_log(rf"cannot open the control socket {first.control}: another agentd \(pid {first.pid}\) listens there; agentctl")
    assert line["level"] == "warn"
    second.stop()
    third = agentd(AGENT + f"control: {{ socket: {first.control} }}\n", listening=False)
    assert third.wait() == 69
    third.wait_log(rf"cannot open the control socket .*: another agentd \(pid {first.pid}\) listens there$")
    assert ask(first.control) == 200


@pytest.mark.parametrize("control", ["/tmp/agentd-no-such/sock", None])
def test_an_address_of_http_in_its_place(check, tmp_path, control):
    """One path cannot be both: said with the config, not by a bind that fails; also of the usual one."""
    path = control or f"{tmp_path}/agentd.sock"
    [line] = errors(check(f"http: {{ listen: [ '127.0.0.1:0', 'unix:{path}' ] }}\n{AGENT}"
                          + (f"control: {{ socket: {control} }}\n" if control else ""), env={"RUNTIME_DIRECTORY": str(tmp_path)}))
    assert line == f'agent.conf:1: http.listen[1]: "unix:{path}" is the control socket already: choose another path'


def test_a_file_in_its_way(agentd, tmp_path):
    """A file that is no socket is never removed for one."""
    (tmp_path / "precious").write_text("precious")
    daemon = agentd(AGENT + "control: { socket: precious }\n", listening=False)
    assert daemon.wait() == 69
    daemon.wait_log("cannot open the control socket .*/precious: Address already in use$")
    assert (tmp_path / "precious").read_text() == "precious"


def test_none(agentd, tmp_path):
    """control.socket: none."""
    daemon = agentd(AGENT + "control: { socket: none }\n").wait_ready()
    assert not Path(daemon.control).exists()
    assert not any("agentctl" in message for message in daemon.messages())


def test_without_http(agentd):
    """http.enabled: false leaves the control socket, and it alone."""
    daemon = agentd("http: { enabled: false, listen: [ '127.0.0.1:0' ] }\n" + AGENT, listening=False)
    wait_for("the socket", Path(daemon.control).exists)
    root = control(daemon).wait_ready()
    assert root.run("say x").json["content"] == "x"
    assert not any("listening on" in message for message in daemon.messages())
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True).stdout if shutil.which("ss") else ""
    assert f"pid={daemon.pid}," not in listening


@pytest.mark.parametrize("more, is_on", [
    ("cron: { h: { schedule: '@daily', input: x } }", False),
    ("events: { e: {} }", False),
    ("events: { e: {} }\nwebhooks: { w: { path: /x } }", True),
    ("cron: { h: { schedule: '@daily', input: x, enabled: false } }", True),
    ("cron: { h: { schedule: '@daily', input: x } }\nwebhooks: { w: { path: /x, enabled: false } }", False),
])
def test_http_where_it_is_needed(check, agentd, more, is_on):
    """http.enabled: auto: who only keeps times and hears events, and names no address, has no port; what is
    printed of it is no other config."""
    text = "http: { keep_alive: 60s }\n" + AGENT + more + "\n"
    printed = check(text, "--print-config").stdout
    assert f'enabled: "{"auto" if is_on else "false"}"' in printed.split("hosts:")[0]
    assert check(printed, "--print-config").stdout == printed
    if is_on:  # at its usual port, which may be another's here
        return
    daemon = agentd(text, listening=False)
    daemon.wait_log("HTTP is off")
    root = control(daemon).wait_ready()
    assert root.run("say x").json["content"] == "x"
    assert not any("listening on" in message for message in daemon.messages())
    daemon.stop()
    agentd(text.replace("keep_alive: 60s", "listen: [ '127.0.0.1:0' ]")).wait_ready()


def test_without_http_and_the_socket_only_schedules_run(check, agentd, tmp_path):
    """Schedules need nobody to ask for them; events do."""
    text = "http: { keep_alive: 60s }\n" + AGENT + "control: { socket: none }\n"
    [line] = errors(check(text + "events: { e: {} }\n"))
    assert re.match(r"agent\.conf:\d+: control\.socket: without HTTP, and without a control socket", line), line
    daemon = agentd(text + "cron: { h: { schedule: '* * * * * *', input: say x } }\n", listening=False)
    daemon.wait_log("HTTP is off")
    wait_for("two runs", lambda: len(execute(database(tmp_path), "SELECT 1 FROM runs WHERE status = 2")) >= 2)


def test_without_http_and_without_the_socket(agentd):
    """Bug: with HTTP off, and the usual control socket taken, agentd ran on where nobody could reach it."""
    first = agentd(AGENT)
    schedule = "cron: { h: { schedule: '@daily', input: x, enabled: %s } }\n"
    for more in ("", schedule % "false"):
        second = agentd("http: { enabled: false }\n" + AGENT + more, listening=False,
                        env={"RUNTIME_DIRECTORY": str(Path(first.control).parent)})
        second.wait_log("cannot open the control socket")
        assert second.wait() == 69
    third = agentd("http: { enabled: false }\n" + AGENT + schedule % "true", listening=False,
                   env={"RUNTIME_DIRECTORY": str(Path(first.control).parent)})
    third.wait_log("cannot open the control socket")
    third.wait_log("agent a: ready")


# Who comes.

def test_root_is_an_admin(agentd):
    """Root sees what everybody has, and may do everything, without a key; its own runs are its own."""
    daemon = agentd(CONFIG)
    root, alice = Control(daemon), as_(daemon, "alice")
    root.wait_ready()
    run_id = alice.run("say x", session_id="s").json["run_id"]
    assert root.get(f"/runs/{run_id}").json["user_id"] == user_of("alice")
    assert root.get("/sessions/s").status == 200
    assert root.request("POST", "/agents/a/restart").status == 202
    assert "user_id=unix_root\n" in root.run("request", user_id="ann").json["content"]
    assert alice.get("/runs").json["runs"][0]["run_id"] == run_id and len(alice.get("/runs").json["runs"]) == 1
    line = wait_for("its line", lambda: next((line for line in daemon.log if line.get("user") == "unix_root"), None))
    assert line["key"] == "control"


def test_a_key_does_not_matter_there(agentd):
    """Who is at the control socket the kernel says, not a header."""
    root = Control(agentd(CONFIG), X_API_Key="wrong", Authorization="nonsense")
    assert root.get("/agents").status == 200


@pytest.fixture
def elsewhere():
    """A folder that everybody may pass through, which pytest's is not."""
    with tempfile.TemporaryDirectory(prefix="agentd-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def ask_as(name, path, target="/agents"):
    """GET by another user: status and body."""
    code = ("import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
            "s.sendall(f'GET {sys.argv[2]} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n'.encode())\n"
            "sys.stdout.buffer.write(b''.join(iter(lambda: s.recv(65536), b'')))")
    user = pwd.getpwnam(name)
    done = subprocess.run([sys.executable, "-c", code, str(path), target], user=user.pw_uid, group=user.pw_gid, extra_groups=[],
                          cwd="/", capture_output=True, timeout=20 * SLOW)
    if not done.stdout:
        return None, done.stderr.decode()
    head, body = done.stdout.split(b"\r\n\r\n", 1)
    return int(head.split()[1]), body.decode()


@pytest.mark.parametrize("admins, statuses", [("", (403, 403)), ("nobody", (200, 403)), ("nobody, daemon", (200, 200))])
def test_other_users(agentd, elsewhere, admins, statuses):
    """Whoever may open the file is 403 all the same, unless control.admins names them; also for what else is open."""
    path = elsewhere / "sock"
    agentd(CONFIG + f"control: {{ socket: {path}, admins: [ {admins} ] }}\n")
    os.chmod(path, 0o666)
    for name, status in zip(("nobody", "daemon"), statuses):
        for target in ("/agents", "/health", "/ready", "/metrics"):
            got, body = ask_as(name, path, target)
            assert got == status, body
            if status == 403:
                assert json.loads(body)["code"] == "forbidden" and "control.admins" in json.loads(body)["detail"]
        got, _ = ask_as(name, path, "/nothing")
        assert got == (404 if status == 200 else 403)


def test_an_admin_of_before(agentd, elsewhere):
    """A reload that takes somebody from control.admins holds for connections that they have, too."""
    path = elsewhere / "sock"
    config = CONFIG + f"control: {{ socket: {path}, admins: [ %s ] }}\n"
    daemon = agentd(config % "nobody")
    os.chmod(path, 0o666)
    code = ("import http.client, socket, sys\nc = http.client.HTTPConnection('localhost')\n"
            "c.sock = socket.socket(socket.AF_UNIX)\nc.sock.connect(sys.argv[1])\n"
            "for line in sys.stdin:\n c.request('GET', '/agents')\n r = c.getresponse()\n r.read()\n print(r.status, flush=True)\n")
    user = pwd.getpwnam("nobody")
    with subprocess.Popen([sys.executable, "-c", code, str(path)], user=user.pw_uid, group=user.pw_gid, extra_groups=[],
                          cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as client:
        def status():
            client.stdin.write("\n")
            return int(client.stdout.readline())
        assert status() == 200
        for admins, expected in (("daemon, nobody", 200), ("daemon", 403)):
            reloaded(as_(daemon, "root"), config % admins)
            assert status() == expected
        client.stdin.close()


def test_the_mode_keeps_others_out(agentd, elsewhere):
    """Who is neither the owner nor of the group does not get as far as that."""
    path = elsewhere / "sock"
    agentd(CONFIG + f"control: {{ socket: {path}, admins: [ nobody ] }}\n")
    status, error = ask_as("nobody", path)
    assert status is None and "PermissionError" in error


def test_an_unknown_admin(check):
    """A user that there is not is a mistake, at its line."""
    [line] = errors(check("control:\n  admins:\n    - root\n    - no-such-user\n" + AGENT))
    assert line == 'agent.conf:4: control.admins[1]: there is no user "no-such-user" on this machine'


@contextlib.contextmanager
def agentd_of(user, elsewhere, *options):
    """An agentd that is started by another user: its control socket, which everybody may open."""
    for name in ("agentd", "agentd-host"):
        shutil.copy(BUILD / name, elsewhere)
    shutil.copy(BUILD / "tests" / "plugins" / "actor.so", elsewhere)
    home = elsewhere / "home"
    home.mkdir()
    os.chown(home, user.pw_uid, user.pw_gid)
    process = subprocess.Popen(
        [elsewhere / "agentd", *options, "--listen", "127.0.0.1:0", elsewhere / "actor.so"], cwd="/", user=user.pw_uid,
        group=user.pw_gid, extra_groups=[], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        env={"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "PATH": os.environ["PATH"]})
    try:
        path = home / "agentd" / "agentd.sock"
        wait_for("the socket", path.exists)
        os.chmod(path, 0o666)
        yield path
    finally:
        process.terminate()
        process.communicate(timeout=20 * SLOW)


def test_an_ordinary_user_is_admin_of_their_own(elsewhere):
    """Who runs agentd under an account of a person may use its control socket; so may root, and nobody else."""
    person = next((u for u in pwd.getpwall() if 1000 <= u.pw_uid < 60000), None)
    if not person:
        pytest.skip("there is no ordinary user on this machine")
    with agentd_of(person, elsewhere) as path:
        assert ask_as(person.pw_name, path)[0] == 200
        assert ask(path) == 200
        assert ask_as("nobody", path)[0] == 403


def test_no_place_for_a_socket(elsewhere):
    """A user without XDG_RUNTIME_DIR has no socket, and is told so."""
    user = pwd.getpwnam("daemon")
    for file in (BUILD / "agentd", BUILD / "agentd-host", BUILD / "tests" / "plugins" / "actor.so"):
        shutil.copy(file, elsewhere)
    process = subprocess.Popen(
        [elsewhere / "agentd", "--listen", "127.0.0.1:0", elsewhere / "actor.so"], cwd="/", user=user.pw_uid,
        group=user.pw_gid, extra_groups=[], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        env={"HOME": str(elsewhere), "PATH": os.environ["PATH"]})
    assert any("no socket for agentctl: XDG_RUNTIME_DIR is not set" in line for line in process.stderr)
    process.terminate()
    process.communicate(timeout=20 * SLOW)


@pytest.mark.parametrize("options, status", [((), 403), (("--dev",), 200)])
def test_the_user_of_a_service_in_dev_mode(elsewhere, options, status):
    """A service's own user is nobody, since its plugins have it too; with --dev it is an admin. Others are not."""
    with agentd_of(pwd.getpwnam("daemon"), elsewhere, *options) as path:
        assert ask_as("daemon", path)[0] == status
        assert ask(path) == 200
        assert ask_as("nobody", path)[0] == 403


@pytest.mark.parametrize("act", ["ask", "askfar"])
def test_what_agentd_has_started_is_nobody(agentd, act):
    """A plugin that may use unix sockets, and runs as root, is refused all the same; so is its orphaned grandchild."""
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor), allow: [ unix ] } }\nsupervision: { ping: 1m }\n").wait_ready()
    content = daemon.run(f"{act} {daemon.control}").json["content"]
    assert content.startswith("HTTP/1.1 403 ") and "has started may not use its control socket" in content
    assert "pids" not in content


def test_without_allow_a_plugin_does_not_get_so_far(agentd):
    """The sandbox has no unix sockets."""
    daemon = agentd(AGENT).wait_ready()
    assert "HTTP/" not in daemon.run(f"ask {daemon.control}").json["content"]


def test_a_page_is_refused_there_as_well(agentd):
    """Origin is checked before who it is."""
    root = Control(agentd(AGENT), Origin="https://evil.example")
    assert_problem(root.get("/agents"), 403, "forbidden")


# When it matters.

def test_when_no_more_connections_are_taken(agentd):
    """The operator comes in while http.max_connections is reached, and after."""
    daemon = agentd('http: { listen: [ "127.0.0.1:0" ], max_connections: 5 }\n' + AGENT).wait_ready()
    root = Control(daemon)
    held = [daemon.socket() for _ in range(10)]
    try:
        wait_for("them to be taken", lambda: "agentd_http_connections 6" in root.get("/metrics").body.decode())
        for _ in range(20):
            assert root.get("/agents").status == 200
        assert root.run("say x").json["content"] == "x"
    finally:
        for sock in held:
            sock.close()
    wait_for("connections again", lambda: daemon.get("/health").status == 200)


def test_without_descriptors_it_does_not_spin(agentd):
    """Bug class: a listener that is never paused, whose accept fails."""
    daemon = agentd(AGENT).wait_ready()
    most = max(map(int, os.listdir(f"/proc/{daemon.pid}/fd"))) + 9
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (most, most))
    held = [daemon.socket() for _ in range(40)]
    for _ in range(3):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(daemon.control)
        held.append(sock)
    try:
        daemon.wait_log("cannot accept a connection: Too many open files")
        before = cpu_seconds(daemon)
        time.sleep(1)  # what is measured is what happens while nothing happens
        assert cpu_seconds(daemon) - before < min(0.3 * SLOW, 0.7)
    finally:
        for sock in held:
            sock.close()
    wait_for("connections again", lambda: ask(daemon.control) == 200)


def test_it_streams_and_drains(agentd):
    """What goes on over it ends as over TCP when agentd stops."""
    daemon = agentd(AGENT).wait_ready()
    root = Control(daemon)
    stream = root.stream("timer 500")
    assert next(iter(stream)).name == "run.started"
    daemon.terminate()
    assert [event.name for event in stream][-1] == "run.finished"
    assert daemon.wait() == 0 and not Path(daemon.control).exists()


def test_it_is_not_listed_as_an_address(agentd):
    """An operator's socket is not one for clients: Host and the banner know it not."""
    daemon = agentd(AGENT)
    assert not any("listening on unix:" in message for message in daemon.messages())
