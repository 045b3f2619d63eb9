"""Keys of tokens that are at a URL: got by agentd-fetch, cached, got again when they rotate."""
import http.server
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import wait_for

from test_tokens import RSA, jwk, sign


class Issuer:
    """An issuer's JWKS, as its server has it now."""

    def __init__(self):
        self.keys, self.status, self.body, self.delay, self.hits = [jwk(RSA[0], "one")], 200, None, 0, 0
        self.headers = {}
        issuer = self

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.hits += 1
                time.sleep(issuer.delay)
                body = issuer.body or json.dumps({"keys": issuer.keys}).encode()
                self.send_response(issuer.status)
                for name, value in {"Content-Length": str(len(body)), **issuer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass  # it had enough

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def issuer():
    issuer = Issuer()
    yield issuer
    issuer.server.shutdown()
    issuer.server.server_close()


def start(agentd, issuer):
    return agentd(f"""
        http: {{ listen: [ "127.0.0.1:0" ], auth: t }}
        auth: {{ t: {{ type: jwt, algorithms: [ RS256 ], jwks_url: "{issuer.url}" }} }}
        agents: {{ a: {{ plugin: PLUGIN(actor) }} }}
    """)


ONE, TWO = ({"Authorization": "Bearer " + sign(key, "RS256", kid=kid)} for key, kid in zip(RSA, ("one", "two")))


def status(daemon, headers):
    return daemon.get("/agents", headers=headers).status


def test_a_request_waits_for_the_first_keys(agentd, issuer):
    """While the keys are being got, who comes with a token waits for them, and is let in."""
    issuer.delay = 0.3
    daemon = start(agentd, issuer)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: status(daemon, ONE), range(8))) == {200}
    assert issuer.hits == 1


def test_the_death_of_an_agent_ends_no_fetch(agentd, issuer):
    """Bug: agentd-fetch was taken for something that a dead host had left behind, and was ended with it."""
    issuer.delay = 1
    daemon = start(agentd, issuer)
    wait_for("the request", lambda: issuer.hits == 1)

    def hosts():
        children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
        return [int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text() == "agentd-host\n"]
    os.kill(wait_for("the agent", hosts)[0], signal.SIGKILL)
    daemon.wait_log("agent a: killed by SIGKILL; restart")
    assert status(daemon, ONE) == 200
    assert issuer.hits == 1


def test_rotation(agentd, issuer):
    """A token that names a key which is not known has the keys got again; the old one is refused then. No
    restart, and no request for each such token."""
    daemon = start(agentd, issuer)
    assert status(daemon, ONE) == 200 and status(daemon, TWO) == 401
    issuer.keys = [jwk(RSA[1], "two")]
    wait_for("the new key", lambda: status(daemon, TWO) == 200, 30)
    assert status(daemon, ONE) == 401
    before = issuer.hits
    for _ in range(20):
        assert status(daemon, {"Authorization": "Bearer " + sign(RSA[0], "RS256", kid="other")}) == 401
    assert issuer.hits <= before + 1


def test_an_issuer_that_is_down(agentd, issuer):
    """Without any keys it is 503 with Retry-After, not 401; agentd tries again by itself. With keys they stay."""
    issuer.status = 500
    daemon = start(agentd, issuer)
    daemon.wait_log("cannot get .*it answers with status 500; trying again in 1 s")
    reply = daemon.get("/agents", headers=ONE)
    assert (reply.status, reply.json["code"]) == (503, "auth_unavailable") and reply.headers["Retry-After"]
    line = wait_for("its line", lambda: next((line for line in daemon.log if line.get("status") == 503), None))
    assert line["refused"] == reply.json["detail"]
    assert daemon.get("/agents").status == 401
    issuer.status = 200
    wait_for("the keys", lambda: status(daemon, ONE) == 200, 30)
    issuer.status = 500
    wait_for("another try", lambda: status(daemon, TWO) == 401 and issuer.hits >= 3, 30)
    assert status(daemon, ONE) == 200


@pytest.mark.parametrize("body, headers, status_code, says", ids=["too large", "no keys", "no json", "a redirect"], argvalues=[
    (b"x" * 300_000, {}, 200, "it has more than 262144 bytes"),
    (b"{}", {}, 200, ""),
    (b"not json", {}, 200, ""),
    (b"", {"Location": "http://127.0.0.1:1/"}, 302, "it answers with status 302, a redirect, which is not followed"),
])
def test_answers_that_are_no_keys(agentd, issuer, body, headers, status_code, says):
    """Whatever the server answers, it costs a line in the log, and agentd serves on."""
    issuer.body, issuer.headers, issuer.status = body or b"-", headers, status_code
    daemon = start(agentd, issuer)
    line = daemon.wait_log("auth t: cannot get ")
    assert says in line["message"] and line["level"] == "warn"
    assert status(daemon, ONE) == 503 and daemon.get("/health").status == 200
