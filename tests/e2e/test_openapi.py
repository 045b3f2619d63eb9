"""The OpenAPI document: it has what there is, nothing else, and what it says of each answer is so."""
import hashlib
import http.client
import json
import os
import re
import signal

import pytest
from jsonschema import Draft202012Validator, FormatChecker, RefResolver

from conftest import ROOT, Event, Reply, wait_for
from line import Line
from stored import background, execute, kill, runs, stop, wait_over, wait_running, wait_status, with_key

METHODS = ("get", "post", "put", "delete", "patch")
MB = 1 << 20
NOBODY = "01a20273-0000-7000-8000-000000000000"

# What is not provoked here, and why.
NOT_EXERCISED = {
    (500, "internal"): "test_memory.py has it for each route; where there is another cause than memory, it is exercised here",
}
# max_body lets in more than a frame to the agent holds.
CONFIG = """
http: { listen: [ "127.0.0.1:0" ], docs: true, max_body: 40M }
default_agent: a
agents:
  a: { plugin: PLUGIN(actor) }
  rude: { plugin: PLUGIN(actor), on_busy: reject }
  small: { plugin: PLUGIN(actor), concurrency: 1, queue: 0 }
supervision: { backoff_min: 50ms, backoff_max: 100ms, drain: 200ms, kill: 200ms }
"""
EVENTS = 'events: { a: { input: "say {{ body.text }}" }, rude: { agent: rude, session: s } }\n'
CRON = """
cron:
  a: { schedule: "0 0 29 2 *", input: "say x" }
  b: { schedule: "0 0 29 2 *", input: "say y" }
  rude: { schedule: "0 0 29 2 *", agent: rude, session: s }
"""


class Document:
    """The document, and what there is to ask of it."""

    def __init__(self, document):
        self.json = document
        self.operations = {
            (method.upper(), path): operation
            for path, item in document["paths"].items() for method, operation in item.items() if method in METHODS}

    def find(self, method, path):
        """The operation that a request is for."""
        for (its_method, pattern), operation in self.operations.items():
            if its_method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path.split("?")[0]):
                return operation
        raise AssertionError(f"{method} {path} is not in the document")

    def validate(self, value, schema):
        resolver = RefResolver("", self.json)
        Draft202012Validator(schema, resolver=resolver, format_checker=FormatChecker()).validate(value)

    def resolve(self, pointer):
        return RefResolver("", self.json).resolve(pointer)[1]

    def answers(self):
        """All (operationId, status, code or media type) that it has; no body: None."""
        return {(operation["operationId"], int(status), what)
                for operation in self.operations.values() for status, response in operation["responses"].items()
                for what in answers_of(response)}


def answers_of(response):
    content = response.get("content", {None: None})
    problem = content.get("application/problem+json")
    codes = problem["schema"]["allOf"][1]["properties"]["code"]["enum"] if problem else []
    return codes + [media for media in content if media != "application/problem+json"]


class Witness:
    """Checks answers against the document, and remembers which it has seen."""

    def __init__(self, document):
        self.document, self.seen, self.events = document, set(), set()

    def ask(self, daemon, method, path, body=None, headers=None, expect=200, code=None):
        return self.hear(method, path, daemon.request(method, path, body, headers), expect, code)

    def hear(self, method, path, reply, expect=200, code=None):
        said = f"{method} {path}: {reply.status} {reply.body[:300]}"
        operation = self.document.find(method, path)
        assert reply.status == expect, said
        response = operation["responses"].get(str(reply.status))
        assert response, f"not in the document: {said}"
        assert not [name for name in response["headers"] if name not in reply.headers], said
        media = reply.headers.get_content_type() if reply.body else None
        content = response.get("content", {None: {"schema": {}}})
        assert media in content, f"{media} is not in the document: {said}"
        self.check_body(media, content[media]["schema"], reply)
        if media == "application/problem+json":
            assert reply.json["code"] == code and reply.json["status"] == reply.status, said
        else:
            assert code is None, said
        self.seen.add((operation["operationId"], reply.status, code or media))
        return reply

    def check_body(self, media, schema, reply):
        if media == "text/event-stream":
            for event in parse(reply.body):
                self.document.validate({"id": event.id, "event": event.name, "data": event.data}, schema)
                self.events.add(event.name)
        elif media and media.endswith("json"):
            self.document.validate(reply.json, schema)
        elif media:
            self.document.validate(reply.body.decode(), schema)


def parse(stream):
    """The events of a stream that is over."""
    blocks = [[line for line in block.split("\n") if line and not line.startswith(":")]
              for block in stream.decode().split("\n\n")]
    return [Event(lines) for lines in blocks if lines]


def ways(agent="a"):
    """The two routes that run an agent: each with what its body needs."""
    return [("/run", {"agent": agent}), (f"/agents/{agent}/run", {})]


def begin(daemon, path, body):
    """A request whose answer may take its time."""
    connection = daemon.connect()
    connection.request("POST", path, json.dumps(body))
    return connection


def raw(daemon, text):
    """The answer to some bytes."""
    with daemon.socket() as sock:
        sock.sendall(text.encode())
        response = http.client.HTTPResponse(sock)
        response.begin()
        return Reply(response)


def started(daemon, before):
    """The id of the run that was begun after those."""
    return wait_for("the run to be listed", lambda: {r["run_id"] for r in runs(daemon)} - before).pop()


@pytest.fixture
def daemon(agentd):
    return agentd(CONFIG).wait_ready()


@pytest.fixture
def document(daemon):
    return Document(daemon.get("/openapi.json").json)


# The document itself.

@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
@pytest.mark.parametrize("option", ["", ", docs: false"])
def test_off_by_default(agentd, path, option):  # defect 14 of the original
    """Without http.docs: true there is neither the document nor the page, by any method."""
    daemon = agentd('http: { listen: [ "127.0.0.1:0" ]%s }\nagents: { a: { plugin: echo } }' % option)
    for method in ("GET", "POST", "OPTIONS"):
        reply = daemon.request(method, path)
        assert (reply.status, reply.json["code"]) == (404, "not_found")
        assert "http.docs: true, or --dev" in reply.json["detail"]


def test_headers(daemon):
    """The document is JSON; the page may load nothing from elsewhere, and talk to this server only."""
    assert daemon.get("/openapi.json").headers["Content-Type"] == "application/json"
    page = daemon.get("/docs")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.body == (ROOT / "daemon/http/docs.html").read_bytes()
    policy = page.headers["Content-Security-Policy"]
    assert policy == ("default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; "
                      "script-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'")


def test_title_and_version(agentd):
    """It bears the config's name, whatever is in it, and agentd's version."""
    daemon = agentd("name: 'my \"agents\" é'\n" + CONFIG)
    info = daemon.get("/openapi.json").json["info"]
    version = re.search('VERSION "(.*)"', (ROOT / "daemon/version.h").read_text())[1]
    assert (info["title"], info["version"]) == ('my "agents" é', version)


def test_every_route_is_there_and_nothing_else(document):
    """The rows of routes.c, by method and path."""
    rows = re.findall(r'\{ HTTP_(\w+), "(/[^"]+)"', (ROOT / "daemon/http/routes.c").read_text())
    assert len(rows) >= 16 and sorted(document.operations) == sorted(rows)


def test_names(document):
    """Each operation has an id of its own, a tag that is described, and names the parameters of its path."""
    operations = document.operations
    ids = [operation["operationId"] for operation in operations.values()]
    assert len(set(ids)) == len(ids)
    tags = {tag["name"] for tag in document.json["tags"]}
    assert {tag for operation in operations.values() for tag in operation["tags"]} == tags
    for (_, pattern), operation in operations.items():
        parameters = [document.resolve(p["$ref"]) for p in operation.get("parameters", [])]
        assert [p["name"] for p in parameters if p["in"] == "path"] == re.findall(r"\{(\w+)\}", pattern)


def inside(value):
    """All objects in a piece of JSON."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from inside(part)


def test_references(document):
    """Every $ref leads to something, and every component is used."""
    used = {part["$ref"] for part in inside(document.json) if "$ref" in part}
    for pointer in used:
        document.resolve(pointer)
    there = {f"#/components/{kind}/{name}" for kind in ("headers", "parameters", "schemas")
             for name in document.json["components"][kind]}
    assert used == there


def test_schemas_and_examples(document):
    """Every schema is one; each that has a name has examples, and all examples fit."""
    for name, schema in document.json["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert schema.get("description") and schema.get("examples"), name
    for schema in inside(document.json):
        for example in schema.get("examples", []):
            document.validate(example, schema)


def test_security(document):
    """Open routes ask for nothing; the others take either kind of key, or none while there is no auth."""
    for (_, path), operation in document.operations.items():
        is_open = path in ("/health", "/ready", "/metrics", "/openapi.json", "/docs")
        assert operation["security"] == ([] if is_open else [{"apiKey": []}, {"bearer": []}, {}])
        assert ("401" in operation["responses"]) == ("429" in operation["responses"]) == (not is_open)


@pytest.mark.parametrize("auth, header", [
    ("type: api_key, keys: [ KEY ]", "X-API-Key"), ("type: api_key, header: X-My-Key, keys: [ KEY ]", "X-My-Key"),
    ("type: api_key, header: authorization, keys: [ KEY ]", None), ("type: composite, of: [ sso, mine ]", "X-Mine"),
    ("type: jwt, algorithms: [ HS256 ], secret: SECRET", None)])
def test_the_header_of_keys(agentd, auth, header):
    """It is what the auth says, for who makes a client of the document, and for the page; none is offered where none is taken."""
    daemon = agentd(f"""
        http: {{ listen: [ "127.0.0.1:0" ], docs: true, auth: k }}
        auth:
          k: {{ {auth} }}
          sso: {{ type: jwt, algorithms: [ HS256 ], secret: SECRET }}
          mine: {{ type: api_key, header: X-Mine, keys: [ KEY ] }}
        agents: {{ a: {{ plugin: echo }} }}
    """.replace("KEY", '"sha256:%s"' % hashlib.sha256(b"key").hexdigest()).replace("SECRET", "s" * 32))
    document = daemon.get("/openapi.json").json
    schemes = document["components"]["securitySchemes"]
    ways = document["paths"]["/runs"]["get"]["security"]
    assert schemes.get("apiKey", {}).get("name") == header and "bearer" in schemes
    assert ways == ([{"apiKey": []}] if header else []) + [{"bearer": []}]
    if header:
        assert daemon.get("/runs", headers={header: "key"}).status == 200


# What it says of answers. Each of these is a daemon in some situation.

def usual(start, witness):
    daemon = start(CONFIG).wait_ready()
    for path in ("/health", "/ready", "/metrics", "/openapi.json", "/docs", "/agents", "/agents/a", "/runs", "/sessions"):
        witness.ask(daemon, "GET", path)
    for path, same in ways():
        for body in ({"input": "say x", "session_id": "s", "user_id": "Ann", "metadata": {"k": 1}},
                     {"input": 'usage {"tokens":3}'}, {"input": "messages", "session_id": "s"},
                     {"input": "deltas a b", "stream": True}, {"input": 'event tool {"x":1}', "stream": True},
                     {"input": "fail no", "stream": True}, {"input": "link http://h", "stream": True},
                     {"input": "link http://h", "attachments": [{"data": "QQ==", "name": "a"}, {"url": "http://h"}]}):
            witness.ask(daemon, "POST", path, {**body, **same})
        accepted = witness.ask(daemon, "POST", path, {"input": "say x", "background": True, **same}, expect=202)
    run_id = accepted.json["run_id"]
    wait_over(daemon, run_id)
    witness.ask(daemon, "GET", "/runs?limit=3")
    witness.ask(daemon, "GET", f"/runs/{run_id}")
    witness.ask(daemon, "GET", f"/runs/{run_id}/events")
    witness.ask(daemon, "GET", f"/runs/{run_id}/events", headers={"Last-Event-ID": "99"}, expect=204)
    witness.ask(daemon, "GET", f"/runs/{run_id}/events", headers={"Last-Event-ID": "x"}, expect=400, code="bad_request")
    witness.ask(daemon, "POST", f"/runs/{run_id}/cancel", expect=409, code="run_over")
    witness.ask(daemon, "GET", "/triggers")
    for path in ("/runs?status=done", "/sessions?cursor=x"):
        witness.ask(daemon, "GET", path, expect=400, code="bad_request")
    assert len(witness.ask(daemon, "GET", "/sessions/s").json["messages"]) == 12
    witness.ask(daemon, "DELETE", "/sessions/s", expect=204)
    stop(daemon)


def whatever_is_asked(start, witness):
    """What follows from the kind of a route."""
    daemon = start(CONFIG).wait_ready()
    for method, pattern in witness.document.operations:
        path = re.sub(r"\{\w+\}", "a", pattern)
        witness.hear(method, path, raw(daemon, f"{method} {path} HTTP/1.1\r\n\r\n"), 400, "bad_request")
        witness.ask(daemon, method, path, "{}", {"Origin": "https://evil.example"}, 403, "forbidden")
        if method in ("POST", "PUT"):
            text = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n"
            witness.hear(method, path, raw(daemon, text), 413, "payload_too_large")
        if path != pattern:
            nobody = "x" * 300 if method == "PUT" else NOBODY  # it makes what there is not, but for what cannot be
            path = re.sub(r"\{\w+\}", nobody, pattern)
            witness.ask(daemon, method, path, '{"input":"x"}', expect=404, code="not_found")
    stop(daemon)


def for_users(witness):
    """What auth stands before, /metrics aside: without auth it is open."""
    return [(method, re.sub(r"\{\w+\}", "a", pattern))
            for (method, pattern), operation in witness.document.operations.items() if operation["security"]]


def strangers(start, witness):
    """Nobody gets in: without credentials, or where those of tokens cannot be checked."""
    daemon = start(CONFIG.replace("docs: true", "auth: t") + """
auth: { t: { type: jwt, algorithms: [ RS256 ], jwks_url: "http://127.0.0.1:1/" } }
""")
    for method, path in for_users(witness):
        witness.ask(daemon, method, path, "{}", expect=401, code="unauthorized")
        witness.ask(daemon, method, path, "{}", {"Authorization": "Bearer a.b.c"}, 503, "auth_unavailable")
    stop(daemon)


def emitted(start, witness):
    daemon, key = start(CONFIG + EVENTS).wait_ready(), {"Idempotency-Key": "k"}
    assert len(witness.ask(daemon, "GET", "/triggers").json["events"]) == 2
    witness.ask(daemon, "POST", "/events/a", {"text": "x"}, key, expect=202)
    witness.ask(daemon, "POST", "/events/a", {"text": "y"}, key, 422, "idempotency_mismatch")
    holder = daemon.start_run("hang", agent="rude", session_id="s")
    wait_running(daemon, agent="rude")
    witness.ask(daemon, "POST", "/events/rude", {}, expect=409, code="session_busy")
    holder.close()
    stop(daemon)


def timed(start, witness):
    """Schedules, as an operator has them."""
    daemon, key = start(CONFIG + CRON).wait_ready(), {"Idempotency-Key": "k"}
    witness.ask(daemon, "POST", "/cron/a/run", None, key, expect=202)
    wait_for("its run to be over", lambda: daemon.load("a") == (0, 0))
    witness.ask(daemon, "POST", "/cron/b/run", None, key, 422, "idempotency_mismatch")
    witness.ask(daemon, "POST", "/cron/nobody/run", expect=404, code="not_found")
    for change, paused in [("pause", True), ("resume", False)]:
        assert witness.ask(daemon, "POST", f"/cron/a/{change}").json["paused"] is paused
        witness.ask(daemon, "POST", f"/cron/nobody/{change}", expect=404, code="not_found")
    holder = daemon.start_run("hang", agent="rude", session_id="s")
    wait_running(daemon, agent="rude")
    witness.ask(daemon, "POST", "/cron/rude/run", expect=409, code="session_busy")
    witness.ask(daemon, "GET", "/triggers")
    holder.close()
    stop(daemon)


def chatted(start, witness):
    """An interface and a hook, replies on their way, and who is who."""
    line = Line()
    text = CONFIG + f"interfaces: {{ tel: {line.config('agent: a', 'open: true', 'auto: false', 'hooks: [ gate ]')} }}\n" \
        'hooks: { gate: { plugin: PLUGIN(gate) } }\nidentity: { fixed: "line:1" }\n'
    daemon = start(text).wait_ready()
    line.wait("UP")
    line.message("say x")
    line.wait("SEND")
    [reply] = witness.ask(daemon, "GET", "/outbox").json["replies"]
    for path in ("/interfaces", "/interfaces/tel", "/hooks", "/hooks/gate", "/identities", "/identities/fixed", "/ready"):
        witness.ask(daemon, "GET", path)
    witness.ask(daemon, "GET", "/outbox?limit=0", expect=400, code="bad_request")
    witness.ask(daemon, "POST", f"/outbox/{reply['id']}/retry", expect=202)
    witness.ask(daemon, "DELETE", f"/outbox/{reply['id']}", expect=204)
    for path in ("/interfaces/tel", "/hooks/gate"):
        witness.ask(daemon, "POST", f"{path}/restart", expect=202)
    witness.ask(daemon, "PUT", "/identities/ann", {"links": ["line:2"]})
    witness.ask(daemon, "PUT", "/identities/ann", {"links": ["line:1"]}, expect=409, code="identity_conflict")
    witness.ask(daemon, "PUT", "/identities/ann", {"links": "x"}, expect=400, code="bad_request")
    witness.ask(daemon, "PUT", "/identities/ann", {"links": []}, {"Content-Type": "image/png"}, 415, "unsupported_media_type")
    witness.ask(daemon, "DELETE", "/identities/fixed", expect=409, code="identity_conflict")
    witness.ask(daemon, "DELETE", "/identities/ann", expect=204)
    stop(daemon)
    line.close()


def rated(start, witness):
    key = hashlib.sha256(b"secret").hexdigest()
    daemon = start(CONFIG.replace("docs: true", "auth: k") + """
auth: { k: { type: api_key, rate: 1/d, keys: [ "sha256:%s" ] } }
""" % key)
    daemon.get("/agents", headers={"X-API-Key": "secret"})
    for method, path in for_users(witness):
        witness.ask(daemon, method, path, "{}", {"X-API-Key": "secret"}, 429, "rate_limited")
    stop(daemon)


def replaced(start, witness):
    """As many restarts as it takes until the processes that still have runs are too many."""
    daemon = start(CONFIG).wait_ready()
    holders = []
    for generation in range(2, 7):
        holders.append(daemon.start_run("hang"))
        wait_running(daemon, len(holders))
        if len(holders) < 5:
            witness.ask(daemon, "POST", "/agents/a/restart", expect=202)
            wait_for("the new one", lambda: daemon.agent("a")["generation"] == generation)
    witness.ask(daemon, "POST", "/agents/a/restart", expect=503, code="overloaded")
    daemon.stop()


def reloads(start, witness):
    daemon = start(CONFIG).wait_ready()
    witness.ask(daemon, "POST", "/reload", expect=200)
    (daemon.cwd / "agent.conf").write_text("agents: [")
    witness.ask(daemon, "POST", "/reload", expect=422, code="config_invalid")
    daemon.stop()


def bad_requests(start, witness):
    daemon = start(CONFIG).wait_ready()
    daemon.run("say x", session_id="of a")
    for path, same in ways():
        for expect, code, headers, body in [
            (400, "bad_request", {}, {"input": ""}),
            (415, "unsupported_media_type", {"Content-Type": "image/png"}, {"input": "x"}),
            (502, "agent_failed", {}, {"input": "fail no"}),
            (502, "agent_crashed", {}, {"input": "crash"}),
            (504, "timeout", {}, {"input": "hang", "timeout": 0.05}),
            (500, "internal", {}, {"input": "x" * 33 * MB}),  # more than a frame holds
        ]:
            daemon.wait_ready("a")
            witness.ask(daemon, "POST", path, {**body, **same}, headers, expect, code)
    for path, same in ways("rude"):
        body = {"input": "say x", "session_id": "of a", **same}
        witness.ask(daemon, "POST", path, body, expect=409, code="session_mismatch")
    witness.ask(daemon, "POST", "/run", {"input": "x", "agent": "nobody"}, expect=404, code="not_found")
    with_key(daemon, "k", "say x")
    for path, same in ways():
        body = {"input": "say y", **same}
        witness.ask(daemon, "POST", path, body, {"Idempotency-Key": "k"}, 422, "idempotency_mismatch")
    stop(daemon)


def busy(start, witness):
    daemon = start(CONFIG).wait_ready()
    holders = [daemon.start_run("hang", agent="rude", session_id="s"), daemon.start_run("hang", agent="small")]
    for agent in ("rude", "small"):
        wait_running(daemon, agent=agent)
    for path, same in ways("rude"):
        witness.ask(daemon, "POST", path, {"input": "x", "session_id": "s", **same}, expect=409, code="session_busy")
    for path, same in ways("small"):
        witness.ask(daemon, "POST", path, {"input": "x", **same}, expect=503, code="overloaded")
    witness.ask(daemon, "DELETE", "/sessions/s", expect=409, code="session_busy")
    for holder in holders:
        holder.close()
    stop(daemon)


def full(start, witness):
    """As many durable runs wait for an agent as may; the runs of one event are taken together."""
    many = "".join(f"  e{n}: {{ event: many, agent: small, input: hang }}\n" for n in range(500))
    daemon = start(CONFIG + "store: { path: full.db }\nevents:\n" + many +
                   'cron: { c: { schedule: "0 0 29 2 *", agent: small, input: hang } }\n').wait_ready()
    for _ in range(21):
        assert daemon.request("POST", "/events/many").status == 202
    assert daemon.load("small") == (1, 10499)
    witness.ask(daemon, "POST", "/events/many", expect=503, code="overloaded")
    witness.ask(daemon, "POST", "/cron/c/run", expect=503, code="overloaded")
    kill(daemon)


def cancelled(start, witness):
    daemon = start(CONFIG).wait_ready()
    for path, same in ways():
        for stream in (False, True):
            before = {run["run_id"] for run in runs(daemon)}
            connection = begin(daemon, path, {"input": "hang", "stream": stream, **same})
            run_id = started(daemon, before)
            witness.ask(daemon, "GET", f"/runs/{run_id}")
            witness.ask(daemon, "POST", f"/runs/{run_id}/cancel", expect=202)
            reply = Reply(connection.getresponse())
            witness.hear("POST", path, reply, *(200, None) if stream else (409, "run_cancelled"))
    stop(daemon)


def down(start, witness):
    daemon = start("agents: { a: { plugin: PLUGIN(actor), start: exit78 } }")
    wait_for("the agent to give up", lambda: daemon.agent("a")["state"] == "failed")
    for path, same in ways():
        witness.ask(daemon, "POST", path, {"input": "x", **same}, expect=503, code="agent_unavailable")
    witness.ask(daemon, "GET", "/ready", expect=503)
    assert "code" in witness.ask(daemon, "GET", "/agents/a").json["last_exit"]
    stop(daemon)


def draining(start, witness):
    daemon = start(CONFIG).wait_ready()
    waiting = [(path, begin(daemon, path, {"input": "hang", **same})) for path, same in ways()]
    wait_running(daemon, 2)
    daemon.terminate()
    for path, connection in waiting:
        witness.hear("POST", path, Reply(connection.getresponse()), 503, "draining")
    assert daemon.wait() == 0


def restarted(start, witness):
    """Runs that outlive their agent, or the daemon."""
    config = CONFIG + "store: { path: restarted.db }\n"
    daemon = start(config).wait_ready()
    run_id = background(daemon, "attempt")
    wait_status(daemon, run_id, "running")
    os.kill(daemon.pid_of("a"), signal.SIGKILL)
    wait_over(daemon, run_id)
    witness.ask(daemon, "GET", f"/runs/{run_id}/events")
    daemon.wait_ready()
    assert daemon.run("crash").status == 502
    assert witness.ask(daemon, "GET", "/agents").json["agents"][0]["last_exit"]["signal"] == "SIGSEGV"
    daemon.wait_ready()
    before = {run["run_id"] for run in runs(daemon)}
    connection = daemon.start_run("hang")
    run_id = started(daemon, before)
    kill(daemon)
    connection.close()
    daemon = start(config).wait_ready()
    assert witness.ask(daemon, "GET", f"/runs/{run_id}").json["code"] == "interrupted"
    last = parse(witness.ask(daemon, "GET", f"/runs/{run_id}/events").body)[-1]
    assert (last.name, last.data["code"]) == ("run.failed", "interrupted")
    stop(daemon)


def unreadable(start, witness):
    """Somebody took the store's tables away: a damage that every read and write comes upon."""
    daemon = start(CONFIG + EVENTS + CRON + "store: { path: unreadable.db }\n").wait_ready()
    [message] = [message for message in daemon.messages() if message.startswith("runs and sessions are kept in ")]
    witness.ask(daemon, "PUT", "/identities/ann", {"links": ["line:1"]})
    execute(message.split()[-1], "ALTER TABLE identity_links RENAME TO was_identity_links")
    for method, body in (("PUT", {"links": ["line:2"]}), ("DELETE", None)):
        witness.ask(daemon, method, "/identities/ann", body, expect=503, code="store_unavailable")
    execute(message.split()[-1], *(f"ALTER TABLE {name} RENAME TO was_{name}" for name in ("meta", "runs", "sessions", "cron", "replies")))
    for path, same in ways():
        witness.ask(daemon, "POST", path, {"input": "say x", **same}, expect=503, code="store_unavailable")
    for method, path in [("POST", "/events/a"), ("POST", "/cron/a/run"), ("POST", "/cron/a/pause"),
                         ("POST", "/cron/a/resume"), ("GET", "/runs"), ("GET", f"/runs/{NOBODY}"),
                         ("GET", f"/runs/{NOBODY}/events"), ("POST", f"/runs/{NOBODY}/cancel"), ("GET", "/sessions"), ("GET", "/sessions/s"),
                         ("DELETE", "/sessions/s"), ("GET", "/outbox"), ("POST", "/outbox/1/retry"), ("DELETE", "/outbox/1")]:
        witness.ask(daemon, method, path, expect=503, code="store_unavailable")
    assert witness.ask(daemon, "GET", "/ready", expect=503).json["store_error"]
    stop(daemon)


def storeless(start, witness):
    daemon = start(CONFIG + "store: { enabled: false }\n").wait_ready()
    witness.ask(daemon, "POST", "/run", {"input": "messages", "session_id": "s"})
    for path in ("/runs", "/sessions", "/sessions/s", "/outbox"):
        witness.ask(daemon, "GET", path)
    witness.ask(daemon, "PUT", "/identities/ann", {"links": ["line:1"]}, expect=400, code="bad_request")
    stop(daemon)


def test_every_answer_of_the_document_is_exercised(agentd, document):
    """Whatever can be provoked is answered as the document says, and it says nothing that never comes."""
    witness = Witness(document)
    for situation in (usual, whatever_is_asked, strangers, emitted, timed, chatted, rated, bad_requests, busy, full, cancelled, down, draining,
                      restarted, replaced, reloads, unreadable, storeless):
        situation(agentd, witness)
    missing = {answer for answer in document.answers() - witness.seen if answer[1:] not in NOT_EXERCISED}
    assert not missing
    schema = document.json["components"]["schemas"]["RunEvent"]
    assert witness.events == {kind["properties"]["event"]["const"] for kind in schema["oneOf"]}
    codes = {code for _, _, code in document.answers()}
    unsaid = set(document.json["components"]["schemas"]["ProblemCode"]["enum"]) - codes
    # of no operation; in streams and records only; of paths of interfaces
    assert unsaid == {"method_not_allowed", "not_implemented", "interrupted", "interface_unavailable"}
