"""The front door itself: routes, headers, framing, connections and their limits, and the access log."""
import json
import os
import re
import select
import socket
import time

import pytest
from conftest import SANITIZED, SLOW, assert_problem, wait_for
from credentials import Control
from test_stream import slow_connect

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture
def echo(agentd):
    return agentd("agents: { hello: { plugin: echo } }").wait_ready()


def with_http(agentd, options, agents="hello: { plugin: echo }"):
    return agentd(f"""
        http: {{ listen: [ "127.0.0.1:0" ], {options} }}
        agents: {{ {agents} }}
    """).wait_ready()


def exchange(daemon, *requests):
    """Sends bytes; all that comes back, up to the end of the connection."""
    answer = b""
    with daemon.socket() as sock:
        sock.sendall(b"".join(requests))
        try:
            while more := sock.recv(65536):
                answer += more
        except ConnectionResetError:
            pass  # closed with more of ours unread
    return answer


def status(answer):
    """Of the first response in some bytes."""
    return int(re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)[1])


def post(head, body=b'{"input":"x"}'):
    return b"POST /run HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n" + body


# Health and agents.

def test_health(echo):
    """/health says that the loop runs, and which agent is the default."""
    reply = echo.get("/health")
    assert (reply.status, reply.json) == (200, {"status": "ok", "agent": "hello"})


def test_ready(agentd):  # defect 15 of the original
    """/ready is 503, with the names, until every agent is READY; /health is 200 all the while."""
    daemon = agentd("""
        agents: { a: { plugin: echo }, b: { plugin: PLUGIN(actor), start: never },
                  c: { plugin: PLUGIN(actor), start: exit78 } }
        supervision: { kill: 200ms }
    """).wait_ready("a")
    reply = daemon.get("/ready")
    assert (reply.status, reply.json) == (503, {"status": "not ready", "not_ready": ["b", "c"]})
    assert daemon.get("/health").status == 200
    assert daemon.run("x", agent="a").status == 200


def test_ready_when_all_are(echo):
    """/ready is 200 when every agent is READY."""
    reply = echo.get("/ready")
    assert (reply.status, reply.json) == (200, {"status": "ready", "not_ready": []})


def test_agents(agentd):
    """/agents lists every agent, in the config's order, with the fields that operators look for."""
    daemon = agentd("""
        agents:
          b: { plugin: PLUGIN(actor), concurrency: 3, queue: 5, timeout: 1500ms, password: hush,
               limits: { files: 99 } }
          a: { plugin: echo }
    """).wait_ready()
    b, a = daemon.get("/agents").json["agents"]
    pids = b.pop("pids")
    assert len(pids) == 1 and pids[0] not in (daemon.pid, a["pids"][0])
    limits = b.pop("limits")
    assert limits == {"concurrency": 3, "queue": 5, "timeout": 1.5, "queue_timeout": 30,
                      "memory": 0, "files": 99}
    assert b == {"name": "b", "plugin": "actor", "version": "1.2.3", "summary": "does what its input says",
                 "state": "ready", "generation": 1, "restarts": 0, "last_exit": None, "next_retry_at": None,
                 "running": 0, "queued": 0, "triggers": []}
    assert a["name"] == "a" and a["plugin"] == "echo"
    assert daemon.agent("a") == a
    assert b"hush" not in daemon.get("/agents").body


# Routes.

@pytest.mark.parametrize("path", ["/", "/nothing", "/health/", "/agents/", "/agents//run", "/agents/nobody",
                                  "/agents/hello/stop", "/agents/hello/run/x", "/HEALTH", "/openapi.json",
                                  "/docs", "/%22%C3%A9"])
def test_not_found(echo, path):
    """What is not there is 404, and never something near it."""
    assert_problem(echo.get(path), 404, "not_found")


@pytest.mark.parametrize("method, path, allow", [
    ("POST", "/health", {"GET", "HEAD", "OPTIONS"}),
    ("DELETE", "/agents", {"GET", "HEAD", "OPTIONS"}),
    ("PUT", "/agents/hello", {"GET", "HEAD", "OPTIONS"}),
    ("GET", "/run", {"POST", "OPTIONS"}),
    ("HEAD", "/run", {"POST", "OPTIONS"}),
    ("PATCH", "/agents/hello/run", {"POST", "OPTIONS"}),
])
def test_method_not_allowed(echo, method, path, allow):
    """Another method than the route's is 405, with Allow, and OPTIONS tells the same."""
    reply = echo.request(method, path)
    assert reply.status == 405
    assert set(reply.headers["Allow"].split(", ")) == allow
    if method != "HEAD":
        assert_problem(reply, 405, "method_not_allowed")
    options = echo.request("OPTIONS", path)
    assert (options.status, options.body) == (204, b"")
    assert set(options.headers["Allow"].split(", ")) == allow


@pytest.mark.parametrize("path", ["/health", "/agents", "/nothing", "/run"])
def test_head(echo, path):
    """HEAD is GET without the body, so that the next answer on the connection is found."""
    answer = exchange(echo, b"HEAD %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode(), LAST)
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n"), rest[:80]
    assert status(answer) == echo.get(path).status


def test_head_of_a_stream(actor):
    """Bug: a HEAD for the events of a run held its connection until that was over, and what came behind it waited."""
    stream = actor.stream("hang")
    run_id = next(iter(stream)).data["run_id"]
    answers = exchange(actor, b"HEAD /runs/%s/events HTTP/1.1\r\nHost: localhost\r\n\r\n" % run_id.encode(), LAST)
    head, _, rest = answers.partition(b"\r\n\r\n")
    assert b"\r\nContent-Type: text/event-stream\r\n" in head and rest.startswith(b"HTTP/1.1 200 OK")
    stream.close()


@pytest.mark.parametrize("target, expected", [
    ("/health?x=1&y", 200), ("/%68e%61lth", 200), ("/agents/%68ello", 200),
    ("//health", 400), ("/./health", 400), ("/agents/../health", 400), ("/agents/%2e%2e/health", 400),
    ("/%2E/health", 400), ("/%2e%2e", 400), ("/agents%2fhello", 400), ("/health%00", 400), ("/%00", 400),
    ("/health#x", 400), ("/%zz", 400), ("/%2", 400), ("/%", 400), ("/%ff", 400), ("/%c0%af", 400),
    ("/he alth", 400), ("/health\x01", 400), ("/h\xe9alth", 400), ("health", 400),
])
def test_targets(echo, target, expected):
    """A target that could be read in two ways is refused, not resolved."""
    answer = exchange(echo, b"GET " + target.encode("latin-1") + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", LAST)
    assert status(answer) == expected
    if target == "/agents%2fhello":
        assert b"the path is not acceptable: it has a broken escape, or one of / or NUL" in answer


# Headers.

@pytest.mark.parametrize("given", ["abc-123", "a" * 64, "A.b_c:d/e+f=", "01a20273-c25b-7cc0-814e-4b68d530cf76"])
def test_request_id_taken_over(echo, given):
    """A client's X-Request-Id is returned and logged."""
    assert echo.request("GET", "/health", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given
    wait_for("the log line", lambda: any(line.get("request_id") == given for line in echo.log))


@pytest.mark.parametrize("given", [None, "", "a" * 65, "a b", "<script>", "a\"b", "a,b", "é", "a\tb"])
def test_request_id_made(echo, given):
    """An X-Request-Id that is missing, long or not plain is replaced by one of ours."""
    headers = {} if given is None else {"X-Request-Id": given.encode("latin-1")}
    for path in ("/health", "/nothing"):
        assert UUID7.fullmatch(echo.request("GET", path, headers=headers).headers["X-Request-Id"])


def test_response_headers(echo):
    """Answers have a type, a length and a date, and do not say what made them."""
    headers = echo.run("x").headers
    assert headers["Content-Type"] == "application/json"
    assert int(headers["Content-Length"]) > 0 and headers["Date"]
    assert "Server" not in headers and "Transfer-Encoding" not in headers


# Framing.

GOOD = {
    "length": post(b"Content-Length: 13\r\n"),
    "lower case, no space": post(b"content-length:13\r\n"),
    "Expect": post(b"Content-Length: 13\r\nExpect: 100-continue\r\n"),
    "chunks": post(b"Transfer-Encoding: chunked\r\n", b'4\r\n{"in\r\n09\r\nput":"x"}\r\n0\r\n\r\n'),
    "HTTP/1.0": post(b"Content-Length: 13\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"),
}


@pytest.mark.parametrize("request_", GOOD.values(), ids=GOOD.keys())
def test_good_framing(echo, request_):
    """Every proper way to send a body is understood."""
    with echo.socket() as sock:  # which stays open: the answer must not wait for its end
        sock.sendall(request_)
        text = b""
        while not text.endswith(b'"status":"succeeded"}\n'):
            more = sock.recv(65536)
            assert more, text
            text += more


CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNK = b'\r\n{"input":"x"}\r\n0\r\n\r\n'
BROKEN = {
    "two lengths": post(b"Content-Length: 13\r\nContent-Length: 5\r\n"),
    "two lengths, the first of none": post(b"Content-Length: 0\r\nContent-Length: 41\r\n", HEALTH),
    "negative length": post(b"Content-Length: -1\r\n"),
    "length with a sign": post(b"Content-Length: +13\r\n"),
    "length with a letter": post(b"Content-Length: 13x\r\n"),
    "length in hex": post(b"Content-Length: 0x0d\r\n"),
    "list of lengths": post(b"Content-Length: 13, 13\r\n"),
    "length past 64 bits": post(b"Content-Length: 99999999999999999999999\r\n"),
    "empty length": post(b"Content-Length: \r\n", HEALTH),
    "space before the colon": post(b"Content-Length : 41\r\n", HEALTH),
    "length and chunks": post(b"Content-Length: 3\r\n" + CHUNKED, b"d" + CHUNK),
    "other coding": post(b"Transfer-Encoding: gzip, chunked\r\n", b"d" + CHUNK),
    "unknown coding": post(b"Transfer-Encoding: xchunked\r\n", b"d" + CHUNK),
    "chunk with a prefix": post(CHUNKED, b"0xd" + CHUNK),
    "chunk with a sign": post(CHUNKED, b"+d" + CHUNK),
    "chunk of letters": post(CHUNKED, b"zz" + CHUNK),
    "negative chunk": post(CHUNKED, b"-1" + CHUNK),
    "chunk without its end": post(CHUNKED, b'd\r\n{"input":"x"}XX0\r\n\r\n'),
    "NUL in a field": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
    "nameless field": b"GET /health HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n",
    "field without a colon": b"GET /health HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
    "folded field": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
    "bare line feeds": b"GET /health HTTP/1.1\nHost: localhost\n\n",
    "NUL at the start of a line": b"GET /health HTTP/1.1\r\nHost: localhost\r\n\0\r\n\r\n",
    "control character": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: \x01\r\n\r\n",
    "no Host": b"GET /health HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    "HEAD with a body": b"HEAD /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 41\r\n\r\n" + HEALTH,
    "absolute target": b"GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a version of the future": b"GET /health HTTP/1.2\r\nHost: localhost\r\n\r\n",
    "HTTP/0.9": b"GET /health\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50) + b"\r\n\r\n",
    "unknown method": b"BREW /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TRACE": b"TRACE /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("request_", BROKEN.values(), ids=BROKEN.keys())
def test_broken_framing(echo, request_):
    """What a proxy in front may read otherwise is refused, and nothing that follows it is heard."""
    answer = exchange(echo, request_, LAST)
    assert not answer or status(answer) in (400, 413, 501, 505), answer[:300]
    assert b'"status":"ok"' not in answer and b'"succeeded"' not in answer


@pytest.mark.parametrize("method", ["BREW", "TRACE", "CONNECT", "get", "GETS", "PROPFIND"])
def test_unknown_method(echo, method):
    """A method that no route can have is 501 as every other error, and what follows is not heard."""
    answer = exchange(echo, method.encode() + b" /health HTTP/1.1\r\nHost: localhost\r\n\r\n", LAST)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 501 Not Implemented\r\nContent-Type: application/problem+json\r\n")
    assert b"\r\nConnection: close\r\n" in head
    assert json.loads(body)["code"] == "not_implemented"


@pytest.mark.parametrize("body", [b'd;a=b\r\n{"input":"x"}\r\n0\r\n\r\n', b"d" + CHUNK[:-2] + b"T: 1\r\n\r\n"],
                         ids=["extension", "trailer"])
def test_odd_chunks(echo, body):
    """Chunk extensions and trailers are ignored, or refused; never is the next request found elsewhere."""
    answer = exchange(echo, post(CHUNKED, body), LAST)
    understood = b'"succeeded"' in answer and b'"status":"ok"' in answer
    assert understood or status(answer) == 400 and b'"status":"ok"' not in answer


EXPECTING = post(CHUNKED + b"Expect: 100-continue\r\n", b"")


def test_continue_behind_another_request(echo):
    """Bug: who asked behind another request whether to go on, with a chunked body, was told once that body came."""
    with echo.socket() as sock:
        sock.sendall(HEALTH + EXPECTING)
        told = read_until(sock, b"HTTP/1.1 100 Continue\r\n\r\n")
        assert status(told) == 200 and told.endswith(b"}\nHTTP/1.1 100 Continue\r\n\r\n")
        sock.sendall(b"d" + CHUNK)
        assert status(read_until(sock, b'"succeeded"')) == 200


def test_continue_is_not_said_late(actor):
    """Bug: if the body had come already, it was told in the midst of a later stream's chunks."""
    body = b'{"input":"hang","stream":true}'
    with actor.socket() as sock:
        sock.sendall(HEALTH + EXPECTING + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        began = read_until(sock, b"run.started")
        sock.sendall(LAST)
        run_id = actor.get("/runs?status=running").json["runs"][0]["run_id"]
        assert actor.request("POST", f"/runs/{run_id}/cancel").status == 202
        assert b"100 Continue" not in began + read_until(sock, b'"status":"ok"')


def test_continue_is_not_said_to_who_is_refused(agentd):
    """A body that is too large already is refused, and not asked for."""
    daemon = with_http(agentd, "max_body: 1000")
    assert status(exchange(daemon, EXPECTING, b"7d0\r\n")) == 413


@pytest.mark.parametrize("head", [b"Content-Length: 2000\r\n", b"Content-Length: 2000\r\nExpect: 100-continue\r\n",
                                  b"Transfer-Encoding: chunked\r\n"])
def test_body_too_large(agentd, head):
    """A body over max_body is 413 as soon as that is known, and one of max_body is taken."""
    daemon = with_http(agentd, "max_body: 1000")
    body = b'{"input":"%s"}' % (b"x" * 988)
    assert daemon.request("POST", "/run", body).status == 200
    refused = assert_problem(daemon.request("POST", "/run", body + b" "), 413, "payload_too_large")
    assert refused["detail"] == "the body is larger than http.max_body: at most 1000 bytes are taken"
    with daemon.socket() as sock:
        sock.sendall(post(head, b"7d0\r\n" if b"chunked" in head else b""))
        assert status(sock.recv(4096)) == 413


@pytest.mark.parametrize("target, fields, expected", [
    (b"/health", b"X: 1\r\n" * 99, {200}),  # and Host
    (b"/health", b"X: 1\r\n" * 100, {400, 431}),
    (b"/health", b"X: %s\r\n" % (b"x" * 16_000), {200}),
    (b"/health", b"X: %s\r\n" % (b"x" * 17_000), {400, 431}),
    (b"/health?" + b"x" * 17_000, b"", {400, 414}),
], ids=["100 fields", "101 fields", "16 KB field", "17 KB field", "17 KB target"])
def test_head_is_bounded(echo, target, fields, expected):
    """A head has at most 16 KiB and 100 fields; nothing after a longer one is heard."""
    answer = exchange(echo, b"GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (target, fields), LAST)
    assert status(answer) in expected
    assert 200 in expected or b'"status":"ok"' not in answer


# Connections.

@pytest.mark.parametrize("start, drip", [
    (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: ", b"x"), (b"", b"\r\n"), (b"", b"G"),
    (post(b"Content-Length: 9999\r\n", b""), b" "),
    (post(b"Transfer-Encoding: chunked\r\n", b""), b"1\r\nx\r\n"),
], ids=["head", "empty lines", "first line", "body", "chunks"])
def test_request_timeout(agentd, start, drip):
    """A request that comes byte by byte is cut when the time for the whole is over."""
    daemon = with_http(agentd, "request_timeout: 300ms")
    with daemon.socket() as sock:
        sock.sendall(start)

        def is_cut():
            try:
                if select.select([sock], [], [], 0.02)[0]:
                    return not sock.recv(4096) or True
                sock.sendall(drip)
            except ConnectionError:
                return True
            return False
        wait_for("the connection to be cut", is_cut, seconds=4)
    assert daemon.get("/health").status == 200


def test_connection_that_says_nothing(agentd):
    """A connection on which nothing comes is closed after request_timeout."""
    daemon = with_http(agentd, "request_timeout: 200ms")
    with daemon.socket() as sock:
        assert sock.recv(1) == b""


def test_request_timeout_is_not_about_the_answer(agentd):
    """A run may take longer than request_timeout and keep_alive."""
    daemon = with_http(agentd, "request_timeout: 100ms, keep_alive: 100ms", "a: { plugin: PLUGIN(actor) }")
    assert daemon.run("timer 500").json["content"] == "timer"
    assert [e.name for e in daemon.stream("timer 500")][-1] == "run.finished"


def test_keep_alive(agentd):
    """A connection takes one request after another, and is closed when none comes for keep_alive."""
    daemon = with_http(agentd, "keep_alive: 300ms")
    connection = daemon.connect()
    for n in range(50):
        connection.request("POST", "/run", json.dumps({"input": str(n)}))
        assert json.loads(connection.getresponse().read())["content"] == str(n)
    assert connection.sock.recv(1) == b""
    connection.close()


@pytest.mark.parametrize("version, field, stays", [
    ("1.1", "", None), ("1.1", "Connection: keep-alive\r\n", None), ("1.1", "Connection: closed\r\n", None),
    ("1.1", "Connection: close\r\n", "close"), ("1.1", "connection: keep-alive, Close\r\n", "close"),
    ("1.1", "Connection: upgrade\r\nConnection: close\r\n", "close"),
    ("1.0", "", "close"), ("1.0", "Connection: keep-alive\r\n", "keep-alive"), ("1.0", "Connection: close\r\n", "close"),
    ("1.0", "Connection: te, keep-alive\r\n", "keep-alive"), ("1.0", "Connection: te\r\nConnection: keep-alive\r\n", "keep-alive"),
])
def test_connection_field(echo, version, field, stays):
    """The connection ends after the answer if its client says so (RFC 9112, section 9.3), and the answer tells."""
    request = f"GET /health HTTP/{version}\r\nHost: localhost\r\n{field}\r\n".encode()
    answers = exchange(echo, request, LAST).split(f"HTTP/{version} 200 OK".encode(), 1)[1]
    first, second = answers.partition(b"HTTP/1.1 200 OK")[::2]
    head = first.partition(b"\r\n\r\n")[0]
    assert head.count(b"Connection:") == (stays is not None)
    assert stays is None or f"Connection: {stays}".encode() in head
    assert bool(second) == (stays != "close")


@pytest.mark.parametrize("pause", [0, 0.002])
def test_large_answers(agentd, pause):
    """An answer that the socket does not take at once arrives whole, also to one who reads slowly, and the next behind it."""
    daemon = with_http(agentd, "max_body: 16MiB, slow_reader: 2s")
    text = "".join(chr(97 + i % 26) for i in range(8 << 20))
    connection = daemon.connect()
    for n in range(2):
        connection.request("POST", "/run", json.dumps({"input": text + str(n)}))
        reply, got = connection.getresponse(), b""
        while piece := reply.read(1 << 16 if pause else None):
            got += piece
            time.sleep(pause)
        assert json.loads(got)["content"] == text + str(n)
    connection.close()


def test_bytes_behind_the_last_request(agentd):
    """Bug: they made the close a reset, which took along what had not left of the answer."""
    daemon = with_http(agentd, "max_body: 16MiB")
    connection = slow_connect(daemon)
    connection.request("POST", "/run", json.dumps({"input": "x" * (8 << 20)}), {"Connection": "close"})
    sock, reply = connection.sock, connection.getresponse()
    sock.sendall(HEALTH * 5000)
    assert json.loads(reply.read())["content"] == "x" * (8 << 20)


def test_who_is_still_sending_reads_why_it_is_refused(agentd):
    """A body that is refused by its length may go on for a while: its client gets 413, and no reset."""
    daemon = with_http(agentd, "max_body: 1KiB")
    with daemon.socket() as sock:
        sock.sendall(b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8388608\r\n\r\n")
        for _ in range(128):
            sock.sendall(bytes(65536))
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert status(answer) == 413 and json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "payload_too_large"
    wait_for("it to be gone", lambda: "\nagentd_http_connections 1\n" in daemon.get("/metrics").body.decode())


def test_who_never_stops_sending_is_cut(agentd):
    """Nor does it go on for ever."""
    daemon = with_http(agentd, "max_body: 1KiB")
    with daemon.socket() as sock, pytest.raises(ConnectionError):
        sock.sendall(b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8388608\r\n\r\n")
        while True:
            sock.sendall(bytes(1024))


def test_answer_that_is_read_slowly(agentd):
    """Who reads a large answer slowly, and all the time, is not cut: slow_reader is for those who take nothing."""
    daemon = with_http(agentd, f"max_body: 16MiB, slow_reader: {SLOW}s")
    body = json.dumps({"input": "x" * (4 << 20)}).encode()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(10 * SLOW)
        sock.connect(daemon.address)
        sock.sendall(b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        got, end = len(sock.recv(1024)), time.monotonic() + 2 * SLOW
        while time.monotonic() < end:
            time.sleep(0.05)
            got += len(sock.recv(1024))
        while got < len(body):
            more = sock.recv(1 << 20)
            assert more, f"cut after {got} bytes"
            got += len(more)


def test_answer_that_nobody_reads(agentd):
    """Who asks for a large answer and does not read it is cut after slow_reader."""
    daemon = with_http(agentd, "max_body: 16MiB, slow_reader: 300ms")
    body = json.dumps({"input": "x" * (12 << 20)}).encode()
    with daemon.socket() as sock:
        sock.sendall(b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        wait_for("it to be cut", lambda: "\nagentd_http_connections 1\n" in daemon.get("/metrics").body.decode())
        assert sum(map(len, iter(lambda: sock.recv(1 << 20), b""))) < len(body)
    assert daemon.get("/health").status == 200


def test_max_connections(agentd):
    """Connections beyond max_connections wait, and are served when others leave."""
    daemon = with_http(agentd, "max_connections: 3")
    wait_for("the test's own to be gone", lambda: daemon.get("/health").status == 200)
    socks = [daemon.socket() for _ in range(7)]
    for sock in socks:
        sock.sendall(HEALTH)
    served = set()

    def read_some():
        for sock in select.select(set(socks) - served, [], [], 0.3)[0]:
            assert b"200 OK" in sock.recv(4096)
            served.add(sock)
        return len(served)
    wait_for("three to be served", lambda: read_some() >= 3)
    assert read_some() == 3
    for n in range(4, 8):
        next(s for s in socks if s in served and s.fileno() >= 0).close()
        wait_for(f"{n} to be served", lambda: read_some() == n)
    for sock in socks:
        sock.close()
    assert daemon.get("/health").status == 200


# Unix sockets.

@pytest.fixture
def unix(agentd, tmp_path):
    """Starts daemons that listen on a socket file, too; its path."""
    def start(**more):
        return agentd("""
            http: { listen: [ "127.0.0.1:0", "unix:%s/s" ] }
            agents: { hello: { plugin: echo } }
        """ % tmp_path, **more)
    start.path = tmp_path / "s"
    return start


def ask(path, request=HEALTH):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10 * SLOW)
        sock.connect(str(path))
        sock.sendall(request)
        return status(sock.recv(4096))


def test_unix_socket(unix):
    """unix:PATH serves the same, for the owner and the group; its file goes with the daemon."""
    daemon = unix()
    assert ask(unix.path) == 200
    assert unix.path.stat().st_mode & 0o777 == 0o660
    daemon.stop()
    assert not unix.path.exists()


def test_stale_unix_socket(unix):
    """A socket file that a killed process left behind is replaced."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(unix.path))
    unix()
    assert ask(unix.path) == 200


def test_unix_socket_in_use(unix):
    """A socket file that another process listens on is left alone, and the start fails out loud."""
    unix()
    second = unix(listening=False)
    assert second.wait() != 0
    second.wait_log("cannot listen on unix:")
    assert ask(unix.path) == 200


def test_file_in_the_way_of_a_unix_socket(unix):
    """A file that is no socket is never removed for one."""
    unix.path.write_text("precious")
    assert unix(listening=False).wait() != 0
    assert unix.path.read_text() == "precious"


# The access log.

def test_access_log(agentd):
    """Each request is a line with its client, method, target, status, bytes, time, request id and run id."""
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor) } }").wait_ready()

    def line_of(reply):
        name = reply.headers["X-Request-Id"]
        return wait_for("the log line", lambda: next((x for x in daemon.log if x.get("request_id") == name), None))
    ok = daemon.run("say x")
    line = line_of(ok)
    assert line["message"] == "POST /run" and line["level"] == "info" and line["client"] == "127.0.0.1"
    assert (line["status"], line["bytes"], line["run_id"]) == (200, len(ok.body), ok.json["run_id"])
    assert 0 < line["ms"] < 10000 * SLOW
    failed = daemon.request("POST", "/agents/a/run?x=1", {"input": "fail"})
    line = line_of(failed)
    assert line["message"] == "POST /agents/a/run?x=1"
    assert (line["status"], line["run_id"]) == (502, failed.json["run_id"])
    line = line_of(daemon.get("/nothing"))
    assert (line["status"], line.get("run_id")) == (404, None)
    streamed = daemon.request("POST", "/run", {"input": "say x", "stream": True})
    line = line_of(streamed)
    assert line["status"] == 200 and line["bytes"] == len(streamed.body)
    assert line["run_id"].encode() in streamed.body
    assert "client" not in line_of(Control(daemon).get("/agents"))  # a socket has no address
    connection = daemon.start_run("hang")
    wait_for("it to run", lambda: daemon.load("a") == (1, 0))
    connection.close()
    assert wait_for("word of it", lambda: next((x for x in daemon.log if x.get("status") == 499), None))["client"] == "127.0.0.1"


def test_access_log_off(agentd):
    """log.access: false keeps requests out of the log."""
    daemon = agentd("agents: { hello: { plugin: echo } }\nlog: { access: false }").wait_ready()
    daemon.run("x")
    daemon.stop()
    assert not any("status" in line for line in daemon.log)


def test_text_of_clients_cannot_forge_log_lines(actor):
    """What a client sends stands in one field of one line of the log, whatever it is."""
    forged = 'x","level":"error"}\n{"level":"error","message":"\x1b[31mforged'
    exchange(actor, b'GET /x","level":"error%0a{} HTTP/1.1\r\nHost: localhost\r\n\r\n', LAST)
    session = 'x","level":"error"'
    actor.run("fail " + forged, session_id=session, agent="actor")
    line = actor.wait_log("run failed: ")
    assert line["message"] == "run failed: " + forged and line["session_id"] == session
    assert {x["level"] for x in actor.log} <= {"info", "warn"}


# Who may ask.

@pytest.mark.parametrize("host, expected", [
    ("localhost", 200), ("LOCALHOST:1", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("agents.example", 200),
    ("agents.example:8443", 200), ("evil.example", 403), ("127.0.0.1.evil.example", 403), ("localhost.evil", 403),
    ("10.0.0.1", 403)])
def test_host(agentd, host, expected):
    """DNS rebinding: on this machine only, Host must be a name of this server."""
    daemon = with_http(agentd, "hosts: [ agents.example ]")
    assert daemon.request("GET", "/health", headers={"Host": host}).status == expected
    if expected == 403:
        assert daemon.wait_log("GET /health")["refused"] == "Host is not this server"


@pytest.mark.parametrize("origin, expected", [
    ("http://localhost:80", 200), ("https://LOCALHOST:80", 200), ("http://localhost", 403),
    ("http://localhost:81", 403), ("http://evil.example", 403), ("null", 403), ("", 403), ("file://", 403)])
def test_origin(echo, origin, expected):
    """A page of another origin cannot drive a local daemon, not even with a simple request."""
    headers = {"Host": "localhost:80", "Origin": origin, "Content-Type": "text/plain"}
    reply = echo.request("POST", "/run", {"input": "x"}, headers)
    assert reply.status == expected
    if expected == 403:
        assert_problem(reply, 403, "forbidden")
        assert echo.wait_log("POST /run")["refused"] == "a page of another origin"


def test_host_does_not_matter_over_a_unix_socket(unix):
    """No browser can reach a unix socket."""
    unix()
    assert ask(unix.path, b"GET /health HTTP/1.1\r\nHost: whatever\r\n\r\n") == 200


# What evhttp would die of, spin on, or grow by.

def read_until(sock, text):
    got = b""
    while text not in got:
        more = sock.recv(4096)
        assert more, got
        got += more
    return got


def cpu_seconds(daemon):
    with open(f"/proc/{daemon.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def rss_kib(daemon):
    with open(f"/proc/{daemon.pid}/status") as text:
        return int(re.search(r"VmRSS:\s+(\d+)", text.read())[1])


@pytest.mark.skipif(SANITIZED, reason="its memory is not ours")
def test_bytes_pushed_into_a_stream_stay_out_of_memory(agentd):
    """Growth: evhttp keeps all that a client sends into a stream. Here who sends 60 MB is cut, and its run ends."""
    daemon = agentd("agents: { hello: { plugin: echo, delay: 1m } }").wait_ready()
    before = rss_kib(daemon)
    with daemon.socket() as sock:
        sock.sendall(post(b"Content-Length: 27\r\n", b'{"input":"x","stream":true}'))
        read_until(sock, b"run.started")
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                sock.sendall(b"x" * 60_000)
    assert rss_kib(daemon) - before < 5000
    wait_for("the run to end", lambda: daemon.agent("hello")["running"] == 0)
    assert daemon.get("/health").status == 200


def test_accept_without_descriptors_does_not_spin(agentd):
    """EMFILE: the listener pauses, what is open is served, and it recovers by itself."""
    import resource
    daemon = with_http(agentd, "max_connections: 1000")
    most = max(map(int, os.listdir(f"/proc/{daemon.process.pid}/fd"))) + 9
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (most, most))
    held = [daemon.socket() for _ in range(40)]
    try:
        daemon.wait_log("cannot accept a connection: Too many open files")
        before = cpu_seconds(daemon)
        time.sleep(1)  # what is measured is what happens while nothing happens
        assert cpu_seconds(daemon) - before < 0.3 * SLOW
        held[0].sendall(HEALTH)
        assert status(held[0].recv(4096)) == 200
    finally:
        for sock in held:
            sock.close()
    wait_for("connections again", lambda: daemon.get("/health").status == 200)


@pytest.mark.parametrize("leave", ["FIN", "RST"])
def test_client_that_leaves_a_held_request_costs_no_cpu(agentd, leave):
    """Spin: an event for the end of a held connection made evhttp's loop turn without end after a reset."""
    daemon = agentd("agents: { hello: { plugin: echo, delay: 1m } }").wait_ready()
    sock = daemon.socket()
    sock.sendall(post(b"Content-Length: 13\r\n"))
    wait_for("the run", lambda: daemon.agent("hello")["running"] == 1)
    if leave == "RST":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    before = cpu_seconds(daemon)
    sock.close()
    wait_for("the run to be cancelled", lambda: daemon.agent("hello")["running"] == 0, 3)
    assert cpu_seconds(daemon) - before < 0.5 * SLOW


def test_bytes_behind_a_held_request_cost_no_cpu(agentd):
    """Spin: the socket stays in epoll while its request is held, and what comes then is not read yet."""
    daemon = agentd("agents: { hello: { plugin: echo, delay: 2s } }").wait_ready()
    sock = daemon.socket()
    sock.sendall(post(b"Content-Length: 13\r\n"))
    wait_for("the run", lambda: daemon.agent("hello")["running"] == 1)
    before = cpu_seconds(daemon)
    sock.sendall(HEALTH)
    answers = b""
    while answers.count(b"HTTP/1.1 200") < 2:
        more = sock.recv(4096)
        assert more, answers
        answers += more
    assert cpu_seconds(daemon) - before < 0.5 * SLOW
    sock.close()


@pytest.mark.skipif(SANITIZED, reason="its memory is not ours")
def test_thousands_of_connections_and_streams(agentd):
    """2,000 idle connections and 500 open streams are held within their memory, and others are served."""
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    daemon = agentd("agents: { hello: { plugin: echo, delay: 1m, concurrency: 1000 } }").wait_ready()
    before = rss_kib(daemon)
    idle = [daemon.socket() for _ in range(2000)]
    for sock in idle:
        sock.sendall(HEALTH)
    assert all(status(sock.recv(4096)) == 200 for sock in idle)
    assert rss_kib(daemon) - before < 2000 * 4
    before = rss_kib(daemon)
    streams = [daemon.socket() for _ in range(500)]
    for sock in streams:
        sock.sendall(post(b"Content-Length: 27\r\n", b'{"input":"x","stream":true}'))
    wait_for("all streams", lambda: daemon.agent("hello")["running"] == 500)
    assert rss_kib(daemon) - before < 500 * 6 + 1000
    for sock in idle + streams:
        sock.close()
    wait_for("all to be let go", lambda: daemon.agent("hello")["running"] == 0)
