"""Behind nginx and HAProxy: agentd never sees more requests than the proxy sent."""
import re
import shutil
import socket
import subprocess

import pytest
from conftest import SLOW, wait_for
from test_http import BROKEN, CHUNKED, HEALTH, LAST, post

NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream agentd {{ server 127.0.0.1:{agentd}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://agentd; proxy_http_version 1.1; proxy_set_header Connection "";
                  proxy_set_header Host localhost; proxy_request_buffering off; proxy_buffering off; }}
  }}
}}
"""
HAPROXY = """
global
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  timeout connect 2s
  timeout client 5s
  timeout server 5s
  option http-keep-alive
frontend f
  bind 127.0.0.1:{port}
  http-request set-header X-Request-Id proxied
  default_backend b
backend b
  http-reuse always
  server agentd 127.0.0.1:{agentd}
"""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture(params=["nginx", "haproxy"])
def proxied(request, agentd, tmp_path):
    """A daemon, the port of a proxy in front of it that keeps its connections open, and the proxy's log."""
    program = shutil.which(request.param) or shutil.which(request.param, path="/usr/sbin")
    if not program:
        pytest.skip(f"no {request.param} here")
    daemon = agentd("agents: { hello: { plugin: echo } }").wait_ready()
    port = free_port()
    config = tmp_path / "proxy.conf"
    text = NGINX if request.param == "nginx" else HAPROXY
    config.write_text(text.format(folder=tmp_path, port=port, agentd=daemon.address[1]))
    command = [program, "-p", str(tmp_path), "-c", str(config)] if request.param == "nginx" else [program, "-db", "-f", str(config)]
    log = tmp_path / "access.log"  # nginx writes it itself, HAProxy to its stdout
    with open(log, "ab") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL)

    def listens():
        assert process.poll() is None, "the proxy ended"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return True
        except ConnectionRefusedError:
            return False
    wait_for("the proxy to listen", listens)
    yield daemon, port, log
    process.terminate()
    process.wait()


def send(port, request):
    """Sends bytes and reads until the answer is over, or the proxy waits for more than there is."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=0.3 * SLOW) as sock:
        try:
            sock.sendall(request)
            while more := sock.recv(65536):
                answer += more
        except (ConnectionError, TimeoutError):
            pass
    return answer


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
HIDDEN = {
    "in a body of two lengths": post(b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(SMUGGLED), SMUGGLED),
    "in a body under a spaced length": post(b"Content-Length : %d\r\n" % len(SMUGGLED), SMUGGLED),
    "behind an unknown coding": post(b"Transfer-Encoding: xchunked\r\n", SMUGGLED),
    "behind a coding with a tab": post(b"Transfer-Encoding:\tchunked\r\n", b"0\r\n\r\n" + SMUGGLED),
    "behind a length and chunks": post(b"Content-Length: 5\r\n" + CHUNKED, b"0\r\n\r\n" + SMUGGLED),
    "behind HEAD with a body": b"HEAD /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
    "behind a NUL": b"GET /health HTTP/1.1\r\nHost: localhost\r\n\0\r\n\r\n" + SMUGGLED,
    "in an extension with a bare LF": post(CHUNKED, b"d;\n" + SMUGGLED + b"0\r\n\r\n"),
    "in a trailer": post(CHUNKED, b'd\r\n{"input":"x"}\r\n0\r\n' + SMUGGLED),
    "behind Expect": post(b"Expect: 100-continue\r\nContent-Length: %d\r\n" % len(SMUGGLED), SMUGGLED),
}


def passed_on(daemon):
    """What agentd heard: the requests of its access log, /smuggled among them if it was one."""
    return [line for line in daemon.log if "status" in line]


def test_plain_requests_pass(proxied):
    """A run, a body in chunks and a stream arrive through the proxy, on kept connections."""
    daemon, port, _ = proxied
    for request in (HEALTH, post(b"Content-Length: 13\r\n"), post(CHUNKED, b'd\r\n{"input":"x"}\r\n0\r\n\r\n'),
                    post(b"Content-Length: 27\r\n", b'{"input":"x","stream":true}')):
        last = request.replace(b"Host: localhost\r\n", b"Host: localhost\r\nConnection: close\r\n", 1)
        with socket.create_connection(("127.0.0.1", port), timeout=10 * SLOW) as sock:
            sock.sendall(last)
            answer = b""
            while more := sock.recv(65536):
                answer += more
        assert re.match(rb"HTTP/1.1 200 ", answer), answer


@pytest.mark.parametrize("request_", [*HIDDEN.values(), *BROKEN.values()], ids=[*HIDDEN, *BROKEN])
def test_nothing_is_smuggled(proxied, request_):
    """What is hidden in a request is heard by agentd only where the proxy, too, saw a request in it."""
    daemon, port, log = proxied
    send(port, request_)
    assert b'"status":"ok"' in send(port, LAST)  # over the proxy's kept connection, if there is one
    wait_for("the last request", lambda: any(x["message"] == "GET /health" for x in passed_on(daemon)))
    heard = sum("/smuggled" in x["message"] for x in passed_on(daemon))
    assert heard <= log.read_text(errors="replace").count("GET /smuggled")
