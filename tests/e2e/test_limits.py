"""How much at once, how long a wait, and what becomes of a run whose client leaves."""
import json
import re
import socket
import struct

import pytest
from conftest import SANITIZED, Reply, assert_problem, wait_for


def one(agentd, options=""):
    return agentd(f"""
        agents: {{ a: {{ plugin: PLUGIN(actor){options} }} }}
        supervision: {{ drain: 100ms }}
    """).wait_ready()


def cancelled(daemon):
    return int(daemon.run("cancelled?").json["content"])


def post(input, **fields):
    """POST /run as bytes."""
    body = json.dumps({"input": input, **fields}).encode()
    return b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


# How much at once.

def test_queue_and_overload(agentd):
    """concurrency runs, queue waits, and more is 503 overloaded with Retry-After; then they move up."""
    daemon = one(agentd, ", concurrency: 2, queue: 1")
    running = [daemon.start_run("hang") for _ in range(2)]
    wait_for("both to run", lambda: daemon.load("a") == (2, 0))
    waiting = daemon.start_run("say waited")
    wait_for("the third to wait", lambda: daemon.load("a") == (2, 1))
    for stream in (False, True):
        reply = daemon.run("say x", stream=stream)
        assert "run_id" not in assert_problem(reply, 503, "overloaded")
        assert int(reply.headers["Retry-After"]) >= 1
    running[0].close()
    assert Reply(waiting.getresponse()).json["content"] == "waited"
    assert daemon.run("say x").status == 200
    running[1].close()


def test_queue_of_none(agentd):
    """queue: 0 admits a run that has a free place, and no other."""
    daemon = one(agentd, ", concurrency: 1, queue: 0")
    for _ in range(3):
        assert daemon.run("say x").status == 200
    first = daemon.start_run("hang")
    wait_for("it to run", lambda: daemon.load("a") == (1, 0))
    assert_problem(daemon.run("say x"), 503, "overloaded")
    first.close()
    wait_for("it to end", lambda: daemon.load("a") == (0, 0))
    assert daemon.run("say x").status == 200


@pytest.mark.skipif(SANITIZED, reason="it takes 300 MB, several times over")
def test_inputs_have_a_bound(agentd):
    """Runs that wait keep their inputs in memory: more than 256 MiB of them are refused, whatever queues would take."""
    daemon = agentd("""
        http: { listen: [ "127.0.0.1:0" ], max_body: 32M }
        agents: { a: { plugin: PLUGIN(actor), concurrency: 1 } }
        store: { enabled: false }
    """).wait_ready()
    holder = daemon.start_run("hang")
    wait_for("it to run", lambda: daemon.load("a") == (1, 0))
    text, waiting = "say " + "x" * (31 << 20), []
    for _ in range(8):
        waiting.append(daemon.start_run(text))
        wait_for("it to wait", lambda: daemon.load("a") == (1, len(waiting)), 60)
    assert_problem(daemon.run(text), 503, "overloaded")
    waiting.pop().close()
    wait_for("one to be gone", lambda: daemon.load("a") == (1, len(waiting)), 60)
    waiting.append(daemon.start_run(text))
    wait_for("another to wait", lambda: daemon.load("a") == (1, len(waiting)), 60)
    for connection in (*waiting, holder):
        connection.close()


def test_queue_timeout(agentd):
    """A run that waits longer than queue_timeout is 503 overloaded, and never runs."""
    daemon = one(agentd, ", concurrency: 1, queue_timeout: 200ms")
    first = daemon.start_run("hang")
    wait_for("it to run", lambda: daemon.load("a") == (1, 0))
    reply = daemon.run("log it ran")
    body = assert_problem(reply, 503, "overloaded")
    assert "queue_timeout" in body["detail"] and body["run_id"] and reply.headers["Retry-After"]
    events = list(daemon.stream("log it ran"))
    assert [e.name for e in events] == ["run.failed"] and events[0].data["code"] == "overloaded"
    assert daemon.load("a") == (1, 0)
    first.close()
    assert daemon.run("say x").status == 200
    assert not any("it ran" in m for m in daemon.messages())


def test_queue_timeout_counts_the_wait_only(agentd):
    """queue_timeout is about the wait: a run that has begun may take longer."""
    daemon = one(agentd, ", queue_timeout: 100ms")
    assert daemon.run("timer 400").json["content"] == "timer"


def test_timeout_counts_running_only(agentd):
    """timeout is about the running time: a wait before it costs nothing."""
    daemon = one(agentd, ", concurrency: 1")
    first = daemon.start_run("timer 600")
    wait_for("it to run", lambda: daemon.load("a") == (1, 0))
    left = re.search(r"left_ms=(\d+)", daemon.run("request", timeout=1.0).json["content"])[1]
    assert Reply(first.getresponse()).status == 200
    assert 500 < int(left) <= 1000


def test_hundreds_at_once(agentd):
    """A few hundred clients share a few places: all are answered, and never do more run than may."""
    daemon = one(agentd, ", concurrency: 8")
    clients = [daemon.start_run("timer 5") for _ in range(300)]
    most = 0
    for client in clients:
        most = max(most, daemon.load("a")[0])
        assert Reply(client.getresponse()).json["content"] == "timer"
        client.close()
    assert most <= 8


# Clients that leave.

def close(sock):
    sock.close()


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def half_close(sock):
    sock.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("leave", [close, reset, half_close])
@pytest.mark.parametrize("stream", [False, True], ids=["reply", "stream"])
@pytest.mark.parametrize("more", [b"", GET, GET[:9]], ids=["", "pipelined", "part"])
def test_client_that_leaves(agentd, leave, stream, more):
    """A client that leaves cancels its run, at once or nearly, whatever else it has sent, and however."""
    daemon = one(agentd)
    sock = daemon.socket()
    sock.sendall(post("hang", stream=stream) + more)
    wait_for("it to run", lambda: daemon.load("a") == (1, 0))
    leave(sock)
    wait_for("it to be cancelled", lambda: cancelled(daemon) == 1, seconds=2)
    wait_for("its place to be free", lambda: daemon.load("a") == (0, 0))
    sock.close()
    wait_for("its log line", lambda: any(line.get("status") == 499 for line in daemon.log))


@pytest.mark.parametrize("stream", [False, True], ids=["reply", "stream"])
def test_waiting_client_that_leaves(agentd, stream):
    """A run whose client leaves while it waits is taken out of the queue, and never runs."""
    daemon = one(agentd, ", concurrency: 1")
    first, second = daemon.start_run("hang"), daemon.start_run("log it ran", stream=stream)
    wait_for("one to wait", lambda: daemon.load("a") == (1, 1))
    second.sock.close()
    wait_for("none to wait", lambda: daemon.load("a") == (1, 0))
    first.close()
    assert cancelled(daemon) == 1
    assert not any("it ran" in m for m in daemon.messages())


@pytest.mark.parametrize("stream", [False, True], ids=["reply", "stream"])
def test_on_disconnect_continue(agentd, stream):
    """on_disconnect: continue lets a run go on without its client, and remembers it."""
    daemon = one(agentd, ", on_disconnect: continue")
    sock = daemon.socket()
    sock.sendall(post("timer 1000", session_id="s", stream=stream))
    wait_for("it to run", lambda: daemon.load("a") == (1, 0))
    sock.close()
    wait_for("the client to be missed", lambda: any(line.get("status") == 499 for line in daemon.log))
    assert cancelled(daemon) == 0
    history = daemon.run("history", session_id="s").json["content"]
    assert "assistant:timer" in history


# Pipelining.

def responses(sock, count):
    """The next answers on a connection, in order."""
    replies, file = [], sock.makefile("rb")
    for _ in range(count):
        status = int(file.readline().split()[1])
        head = dict(line.decode().strip().lower().split(": ", 1) for line in iter(file.readline, b"\r\n"))
        replies.append((status, json.loads(file.read(int(head["content-length"])))))
    return replies


@pytest.mark.parametrize("together", [True, False])
def test_pipelined_request_waits(agentd, together):
    """A request that comes while another is held changes nothing, and is answered after it, in order."""
    daemon = one(agentd)
    many = GET * 500 + post("say last")
    with daemon.socket() as sock:
        sock.sendall(post("timer 300") + (many if together else b""))
        wait_for("it to run", lambda: daemon.load("a") == (1, 0))
        if not together:
            sock.sendall(many)
        (_, first), *health, (_, last) = responses(sock, 502)
    assert first["content"] == "timer" and last["content"] == "last"
    assert all(reply == (200, {"status": "ok", "agent": "a"}) for reply in health)


def test_pipelined_request_waits_for_a_stream(agentd):
    """A request that comes during a stream is answered after it."""
    daemon = one(agentd)
    with daemon.socket() as sock:
        sock.sendall(post("timer 200", stream=True) + GET)
        wait_for("it to run", lambda: daemon.load("a") == (1, 0))
        text = b""
        while not text.endswith(b'"agent":"a"}\n'):
            more = sock.recv(65536)
            assert more, text
            text += more
    stream, _, health = text.partition(b"\r\n0\r\n\r\n")
    assert b"event: run.finished" in stream and health.startswith(b"HTTP/1.1 200 OK\r\n")
