"""http.cors_origins: pages of other origins that may use the server. Fetch standard, CORS protocol."""
import json

import pytest
from conftest import assert_problem, run_agentd

PAGE = "https://app.example"
CONFIG = """
http: { listen: [ "127.0.0.1:0" ], cors_origins: [ "https://app.example", "http://localhost:5173" ] }
agents: { actor: { plugin: PLUGIN(actor) } }
"""


@pytest.fixture
def daemon(agentd):
    return agentd(CONFIG).wait_ready()


def preflight(daemon, path, method="POST", origin=PAGE):
    return daemon.request("OPTIONS", path, headers={
        "Origin": origin, "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type,idempotency-key"})


@pytest.mark.parametrize("origin", [PAGE, "http://localhost:5173", "HTTPS://APP.example"])
def test_a_page_that_is_named_may(daemon, origin):
    """The answer names the origin, and lets the page read what agentd adds."""
    reply = daemon.request("POST", "/run", {"input": "say x"}, {"Origin": origin})
    assert (reply.status, reply.json["content"]) == (200, "x")
    assert reply.headers["Access-Control-Allow-Origin"] == origin
    assert reply.headers["Vary"] == "Origin"
    assert "X-Request-Id" in reply.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("origin", [
    "https://evil.example", "http://app.example", "https://app.example:8443", "https://app.example.evil", "null", "*"])
def test_another_may_not(daemon, origin):
    """Neither the request nor its preflight; the answer says which option would let it."""
    for reply in (daemon.request("POST", "/run", {"input": "say x"}, {"Origin": origin}),
                  preflight(daemon, "/run", origin=origin)):
        assert "http.cors_origins" in assert_problem(reply, 403, "forbidden")["detail"]
        assert "Access-Control-Allow-Origin" not in reply.headers


def test_preflight(daemon):
    """Names the methods of the path and the headers that agentd reads."""
    reply = preflight(daemon, "/sessions/s", "DELETE")
    assert reply.status == 204 and reply.headers["Access-Control-Allow-Origin"] == PAGE
    assert "DELETE" in reply.headers["Access-Control-Allow-Methods"]
    allowed = reply.headers["Access-Control-Allow-Headers"].lower()
    assert all(name in allowed for name in ("authorization", "content-type", "idempotency-key", "last-event-id"))
    assert int(reply.headers["Access-Control-Max-Age"]) > 0


def test_preflight_of_what_there_is_not(daemon):
    """An unknown path is 404, and the page may read that."""
    reply = preflight(daemon, "/nothing")
    assert_problem(reply, 404, "not_found")
    assert reply.headers["Access-Control-Allow-Origin"] == PAGE


def test_errors_and_streams_can_be_read(daemon):
    """A page is told of its mistakes, and gets streams."""
    reply = daemon.request("POST", "/run", {"input": ""}, {"Origin": PAGE})
    assert_problem(reply, 400, "bad_request")
    assert reply.headers["Access-Control-Allow-Origin"] == PAGE
    connection = daemon.connect()
    connection.request("POST", "/run", json.dumps({"input": "deltas a b", "stream": True}), {"Origin": PAGE})
    response = connection.getresponse()
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert b"run.finished" in response.read()


def test_without_an_origin(daemon):
    """curl is no page: nothing but Vary, for caches."""
    reply = daemon.get("/health")
    assert reply.status == 200 and reply.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_off_by_default(actor):
    """No header of CORS, also on a preflight of the same origin."""
    assert "Vary" not in actor.get("/health").headers
    reply = actor.request("OPTIONS", "/run", headers={
        "Host": "localhost:80", "Origin": "http://localhost:80", "Access-Control-Request-Method": "POST"})
    assert reply.status == 204 and "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.parametrize("origin", ["*", "app.example", "https://app.example/", "https://*.example", "https://", "ftp://x"])
def test_origins_that_are_none(tmp_path, origin):
    """Said with file and line, and what one looks like."""
    path = tmp_path / "agent.conf"
    path.write_text(f'http:\n  cors_origins: [ "{origin}" ]\nagents: {{ echo: {{ plugin: echo }} }}\n')
    done = run_agentd("-t", "-c", path, cwd=tmp_path)
    assert done.returncode == 78
    assert f'agent.conf:2: http.cors_origins[0]: "{origin}" is not an origin' in done.stderr


@pytest.mark.parametrize("origin, says", [("https://a.example:443", "https://a.example"), ("http://a.example:80", "http://a.example"),
    ("http://[::1]:80", "http://[::1]"), ("https://a.example:80", None), ("http://a.example:443", None), ("http://a.example:8080", None)])
def test_an_origin_that_no_browser_says(tmp_path, origin, says):
    """Browsers leave the usual port out (RFC 6454, section 6.1): with it an origin would never fit, and nobody would know why."""
    path = tmp_path / "agent.conf"
    path.write_text(f'http:\n  cors_origins: [ "{origin}" ]\nagents: {{ echo: {{ plugin: echo }} }}\n')
    done = run_agentd("-t", "-c", path, cwd=tmp_path)
    assert done.returncode == (78 if says else 0)
    assert not says or f'agent.conf:2: http.cors_origins[0]: no browser says "{origin}"' in done.stderr and f'"{says}"' in done.stderr
