"""Stopping: what was accepted is answered, nothing new is taken, and nothing stays behind."""
import json
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from conftest import SLOW, Stream, wait_for
from test_stream import slow_connect


@pytest.fixture
def start(agentd):
    """start(supervision, options of the agent) → a daemon with an actor that is ready."""
    return lambda supervision="drain: 30s", options="start: ready": agentd(f"""
        agents: {{ actor: {{ plugin: PLUGIN(actor), {options} }} }}
        supervision: {{ {supervision} }}
    """).wait_ready()


def wait_running(daemon, running, queued=0):
    def probe():
        agent = daemon.agent("actor")
        return (agent["running"], agent["queued"]) == (running, queued)
    wait_for(f"{running} runs in flight", probe)


def stop(daemon, number=signal.SIGTERM):
    daemon.terminate(number)
    daemon.wait_log("^stopping")


def wait_refusal(daemon):
    def probe():
        try:
            daemon.socket().close()
        except ConnectionRefusedError:
            return True
        return False
    wait_for("new connections to be refused", probe)


def gone(pid):
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def answer(connection):
    response = connection.getresponse()
    return response, json.loads(response.read())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_in_flight_is_answered_and_new_connections_are_refused(start, number):
    """Promise: TERM and INT drain: who was accepted gets 200 with Connection: close, exit code 0."""
    daemon = start()
    host = daemon.pid_of("actor")
    connection = daemon.start_run(f"timer {500 * SLOW}")
    wait_running(daemon, 1)
    stop(daemon, number)
    wait_refusal(daemon)
    response, body = answer(connection)
    assert (response.status, body["content"]) == (200, "timer")
    assert response.headers["Connection"] == "close"
    assert daemon.wait() == 0
    assert daemon.messages()[-1] == "stopped"
    assert gone(host)


def test_a_run_that_is_being_written_down_is_answered_too(start):
    """Bug: a stream whose run was on its way into the store when the last of the others ended found its agent
    stopped. It was admitted, so it is answered."""
    daemon = start()
    [path] = (daemon.cwd / "state").rglob("agentd.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")  # now agentd has to wait for the store
        connection = daemon.connect()
        connection.request("POST", "/run", json.dumps({"input": "say late", "stream": True}))
        for _ in (1, 2):  # who comes after it is answered in the same turn of the loop at the earliest
            assert daemon.get("/health").status == 200
        stop(daemon)
        time.sleep(0.3)  # there is no run: the agent would be stopped in that time
        db.execute("ROLLBACK")
    names = [event.name for event in Stream(connection, connection.getresponse())]
    assert names[0] == "run.started" and names[-1] == "run.finished"
    assert daemon.wait() == 0


def test_runs_that_wait_are_answered_too(start):
    """Promise: a run that was accepted and waits for a place is served before the end."""
    daemon = start(options="concurrency: 1")
    runs = [daemon.start_run(f"timer {200 * SLOW}") for _ in range(3)]
    wait_running(daemon, 1, 2)
    stop(daemon)
    assert [answer(connection)[0].status for connection in runs] == [200] * 3
    assert daemon.wait() == 0


def test_a_stream_ends_with_its_run(start):
    """Promise: a stream in flight gets its run.finished, and its connection is closed then."""
    daemon = start()
    stream = daemon.stream(f"timer {500 * SLOW}")
    events = iter(stream)
    assert next(events).name == "run.started"
    stop(daemon)
    rest = list(events)
    assert [event.name for event in rest] == ["run.delta", "run.finished"]
    assert rest[-1].data["content"] == "timer"
    assert daemon.wait() == 0


def test_a_request_behind_a_long_reply_is_answered_too(start):
    """Bug: one that came while the reply before it was on its way got a reset, which took the end of that reply along."""
    daemon = start()
    with slow_connect(daemon).sock as sock:
        sock.sendall(b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 25\r\n\r\n" b'{"input":"flood 8388608"}')
        answers = sock.recv(1000)
        stop(daemon)
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answers += b"".join(iter(lambda: sock.recv(1 << 20), b""))
    first, second = answers.split(b"\nHTTP/1.1 200 OK\r\n")
    head, _, body = first.partition(b"\r\n\r\n")
    assert b"\r\nConnection:" not in head and len(json.loads(body)["content"]) == 8 << 20
    assert b"\r\nConnection: close\r\n" in second
    assert daemon.wait() == 0


@pytest.mark.parametrize("body", [None, b'{"input":"say x"}', [b'{"input":', b'"say x"}']], ids=["none", "sized", "chunked"])
def test_idle_connections_are_closed_at_once(start, body):
    """Bug class: a keep-alive connection that nobody uses holds up the stop. One whose last body came in chunks counted as
    in the middle of a request."""
    daemon = start()
    idle = daemon.connect()
    idle.request("POST" if body else "GET", "/run" if body else "/health", body)
    assert idle.getresponse().read()
    fresh = daemon.socket()  # has never sent anything
    connection = daemon.start_run(f"timer {500 * SLOW}")
    wait_running(daemon, 1)
    stop(daemon)
    assert connection.getresponse().status == 200
    assert daemon.wait() == 0
    assert idle.sock.recv(1) == b""
    fresh.close()


def test_a_request_that_was_on_its_way_is_refused_by_name(start):
    """Promise: a request whose first half came before the stop gets 503 draining, with Retry-After,
    and its connection ends."""
    daemon = start()
    body = b'{"input":"say hello"}'
    sock = daemon.socket()
    sock.sendall(b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:5])
    daemon.get("/health")  # the loop has seen what was sent before
    connection = daemon.start_run(f"timer {500 * SLOW}")
    wait_running(daemon, 1)
    stop(daemon)
    sock.sendall(body[5:])
    reply = b""
    while piece := sock.recv(4096):
        reply += piece
    head, _, text = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503") and b"Retry-After:" in head
    assert json.loads(text)["code"] == "draining"
    assert connection.getresponse().status == 200
    assert daemon.wait() == 0


@pytest.mark.parametrize("act", ["hang", "ignore", "block 60000"])
def test_the_deadline_of_a_drain_ends_what_hangs(start, act):
    """Promise: after supervision.drain a run that does not end is answered 503 draining, its host is
    told to end, then killed; the exit code is 0."""
    daemon = start("drain: 300ms, kill: 200ms")
    host = daemon.pid_of("actor")
    connection = daemon.start_run(act)
    wait_running(daemon, 1)
    stop(daemon)
    response, problem = answer(connection)
    assert (response.status, problem["code"]) == (503, "draining")
    assert problem["run_id"] and response.headers["Retry-After"]
    assert daemon.wait() == 0
    daemon.wait_log("1 run did not end in time and is given up")
    assert gone(host)


def test_the_deadline_of_a_drain_ends_streams(start):
    """Promise: a stream whose run is given up ends with run.failed, code draining."""
    daemon = start("drain: 300ms, kill: 200ms")
    stream = daemon.stream("hang")
    events = iter(stream)
    assert next(events).name == "run.started"
    stop(daemon)
    [last] = list(events)
    assert (last.name, last.data["code"]) == ("run.failed", "draining")
    assert daemon.wait() == 0


def test_a_second_signal_stops_at_once(start):
    """Promise: who cannot wait for the drain sends a second TERM; hosts end with the daemon."""
    daemon = start("drain: 1h, kill: 1h")
    host = daemon.pid_of("actor")
    connection = daemon.start_run("ignore")
    wait_running(daemon, 1)
    stop(daemon)
    assert daemon.process.poll() is None
    daemon.terminate()
    assert daemon.wait() == 0
    daemon.wait_log("again")
    wait_for("the host to be gone", lambda: gone(host))
    connection.close()


def test_a_run_that_is_over_holds_up_nothing(start):
    """Bug: a run that had got its 504 long ago, and ignored its cancel, held up the stop of an idle
    daemon for the whole of supervision.drain."""
    daemon = start("drain: 1h, kill: 1s")
    assert daemon.run("ignore", timeout=0.1).status == 504
    stop(daemon)
    assert daemon.wait(5) == 0


@pytest.mark.parametrize("state, options", [
    ("starting", "start: never"), ("backoff", "start: crash"), ("failed", "start: exit78")])
def test_an_agent_in_any_state_can_be_stopped(agentd, state, options):
    """Bug class: a stop that waits for the end of a process that is not there."""
    daemon = agentd(f"""
        agents: {{ actor: {{ plugin: PLUGIN(actor), {options} }} }}
        supervision: {{ backoff_min: 1h, backoff_max: 1h, drain: 1h, kill: 1h }}
    """)
    wait_for(state, lambda: daemon.agent("actor")["state"] == state)
    daemon.terminate()
    assert daemon.wait(5) == 0


def test_many_hosts_stop_beside_each_other(agentd):
    """Bug class: hosts stopped one after the other, each with its own grace."""
    agents = "".join(f"  a{i}: {{ plugin: PLUGIN(actor) }}\n" for i in range(8))
    daemon = agentd(f"agents:\n{agents}supervision: {{ drain: 1s, kill: 1s }}").wait_ready()
    hosts = [daemon.pid_of(f"a{i}") for i in range(8)]
    runs = [daemon.start_run("block 60000", agent=f"a{i}") for i in range(8)]
    wait_for("all to run", lambda: all(a["running"] for a in daemon.get("/agents").json["agents"]))
    begin = time.monotonic()
    stop(daemon)
    assert daemon.wait() == 0
    assert time.monotonic() - begin < 8 * 2  # one drain, TERM and KILL, not eight
    assert all(map(gone, hosts))
    for connection in runs:
        connection.close()
