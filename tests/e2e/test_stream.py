"""Runs as server-sent events, and readers that are slow, or do not read at all."""
import contextlib
import http.client
import json
import os
import re
import socket
import time

import pytest
from conftest import SANITIZED, Stream, wait_for

MB = 1 << 20


def deltas(events):
    return "".join(e.data["text"] for e in events if e.name == "run.delta")


def names(events):
    """The events' names without "run.", a row of the same as one."""
    short = [e.name.removeprefix("run.") for e in events]
    return [n for i, n in enumerate(short) if i == 0 or n != short[i - 1]]


def slow_connect(daemon):
    """A connection that takes only a few KB that are not read."""
    connection = daemon.connect()
    connection.sock = socket.socket()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    connection.sock.settimeout(connection.timeout)
    connection.sock.connect(daemon.address)
    return connection


def slow_stream(daemon, input, **fields):
    connection = slow_connect(daemon)
    connection.request("POST", "/run", json.dumps({"input": input, "stream": True, **fields}))
    return Stream(connection, connection.getresponse())


def rss(daemon, field="VmRSS"):
    with open(f"/proc/{daemon.pid}/status") as status:
        return int(re.search(rf"{field}:\s+(\d+) kB", status.read())[1]) * 1024


def sockets(daemon):
    """How many TCP sockets the daemon has open, its listener among them."""
    with open("/proc/net/tcp") as table:
        inodes = {line.split()[9] for line in table.readlines()[1:]}
    count = 0
    for fd in os.scandir(f"/proc/{daemon.pid}/fd"):
        try:
            link = os.readlink(fd.path)
        except FileNotFoundError:
            continue  # closed since it was listed
        count += link.startswith("socket:[") and link[8:-1] in inodes
    return count


# The shape of a stream.

def test_events(actor):
    """run.started, the deltas and run.finished, with ids that count up from 1."""
    stream = actor.stream("deltas one two three", session_id="s")
    assert stream.status == 200
    assert stream.headers["Content-Type"] == "text/event-stream"
    assert stream.headers["Cache-Control"] == "no-cache"
    assert stream.headers["X-Request-Id"]
    events = list(stream)
    assert [e.id for e in events] == list(range(1, len(events) + 1))
    assert names(events) == ["started", "delta", "finished"]
    run_id = events[0].data["run_id"]
    assert events[0].data == {"run_id": run_id, "session_id": "s", "agent": "actor"}
    assert [e.data for e in events[1:-1]] == [{"text": "one"}, {"text": "two"}, {"text": "three"}]
    assert events[-1].data == {"content": "onetwothree", "run_id": run_id, "session_id": "s",
                               "agent": "actor", "status": "succeeded"}


@pytest.mark.parametrize("headers, fields", [
    ({"Accept": "text/event-stream"}, {}),
    ({"Accept": "application/json, text/event-stream;q=0.9"}, {}),
    ({"Accept": "application/json"}, {"stream": True}),
])
def test_how_to_ask(actor, headers, fields):
    """A stream is asked for in the body or by Accept, on either path."""
    for path in ("/run", "/agents/actor/run"):
        reply = actor.request("POST", path, {"input": "say x", **fields}, headers)
        assert reply.headers["Content-Type"] == "text/event-stream"
        assert reply.body.startswith(b"id: 1\nevent: run.started\ndata: {")
    assert actor.request("POST", "/run", {"input": "say x"}, {"Accept": "*/*"}).json["content"] == "x"


@pytest.mark.parametrize("act", ["say all at once", "deltas a b c", "thread from another", "history"])
def test_deltas_add_up(actor, act):
    """The deltas are the content, also of an agent that does not stream."""
    events = list(actor.stream(act))
    assert deltas(events) == events[-1].data["content"] != ""


def test_empty_answer(actor):
    """An answer without text is no delta, and a success."""
    events = list(actor.stream("say"))
    assert names(events) == ["started", "finished"]
    assert events[-1].data["content"] == ""


@pytest.mark.parametrize("pieces, text", [
    ("e2 82 ac", "€"),
    ("61e2 82ac62", "a€b"),
    ("f09f 9880", "😀"),
    ("f0 9f 98 80 f0 9f 98 80", "😀😀"),
    ("e282 61", "\ufffda"),
    ("e2 e282ac", "\ufffd€"),
    ("ff 61 c0af", "\ufffda\ufffd\ufffd"),
    ("eda080", "\ufffd\ufffd\ufffd"),
    ("f4908080 62", "\ufffd\ufffd\ufffd\ufffdb"),
    ("61 e282", "a\ufffd"),
    ("f09f98", "\ufffd"),
    ("0001 0d0a 2028", "\0\x01\r\n (")])
def test_bytes(actor, pieces, text):
    """A character cut between deltas is held together; what is no UTF-8 is U+FFFD, in both alike."""
    events = list(actor.stream("bytes " + pieces))
    assert events[-1].data["content"] == text
    assert deltas(events) == text
    assert actor.run("bytes " + pieces).json["content"] == text


@pytest.mark.parametrize("json_text", ['{}', '{"n":1,"deep":{"a":[1,"é\\n",null]}}', ' { "a" : "x\\u2028y" } '])
def test_event(actor, json_text):
    """What an agent reports is run.event: its type, and its object as it was."""
    events = list(actor.stream("event tool_call " + json_text))
    assert names(events) == ["started", "event", "delta", "finished"]
    assert events[1].data == {"type": "tool_call", **json.loads(json_text)}
    assert events[-1].data["content"] == "0"


def test_event_with_a_type_of_its_own(actor):
    """An agent's object cannot say another type than its event has, nor any key twice."""
    body = actor.request("POST", "/run", {"input": 'event tool_call {"type":"lie","a":1}', "stream": True}).body
    data = re.search(rb"event: run.event\ndata: (.*)", body)[1]
    pairs = json.loads(data, object_pairs_hook=list)
    assert sorted(pairs) == [("a", 1), ("type", "tool_call")]


@pytest.mark.parametrize("wrong", ["{", "[1]", "7", "null", '{"a":1,"a":2}', '{} {}'])
def test_event_that_is_no_object(actor, wrong):
    """An event that is not a JSON object is left out and logged; the run goes on."""
    events = list(actor.stream("event tool_call " + wrong))
    assert names(events) == ["started", "delta", "finished"]
    assert [e.id for e in events] == [1, 2, 3]
    line = actor.wait_log("event's JSON is not an object")
    assert line["level"] == "warn" and line["run_id"] == events[0].data["run_id"]


@pytest.mark.parametrize("act, fields, status, code", [
    ("fail no\nway", {}, 502, "agent_failed"),
    ("refuse", {}, 502, "agent_failed"),
    ("hang", {"timeout": 0.1}, 504, "timeout"),
])
def test_failed(actor, act, fields, status, code):
    """A stream of a run that fails ends with run.failed and the body of the error."""
    events = list(actor.stream(act, **fields))
    assert names(events) == ["started", "failed"]
    body = events[-1].data
    assert (body["status"], body["code"], body["error"]) == (status, code, body["title"])
    assert body["run_id"] == events[0].data["run_id"] and body["detail"]
    assert actor.run(act, **fields).json.keys() == body.keys()


def test_cancelled(agentd):
    """A stream of a run that somebody cancels ends with run.cancelled."""
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor), on_busy: interrupt } }").wait_ready()
    events = iter(daemon.stream("hang", session_id="s"))
    assert next(events).name == "run.started"
    assert daemon.run("say x", session_id="s").status == 200
    last, = events
    assert last.name == "run.cancelled"
    assert (last.data["status"], last.data["code"]) == (409, "run_cancelled")


def test_thousands_of_deltas_in_order(actor):
    """Small deltas by the thousand arrive complete and in order."""
    words = [str(n) for n in range(3000)]
    events = list(actor.stream("deltas " + " ".join(words)))
    assert deltas(events) == events[-1].data["content"] == "".join(words)


def test_streams_share_a_connection(actor):
    """After a stream has ended its connection takes the next request."""
    connection = actor.connect()
    for n in range(3):
        connection.request("POST", "/run", json.dumps({"input": f"deltas {n} x", "stream": True}))
        assert list(Stream(connection, connection.getresponse()))[-1].data["content"] == f"{n}x"
    connection.close()


def test_http_1_0(actor):
    """A client of HTTP/1.0 gets the plain lines, without chunks, up to the connection's end."""
    body = b'{"input":"deltas a b","stream":true}'
    with actor.socket() as sock:
        sock.sendall(b"POST /run HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        head, _, text = b"".join(iter(lambda: sock.recv(4096), b"")).partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert text.startswith(b"id: 1\nevent: run.started\n") and text.endswith(b"}\n\n")


def test_heartbeat(agentd):
    """While nothing is said, comments keep a stream open, also before the run has its place."""
    daemon = agentd("""
        http: { listen: [ "127.0.0.1:0" ], heartbeat: 50ms }
        agents: { a: { plugin: PLUGIN(actor) } }
    """).wait_ready()
    running, waiting = (daemon.stream("timer 400", session_id="s") for _ in range(2))
    assert names(running) == names(waiting) == ["started", "delta", "finished"]
    assert running.comments >= 2 and waiting.comments >= 2


# Readers that are slow.

FLOOD = """
    http: {{ listen: [ "127.0.0.1:0" ], heartbeat: 50ms, slow_reader: {slow_reader} }}
    agents: {{ a: {{ plugin: PLUGIN(actor) }} }}
    supervision: {{ drain: 100ms, kill: 1s }}
"""


def test_reader_that_pauses(agentd):
    """A client that does not read holds the agent up, not the daemon's memory; then it gets everything."""
    daemon = agentd(FLOOD.format(slow_reader="60s")).wait_ready()
    before = rss(daemon)
    stream = slow_stream(daemon, f"flood {12 * MB}")
    daemon.run("timer 700")  # in which a flood that nobody holds up would be over
    assert daemon.agent("a")["running"] == 1
    assert SANITIZED or rss(daemon) - before < 11 * MB  # content: what the kernel's buffers took, < 4 MB
    events = list(stream)
    assert names(events) == ["started", "delta", "finished"]
    assert deltas(events) == events[-1].data["content"] == "x" * 12 * MB
    held_up = daemon.wait_log(rf"flood of {12 * MB} bytes was held up")["message"]
    assert int(re.search(r"up (\d+) times", held_up)[1]) > 5
    # At the end the answer is held as content and as run.finished; both buffers grow by doubling.
    assert SANITIZED or rss(daemon, "VmHWM") - before < 60 * MB


def test_paused_reader_does_not_hold_up_others(agentd):
    """Another run of the same agent streams at full speed beside one whose reader has stopped."""
    daemon = agentd(FLOOD.format(slow_reader="60s")).wait_ready()
    stuck = slow_stream(daemon, f"flood {12 * MB}")
    events = list(daemon.stream(f"flood {4 * MB}"))
    assert len(events[-1].data["content"]) == 4 * MB
    assert daemon.agent("a")["running"] == 1
    stuck.close()
    wait_for("the run to be cancelled", lambda: daemon.run("cancelled?").json["content"] == "1")


def test_reader_that_is_slow_but_steady(agentd):
    """http.slow_reader is for readers that take nothing: one that takes a little all the time stays."""
    daemon = agentd(FLOOD.format(slow_reader="1s")).wait_ready()
    stream = slow_stream(daemon, f"flood {6 * MB}")
    events, slow_until = iter(stream), time.monotonic() + 2.5
    while time.monotonic() < slow_until:
        next(events), next(events)
        time.sleep(0.01)  # being slow, 200 KB/s, is what is tested
    assert names(list(events)) == ["delta", "finished"]


def test_reader_that_never_reads(agentd):
    """A client that does not read is cut after http.slow_reader, and its run cancelled."""
    daemon = agentd(FLOOD.format(slow_reader="300ms")).wait_ready()
    stream = slow_stream(daemon, f"flood {12 * MB}")
    wait_for("the run to be cancelled", lambda: daemon.run("cancelled?").json["content"] == "1")
    seen = []
    with contextlib.suppress(ConnectionError, http.client.IncompleteRead):
        seen.extend(event.name for event in stream)
    assert "run.finished" not in seen
    assert daemon.run("say alive").json["content"] == "alive"


def test_reader_that_never_reads_a_long_answer(agentd):
    """A client that asks for a long answer and does not take it is cut after http.slow_reader, too."""
    daemon = agentd(FLOOD.format(slow_reader="300ms")).wait_ready()
    connection = slow_connect(daemon)
    connection.request("POST", "/run", json.dumps({"input": f"flood {12 * MB}"}))
    reply = connection.getresponse()
    wait_for("the connection to be closed", lambda: daemon.process.poll() is None and sockets(daemon) == 1)
    with pytest.raises((ConnectionError, http.client.IncompleteRead)):
        reply.read()


def test_stream_longer_than_the_limit(agentd):
    """A stream that outgrows limits.content fails, and says why; the agent lives on."""
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor), limits: { content: 1M } } }").wait_ready()
    pid = daemon.pid_of("a")
    events = list(daemon.stream(f"flood {3 * MB}"))
    assert names(events) == ["started", "delta", "failed"]
    assert MB - 65536 <= len(deltas(events)) <= MB
    assert events[-1].data["code"] == "agent_failed" and "limits.content" in events[-1].data["detail"]
    wait_for("its place to be free", lambda: daemon.agent("a")["running"] == 0)
    assert daemon.pid_of("a") == pid
