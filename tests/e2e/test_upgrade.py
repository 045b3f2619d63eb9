"""SIGUSR2: agentd becomes the program that is at its path now, with the sockets that it listens on; and sockets that
systemd hands over, which go the same way."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from conftest import BUILD, SLOW, Agentd, Stream, plugin, wait_for
from stored import background, wait_over

CONFIG = """
    http: { listen: [ "127.0.0.1:0" ] }
    control: { socket: control.sock }
    store: { path: agentd.db }
    agents: { actor: { plugin: PLUGIN(actor) } }
    supervision: { drain: 30s, backoff_min: 100ms, backoff_max: 400ms }
"""
SERVES = r'^agentd \S+ serves "'


@pytest.fixture
def house(tmp_path):
    """A copy of the programs that a test may replace: house(config) → a listening Agentd, run from there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    started = []

    def start(config=CONFIG, starter=(), env=None, listening=True):
        if not (folder / "agentd").exists():
            for name in ("agentd", "agentd-host"):
                shutil.copy(BUILD / name, folder)
        write_config(tmp_path, config)
        daemon = Agentd([*starter, str(folder / "agentd"), "-c", "agent.conf"], tmp_path,
                        {"XDG_STATE_HOME": str(tmp_path / "state"), "RUNTIME_DIRECTORY": str(tmp_path / "run"),
                         **(env or {})})
        daemon.program = folder / "agentd"
        started.append(daemon)
        return daemon.wait_listening() if listening else daemon

    yield start
    for daemon in started:
        daemon.stop()


def write_config(folder, config):
    (folder / "agent.conf").write_text(
        re.sub(r"PLUGIN\((\w+)\)", lambda m: plugin(m.group(1)), textwrap.dedent(config)))


def install(daemon, write=lambda path: shutil.copy(BUILD / "agentd", path)):
    """Puts another file in the program's place, as a package manager does."""
    write(daemon.program.with_suffix(".new"))
    os.rename(daemon.program.with_suffix(".new"), daemon.program)


def starts(daemon):
    return sum(bool(re.search(SERVES, message)) for message in daemon.messages())


def upgrade(daemon, seconds=30):
    """SIGUSR2, until the next one serves."""
    before = starts(daemon)
    daemon.terminate(signal.SIGUSR2)
    wait_for("the next one to serve:\n" + "\n".join(daemon.raw), lambda: starts(daemon) > before, seconds)


def inode(path):
    return os.stat(path).st_ino


def stop(daemon):
    daemon.terminate()
    assert daemon.wait(60) == 0, "\n".join(daemon.raw)


def fds(pid):
    return sorted(int(name) for name in os.listdir(f"/proc/{pid}/fd"))


def kinds(pid):
    """What its fds are, without numbers. One that is closed meanwhile is none."""
    links = []
    for fd in fds(pid):
        with suppress(FileNotFoundError):
            links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return sorted(re.sub(r":.*|\d+", "", link) for link in links)


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def status_of(pid):
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


# Under load.


class Load:
    """Clients that go on until they are told to stop. What fails is kept, with what it was."""

    def __init__(self, daemon):
        self.daemon, self.failures, self.over = daemon, [], threading.Event()
        self.counts = {"short": 0, "kept": 0, "closed idle": 0, "stream": 0, "background": 0, "control": 0}
        self.runs, self.longest, self.lock = [], 0, threading.Lock()
        clients = [self.short] * 4 + [self.kept] * 2 + [self.stream] * 2 + [self.background] * 2 + [self.control]
        self.threads = [threading.Thread(target=self.go_on, args=(client,)) for client in clients]
        for thread in self.threads:
            thread.start()

    def go_on(self, client):
        state = {}
        while not self.over.is_set():
            begin = time.monotonic()
            try:
                client(state)
            except Exception as error:  # whatever it is: no client may see it
                self.failures.append(f"{client.__name__}: {error!r}")
            self.longest = max(self.longest, time.monotonic() - begin)

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def post(self, connection, **body):
        connection.request("POST", "/run", json.dumps(body))
        response = connection.getresponse()
        text = response.read()
        return response, text

    def short(self, _):
        connection = self.daemon.connect(60)
        response, text = self.post(connection, input="timer 5")
        assert (response.status, json.loads(text)["content"]) == (200, "timer"), text
        connection.close()
        self.count("short")

    def kept(self, state):
        """As HTTP clients do: a connection that was used before, and is closed, is made anew, once."""
        fresh = "connection" not in state
        connection = state.setdefault("connection", self.daemon.connect(60))
        try:
            response, text = self.post(connection, input="say kept")
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            if fresh:
                raise
            self.count("closed idle")
            del state["connection"]
            self.kept(state)
            return
        assert (response.status, json.loads(text)["content"]) == (200, "kept"), text
        if response.getheader("Connection") == "close":
            del state["connection"]
        self.count("kept")

    def stream(self, _):
        connection = self.daemon.connect(60)
        connection.request("POST", "/run", json.dumps({"input": "timer 50", "stream": True}))
        stream = Stream(connection, connection.getresponse())
        names = [event.name for event in stream]
        assert names == ["run.started", "run.delta", "run.finished"], names
        stream.close()
        self.count("stream")

    def background(self, _):
        connection = self.daemon.connect(60)
        response, text = self.post(connection, input="timer 20", background=True)
        assert response.status == 202, text
        self.runs.append(json.loads(text)["run_id"])
        connection.close()
        self.count("background")

    def control(self, _):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(60 * SLOW)
            sock.connect(str(self.daemon.cwd / "control.sock"))
            sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            reply = sock.makefile("rb").read()
        assert reply.startswith(b"HTTP/1.1 200 "), reply
        self.count("control")

    def progress(self):
        """Until every client has got on."""
        before = dict(self.counts)
        wait_for("every client to get on", lambda: all(
            self.counts[what] >= before[what] + 5 for what in before if what != "closed idle"), 30)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(90 * SLOW)
            assert not thread.is_alive()


def test_an_upgrade_under_load_loses_nothing(house, tmp_path):
    """Promise: upgrades under load refuse no connection, leave no request without its answer, and every acknowledged
    run ends in exactly one recorded result. The process keeps its number, and is the new file."""
    daemon = house()
    daemon.wait_ready()
    load = Load(daemon)
    held = []
    try:
        for _ in range(6):
            load.progress()
            install(daemon)
            upgrade(daemon)
            assert inode(f"/proc/{daemon.pid}/exe") == inode(daemon.program)
            load.progress()
            held.append(len(fds(daemon.pid)))
    finally:
        load.stop()
    assert not load.failures, (load.counts, load.failures[:10])
    print(load.counts, f"longest {load.longest:.2f} s")
    assert len(load.runs) == load.counts["background"] > 6
    for run_id in load.runs:
        assert wait_over(daemon, run_id)["status"] == "succeeded"
    stop(daemon)
    with closing(sqlite3.connect(tmp_path / "agentd.db")) as store:
        recorded = [row[0] for row in store.execute("SELECT id FROM runs WHERE status = 2")]
    assert len(recorded) == len(set(recorded)) and set(load.runs) <= set(recorded)
    assert max(held) - min(held) <= 30, held  # the load's connections come and go; what leaks only grows


def test_nothing_is_left_of_the_one_before(house):
    """Promise: nothing but what is meant goes along: no fd without close-on-exec besides stdio, no child, no blocked or
    ignored signal; and the same again however often."""
    daemon = house()
    daemon.wait_ready()
    pid = daemon.pid
    before = wait_for("its connections to end", lambda: (now := kinds(pid)).count("socket") == 3 and now)
    for _ in range(3):
        host = daemon.pid_of("actor")
        upgrade(daemon)
        daemon.wait_ready()
        assert daemon.pid_of("actor") != host and not Path(f"/proc/{host}").exists()
        assert children(pid) == [str(daemon.pid_of("actor"))]
        wait_for("the same fds as before", lambda: kinds(pid) == before)
        inherited = [fd for fd in fds(pid) if fd > 2 and not (
            int(re.search(r"flags:\s+(\d+)", Path(f"/proc/{pid}/fdinfo/{fd}").read_text()).group(1), 8) & os.O_CLOEXEC)]
        assert not inherited, [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in inherited]
        status = status_of(pid)
        assert int(status["SigBlk"], 16) == 0
        assert int(status["SigIgn"], 16) & (1 << signal.SIGPIPE - 1)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
            assert int(status["SigCgt"], 16) & (1 << number - 1)
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert sum(text.startswith(b"LISTEN_") for text in environment) == 3  # and not three for each time
    assert daemon.run("say still").json["content"] == "still"


def test_hosts_know_the_threads_of_the_next_one(house):
    """Promise: the filter of a host has the threads of the agentd that runs now: it has the same pid, and others."""
    animal = f"animal: {{ plugin: {BUILD}/tests/zoo/reach_threads.so }}"
    daemon = house(CONFIG.replace("PLUGIN(actor) }", f"PLUGIN(actor) }}, {animal}"))
    daemon.wait_ready("animal")
    before = os.listdir(f"/proc/{daemon.pid}/task")
    upgrade(daemon)
    daemon.wait_ready("animal")
    assert os.listdir(f"/proc/{daemon.pid}/task") != before
    said = daemon.run("go", agent="animal").json["content"]
    assert "tkill refused (EPERM)" in said and "nice refused (EPERM)" in said and "ALLOWED" not in said


def test_who_is_there_is_answered_and_who_comes_waits(house):
    """Promise: a run in flight is answered by the one that has it; who connects meanwhile is answered by the next."""
    daemon = house()
    daemon.wait_ready()
    host = daemon.pid_of("actor")
    going = daemon.start_run(f"timer {1500 * SLOW}")
    wait_for("it to run", lambda: daemon.load("actor") == (1, 0))
    silent = daemon.connect()
    silent.connect()
    daemon.get("/health")  # the loop has seen the silent one
    daemon.terminate(signal.SIGUSR2)
    daemon.wait_log("^upgrading to ")
    waiting = daemon.start_run("say later")
    silent.request("GET", "/agents/actor")
    response = silent.getresponse()
    assert response.status == 200 and response.headers["Connection"] == "close"
    assert json.loads(response.read())["pids"] == [host]
    assert starts(daemon) == 1
    response = going.getresponse()
    assert (response.status, json.loads(response.read())["content"]) == (200, "timer")
    response = waiting.getresponse()
    assert (response.status, json.loads(response.read())["content"]) == (200, "later")
    wait_for("the log of the next one", lambda: starts(daemon) == 2)


def test_a_durable_run_that_does_not_end_is_begun_again(house):
    """Promise: what was acknowledged, and does not end within the drain, is the next one's, as after a restart."""
    daemon = house(CONFIG.replace("drain: 30s", "drain: 300ms, kill: 300ms"))
    daemon.wait_ready()
    run_id = background(daemon, "attempt")
    wait_for("it to run", lambda: daemon.load("actor") == (1, 0))
    upgrade(daemon)
    done = wait_over(daemon, run_id)
    assert done["status"] == "succeeded" and "attempt=2" in done["content"], done


def test_signals_that_come_together_are_one_upgrade(house):
    """Bug class: a second SIGUSR2, or one to a process that has no handler yet, ends it."""
    daemon = house()
    daemon.wait_ready()
    pid = daemon.pid
    for _ in range(300):
        os.kill(pid, signal.SIGUSR2)
        os.kill(pid, signal.SIGHUP)
        time.sleep(0.002)  # so that they meet it in all of its phases
    wait_for("upgrades", lambda: starts(daemon) > 1, 30)
    daemon.wait_ready()
    assert daemon.run("say alive").json["content"] == "alive"
    assert daemon.process.poll() is None


# What cannot be upgraded to.


def truncated(path):
    path.write_bytes((BUILD / "agentd").read_bytes()[:20000])
    path.chmod(0o755)


def script(text):
    def write(path):
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
    return write


@pytest.mark.parametrize("broken, why", [
    (truncated, "."),
    (script("echo no good >&2; exit 78\n"), "exited with code 78: no good"),
    (script("kill -SEGV $$\n"), "killed by SIGSEGV"),
    (lambda path: path.write_text("#!/bin/sh\n"), "Permission denied"),
    (None, "No such file or directory"),
], ids=["truncated", "exit 78", "crash", "not executable", "missing"])
def test_a_broken_program_leaves_the_old_one_serving(house, broken, why):
    """Promise: the new program is tried before anything is stopped; if it cannot take over, the log says why, and
    nothing has happened."""
    daemon = house()
    daemon.wait_ready()
    host, kept = daemon.pid_of("actor"), daemon.connect()
    kept.request("GET", "/health")
    kept.getresponse().read()
    if broken:
        install(daemon, broken)
    else:
        daemon.program.unlink()
    daemon.terminate(signal.SIGUSR2)
    daemon.wait_log(f"^not upgraded: {re.escape(str(daemon.program))} .*{why}.*; going on as before")
    kept.request("GET", "/health")  # its connection was not closed
    assert kept.getresponse().status == 200
    assert daemon.run("say x").json["content"] == "x" and daemon.pid_of("actor") == host
    install(daemon)
    upgrade(daemon)
    assert daemon.run("say y").json["content"] == "y"


def test_a_config_with_a_mistake_leaves_the_old_one_serving(house, tmp_path):
    """The check is that of -t, and its words are in the log."""
    daemon = house()
    daemon.wait_ready()
    write_config(tmp_path, CONFIG.replace("store:", "stroe:"))
    daemon.terminate(signal.SIGUSR2)
    line = daemon.wait_log(r"^agent.conf:\d+: stroe: unknown")
    assert line["from"] == "agentd -t"
    daemon.wait_log("^not upgraded: .* exited with code 78")
    assert daemon.run("say x").json["content"] == "x" and starts(daemon) == 1


def test_the_check_is_no_leftover_of_a_host(house):
    """Bug class: a process of agentd's own is taken for something that a crashed host left behind."""
    daemon = house()
    daemon.wait_ready()
    waits = daemon.cwd / "go"
    install(daemon, script(f"while ! [ -e {waits} ]; do sleep 0.05; done\necho tried >&2\nexit 78\n"))
    daemon.terminate(signal.SIGUSR2)
    wait_for("the check to run", lambda: len(children(daemon.pid)) == 2)
    assert daemon.run("crash").status == 502
    daemon.wait_ready()
    daemon.terminate(signal.SIGUSR2)
    daemon.wait_log("^told to upgrade while upgrading")
    waits.touch()
    daemon.wait_log("^not upgraded: .* exited with code 78: tried")


@pytest.mark.parametrize("harm, why", [
    (lambda daemon: install(daemon, truncated), "agentd has changed since it was checked"),
    (lambda daemon: daemon.program.unlink(), "agentd has changed since it was checked"),
    (lambda daemon: daemon.program.chmod(0o644), "cannot execute .*: Permission denied")],
    ids=["truncated", "missing", "not executable"])
def test_a_program_that_breaks_meanwhile(house, harm, why):
    """Promise: if the new program turns bad once all is stopped, the running version is begun again."""
    daemon = house()
    daemon.wait_ready()
    install(daemon)  # else it is the file of the running version, too
    going = daemon.start_run(f"timer {1000 * SLOW}")
    wait_for("it to run", lambda: daemon.load("actor") == (1, 0))
    daemon.terminate(signal.SIGUSR2)
    daemon.wait_log("^upgrading to ")
    harm(daemon)
    waiting = daemon.start_run("say x")
    assert going.getresponse().status == 200
    response = waiting.getresponse()
    assert (response.status, json.loads(response.read())["content"]) == (200, "x")
    daemon.wait_log(f"{why}; going on with the version that is running")
    wait_for("it to begin again", lambda: starts(daemon) == 2)
    install(daemon)  # and it is still found
    upgrade(daemon)
    assert inode(f"/proc/{daemon.pid}/exe") == inode(daemon.program)


@pytest.mark.parametrize("when", ["checking", "upgrading"])
def test_who_is_told_to_stop_does_not_upgrade(house, when):
    """SIGTERM wins: the exit code is 0, and what was listened on is gone."""
    daemon = house(CONFIG.replace('"127.0.0.1:0"', '"127.0.0.1:0", "unix:%s"' % "UNIX").replace(
        "UNIX", "/tmp/agentd-test-%d.sock" % os.getpid()))
    path = Path("/tmp/agentd-test-%d.sock" % os.getpid())
    daemon.wait_ready()
    assert path.exists() and (daemon.cwd / "control.sock").exists()
    going = daemon.start_run(f"timer {1000 * SLOW}")
    wait_for("it to run", lambda: daemon.load("actor") == (1, 0))
    if when == "checking":
        install(daemon, script("sleep 60\n"))
    daemon.terminate(signal.SIGUSR2)
    if when == "checking":
        wait_for("the check to run", lambda: len(children(daemon.pid)) == 2)
    else:
        daemon.wait_log("^upgrading to ")
    daemon.terminate()
    daemon.wait_log("^told to stop: not upgraded" if when == "upgrading" else "^stopping: ")
    with pytest.raises(ConnectionRefusedError):
        wait_for("nobody to listen", lambda: daemon.socket().close())
    assert going.getresponse().status == 200
    assert daemon.wait() == 0 and starts(daemon) == 1
    assert not path.exists() and not (daemon.cwd / "control.sock").exists()


def test_systemd_is_told_of_an_upgrade(house, tmp_path):
    """Type=notify: RELOADING=1, then READY=1 of the next one, with the same main process; never STOPPING=1."""
    path = str(tmp_path / "notify")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        listener.bind(path)
        listener.settimeout(20 * SLOW)
        daemon = house(env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "100000"})

        def next_said():
            while (said := listener.recv(4096)) == b"WATCHDOG=1":
                pass
            return said

        assert next_said().startswith(b"READY=1\n")
        upgrade(daemon)
        assert next_said() == b"RELOADING=1\nSTATUS=upgrading"
        assert next_said().startswith(b"READY=1\n")
        assert listener.recv(4096) == b"WATCHDOG=1"
        daemon.terminate()
        assert next_said().startswith(b"STOPPING=1")


def test_a_config_that_listens_elsewhere(house, tmp_path):
    """The next one reads its config anew: what that does not name is closed, and what is new is bound."""
    first, second = tmp_path / "first.sock", tmp_path / "second.sock"
    config = CONFIG.replace('"127.0.0.1:0"', f'"127.0.0.1:0", "unix:{first}"')
    daemon = house(config)
    number = first.stat().st_ino
    upgrade(daemon)
    assert first.stat().st_ino == number  # it is the same socket
    write_config(tmp_path, config.replace("first", "second"))
    upgrade(daemon)
    daemon.wait_log(f"^unix:{first} is not listened on any more")
    assert second.exists() and not first.exists()
    assert daemon.get("/health").status == 200


# Sockets that systemd hands over.

STARTER = """
import fcntl, json, os, socket, sys
made = []  # the starter stands for systemd: binds, listens, and hands over from fd 3 on
for kind, address in json.loads(sys.argv[1]):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    made.append(socket.socket(family, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM))
    made[-1].bind(address if isinstance(address, str) else tuple(address))
    if kind == "stream":
        made[-1].listen(64)
high = [fcntl.fcntl(sock, fcntl.F_DUPFD, 100) for sock in made]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
os.closerange(3 + len(high), 200)
os.environ.update(LISTEN_PID=str(os.getpid() + int(sys.argv[2])), LISTEN_FDS=str(len(high)), LISTEN_FDNAMES=sys.argv[3])
os.execv(sys.argv[4], sys.argv[4:])
"""


@pytest.fixture
def activate(house):
    """activate(sockets, listen, …) → an Agentd that gets them as systemd hands them over. A socket is ("stream",
    address)."""
    def start(sockets, listen, names="web", other_pid=0, more="", listening=True):
        starter = [sys.executable, "-c", STARTER, json.dumps(sockets), str(other_pid), names]
        return house(CONFIG.replace('listen: [ "127.0.0.1:0" ]', f"listen: [ {listen} ]{more}"), starter,
                     listening=listening)
    return start


def free_port():
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def get_unix(path, target="/health"):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10 * SLOW)
        sock.connect(str(path))
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return int(sock.makefile("rb").read().split()[1])


def test_sockets_of_systemd(activate, tmp_path):
    """Promise: `systemd` in http.listen is all that it hands over; what it handed over it keeps; the environment says
    nothing of it to anybody else; and upgrades hand the same on."""
    path = tmp_path / "web.sock"
    daemon = activate([("stream", ["127.0.0.1", 0]), ("stream", str(path))], "systemd", names="web:local")
    daemon.wait_ready()
    port, number = daemon.address[1], path.stat().st_ino
    daemon.wait_log(f"^listening on unix:{path}")
    for _ in range(2):
        assert daemon.get("/health").status == 200 and get_unix(path) == 200
        content = daemon.run("env").json["content"]
        assert "LISTEN_" not in content
        upgrade(daemon)
        daemon.wait_ready()
        assert "LISTEN_FDNAMES=web:local:agentd-bound" in Path(f"/proc/{daemon.pid}/environ").read_text()
    assert daemon.address[1] == port and path.stat().st_ino == number
    stop(daemon)
    assert path.exists()  # systemd listens on it again
    assert not (daemon.cwd / "control.sock").exists()


def test_sockets_of_systemd_that_the_config_names(activate, tmp_path):
    """A socket of an address that http.listen or control.socket names is used for it, and none is bound."""
    port, path = free_port(), tmp_path / "control.sock"
    daemon = activate([("stream", ["127.0.0.1", port]), ("stream", str(path))], f'"127.0.0.1:{port}"')
    number = path.stat().st_ino
    assert daemon.get("/health").status == 200 and get_unix(path) == 200 and path.stat().st_ino == number
    assert not [m for m in daemon.messages() if "handed over" in m]
    stop(daemon)
    assert path.exists()


def test_sockets_that_nobody_names(activate, tmp_path):
    """A socket without a use is said, and kept: when the config of the next one names it, who waits there is served.
    What cannot be listened on is closed."""
    port, listen = free_port(), f'"127.0.0.2:{free_port()}"'
    daemon = activate([("stream", ["127.0.0.1", port]), ("datagram", ["127.0.0.1", 0])], listen)
    daemon.wait_log(rf"^systemd handed over 127.0.0.1:{port} \(web\), which is not listened on")
    daemon.wait_log(r"^systemd handed over something \(unknown\) that agentd cannot listen on")
    assert daemon.get("/health").status == 200
    waiting = http.client.HTTPConnection("127.0.0.1", port, timeout=30 * SLOW)
    waiting.request("GET", "/health")
    upgrade(daemon)
    assert len([m for m in daemon.messages() if "which is not listened on" in m]) == 2
    assert len([m for m in daemon.messages() if "cannot listen on" in m]) == 1
    write_config(tmp_path, CONFIG.replace('"127.0.0.1:0"', f"{listen}, systemd"))
    upgrade(daemon)
    assert waiting.getresponse().status == 200


def test_sockets_that_a_reload_gives_up_and_takes_again(activate, tmp_path):
    """Bug: a socket of systemd that a reload had no use for was closed: neither a later reload could listen there, where
    systemd still does, nor had the next agentd got it. Nor if another address was what the reload failed for."""
    port, listen = free_port(), f'"127.0.0.2:{free_port()}"'
    daemon = activate([("stream", ["127.0.0.1", port])], f'"127.0.0.1:{port}", {listen}')
    daemon.address = ("127.0.0.2", int(listen.strip('"').split(":")[1]))

    def reload(addresses):
        write_config(tmp_path, CONFIG.replace('"127.0.0.1:0"', addresses))
        return daemon.request("POST", "/reload").status

    assert reload(listen) == 200
    waiting = http.client.HTTPConnection("127.0.0.1", port, timeout=10 * SLOW)
    waiting.request("GET", "/health")
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        assert reload(f'{listen}, "127.0.0.1:{port}", "127.0.0.1:{taken.getsockname()[1]}"') == 422
    upgrade(daemon)
    assert reload(f'{listen}, "127.0.0.1:{port}"') == 200
    assert waiting.getresponse().status == 200


def test_sockets_for_another_process(activate):
    """As sd_listen_fds(3) has it: $LISTEN_PID says for whom they are."""
    daemon = activate([("stream", ["127.0.0.1", 0])], "systemd", other_pid=1, listening=False)
    assert daemon.wait() == 78
    assert re.match(r"agent.conf:\d+: http.listen\[0\]: systemd handed over no socket", daemon.raw[-1]), daemon.raw


def test_sockets_that_are_not_there(house, tmp_path):
    """`systemd` without sockets is a mistake, at its line; -t cannot know, and lets it pass."""
    config = CONFIG.replace('"127.0.0.1:0"', "systemd")
    daemon = house(config, listening=False)
    assert daemon.wait() == 78
    assert re.match(r"agent.conf:2: http.listen\[0\]: systemd handed over no socket; ", daemon.raw[-1]), daemon.raw
    done = subprocess.run([daemon.program, "-t", "-c", "agent.conf"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    daemon = house(config, starter=["/usr/bin/env", "LISTEN_FDS=7"], listening=False)  # and no LISTEN_PID
    assert daemon.wait() == 78


def test_fds_that_are_not_open(house):
    """What $LISTEN_FDS promises, and is not there, is an error, and not another file that is opened later."""
    starter = [sys.executable, "-c", "import os, sys; os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2');"
               "os.closerange(3, 100); os.execv(sys.argv[1], sys.argv[1:])"]
    daemon = house(starter=starter, listening=False)
    assert daemon.wait() == 69
    assert daemon.raw == ["agentd: cannot use the sockets that $LISTEN_FDS promises: Bad file descriptor"]


def test_sockets_beyond_this_machine_need_auth(activate):
    """Promise: agentd is safe by default whoever bound the socket."""
    sockets = [("stream", ["0.0.0.0", 0])]
    daemon = activate(sockets, "systemd", listening=False)
    assert daemon.wait() == 78
    assert re.match(r'agent.conf:\d+: http.listen\[0\]: "0.0.0.0:\d+" can be reached from other machines, and there is '
                    r'no auth', daemon.raw[-1]), daemon.raw
    daemon = activate(sockets, "systemd", more=", allow_unauthenticated: true")
    daemon.address = ("127.0.0.1", daemon.address[1])
    assert daemon.request("GET", "/health", headers={"Host": "anything.example"}).status == 200
    daemon.stop()
    daemon = activate([("stream", ["127.0.0.1", 0])], "systemd")
    reply = daemon.request("GET", "/health", headers={"Host": "anything.example"})
    assert reply.status in (400, 403, 421), reply.body  # on loopback Host is checked, as always
