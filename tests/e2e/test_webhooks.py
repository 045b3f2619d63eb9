"""Webhooks: who may call one, what its signature is worth, and that a delivery makes one run and is never lost."""
import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import sqlite3
import subprocess
import time
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from conftest import BUILD, ROOT, Reply, assert_problem, errors, wait_for
from credentials import AUTH, KEYS, Control, as_, user_of
from stored import database, execute, kill, record, runs, stop, wait_over, wait_running
from test_jwks_url import ONE, TWO, issuer  # noqa: F401 (a fixture)
from test_sandbox import needs_landlock

BASE = """
http: { listen: [ "127.0.0.1:0" ] }
default_agent: a
agents:
  a: { plugin: PLUGIN(actor) }
  b: { plugin: PLUGIN(actor) }
supervision: { backoff_min: 50ms, backoff_max: 100ms, drain: 200ms, kill: 200ms }
"""
# What is asked for by each test: the body says what to do.
DO = 'input: "{{ body.do }}"'


def config(*webhooks, base=BASE):
    """Webhooks by their first words: "push: path: /push, …"."""
    return base + "webhooks:\n" + "".join(
        f"  {name}: {{ {options} }}\n" for name, options in (webhook.split(": ", 1) for webhook in webhooks))


def call(daemon, path, body=None, headers=None, method="POST"):
    return daemon.request(method, path, json.dumps(body) if isinstance(body, (dict, list)) else body, headers)


def accepted(reply):
    assert reply.status == 202, reply.body
    return reply.json["run_id"]


def content(reply):
    assert reply.status == 200, reply.body
    assert set(reply.json) == {"content"}
    return reply.json["content"]


# Signatures. Each is made here as its platform makes it; test_signature.c has what the platforms' own libraries made.

def mac(secret, *parts):
    return hmac.new(secret, b"".join(parts), hashlib.sha256)


def discord_key(seed):
    return Ed25519PrivateKey.from_private_bytes(seed.encode())


def public(seed):
    return discord_key(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def github(secret, body, now, id):
    return {"X-Hub-Signature-256": "sha256=" + mac(secret.encode(), body).hexdigest(), "X-GitHub-Delivery": id}


def slack(secret, body, now, id):
    signed = mac(secret.encode(), f"v0:{now}:".encode(), body)
    return {"X-Slack-Signature": "v0=" + signed.hexdigest(), "X-Slack-Request-Timestamp": str(now)}


def stripe(secret, body, now, id):
    return {"Stripe-Signature": f"t={now},v1=" + mac(secret.encode(), f"{now}.".encode(), body).hexdigest()}


def standard(secret, body, now, id):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = mac(key, f"{id}.{now}.".encode(), body).digest()
    return {"webhook-signature": "v1," + base64.b64encode(signed).decode(), "webhook-id": id,
            "webhook-timestamp": str(now)}


def telegram(secret, body, now, id):
    return {"X-Telegram-Bot-Api-Secret-Token": secret}


def discord(seed, body, now, id):
    return {"X-Signature-Ed25519": discord_key(seed).sign(f"{now}".encode() + body).hex(),
            "X-Signature-Timestamp": str(now)}


def hmac_sha256(secret, body, now, id):
    return {"X-Own": base64.b64encode(mac(secret.encode(), body).digest()).decode(), "X-Id": id}


# Two secrets each; what of it goes into the config; which member of the body has the id; whether it has a time.
Scheme = namedtuple("Scheme", "name sign secrets shown more member timed", defaults=("", None, False))
SCHEMES = {scheme.name: scheme for scheme in (
    Scheme("github", github, ("new-secret", "old secret's"), str),
    Scheme("slack", slack, ("5ac1b1", "8f742231b10e8888abcd99yyyzzz85a5"), str, member="event_id", timed=True),
    Scheme("stripe", stripe, ("whsec_one", "whsec_two"), str, member="id", timed=True),
    Scheme("standard", standard, ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_bmV3IHNlY3JldA=="), str, timed=True),
    Scheme("telegram", telegram, ("token_one-1", "token_two-2"), str, member="update_id"),
    Scheme("discord", discord, ("first-seed-of-exactly-32-bytes!!", "2nd-seed-of-exactly-32-bytes...!"), public,
           member="id", timed=True),
    Scheme("hmac-sha256", hmac_sha256, ("hush", "husher"), str, "header: X-Own, dedupe: X-Id"),
)}
each_scheme = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=list(SCHEMES))


def hook(scheme, more="", name="push", path="/push"):
    """A webhook that asks for a scheme's signature, with both of its secrets."""
    secrets = ", ".join(json.dumps(scheme.shown(secret)) for secret in scheme.secrets)
    options = [f"path: {path}, auth: none, signature: {scheme.name}, secret: [ {secrets} ]", scheme.more, DO, more]
    return f"{name}: " + ", ".join(filter(None, options))


def signed(scheme, body, secret=0, age=0, id="d"):
    """Body and headers of a delivery."""
    body = dict(body)
    if scheme.member:
        body[scheme.member] = id
    text = json.dumps(body).encode()
    return text, scheme.sign(scheme.secrets[secret], text, int(time.time()) - age, id)


def flip(value):
    """The same with one bit of its last byte changed."""
    head, last = re.fullmatch(r"(.*?)([0-9A-Za-z+/_-]=*)", value).groups()
    if last.endswith("="):  # base64 of 32 bytes: its last character has two bits that count
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        return head + alphabet[alphabet.index(last[0]) ^ 4] + last[1:]
    return head + f"{int(last, 16) ^ 1:x}"


@each_scheme
def test_a_good_signature(agentd, scheme):
    """What is signed with any of the secrets is let in, so that a secret can take the place of another."""
    daemon = agentd(config(hook(scheme))).wait_ready()
    for secret in (0, 1):
        assert content(call(daemon, "/push", *signed(scheme, {"do": "say é"}, secret, id=f"d{secret}"))) == "é"
    if scheme.timed:
        assert content(call(daemon, "/push", *signed(scheme, {"do": "say x"}, age=290, id="late"))) == "x"
        assert content(call(daemon, "/push", *signed(scheme, {"do": "say x"}, age=-290, id="early"))) == "x"


@each_scheme
def test_a_bad_signature(agentd, scheme):
    """One bit of the signature or the body, another secret, a header that is missing or twice, an old time: 401 by
    name, and no run."""
    daemon = agentd(config(hook(scheme))).wait_ready()
    body, headers = signed(scheme, {"do": "say x"})
    name = next(iter(headers))
    asked = [n for n in headers if n not in ("X-GitHub-Delivery", "X-Id")]
    stranger = scheme._replace(secrets=("d2hzZWM=" if scheme.name == "standard" else "x" * 32,))
    tries = [(body, {**headers, name: flip(headers[name])}), signed(stranger, {"do": "say x"}), (body, {})]
    tries += [(body, {k: v for k, v in headers.items() if k != gone}) for gone in asked]
    tries += [(body, {**headers, empty: ""}) for empty in asked]
    if scheme.name != "telegram":  # which is no signature
        tries += [(body.replace(b"x", b"y"), headers), (body + b" ", headers), (b"", headers)]
    if scheme.timed:
        tries += [signed(scheme, {"do": "say x"}, age=age) for age in (310, -310)]
    for text, sent in tries:
        reply = call(daemon, "/push", text, sent)
        detail = assert_problem(reply, 401, "unauthorized")["detail"]
        assert reply.headers["WWW-Authenticate"] == 'Signature realm="agentd"'
        assert all(secret not in detail for secret in scheme.secrets)
    with closing(daemon.connect()) as connection:  # the good one, twice
        connection.putrequest("POST", "/push")
        for field in (*headers.items(), (name, headers[name]), ("Content-Length", str(len(body)))):
            connection.putheader(*field)
        connection.endheaders(body)
        assert "twice" in assert_problem(Reply(connection.getresponse()), 401, "unauthorized")["detail"]
    assert runs(daemon) == []
    wait_for("the access log to say why",
             lambda: sum("refused" in line for line in daemon.log) == len(tries) + 1)
    assert content(call(daemon, "/push", body, headers)) == "x"


def test_hex_and_base64(agentd):
    """hmac-sha256 is taken in hex, with or without sha256=, and in base64, in whatever header the config names."""
    daemon = agentd(config("a: path: /a, auth: none, signature: hmac-sha256, secret: s, header: x-any, " + DO)).wait_ready()
    body = b'{"do":"say x"}'
    digest = mac(b"s", body)
    for text in (digest.hexdigest(), "sha256=" + digest.hexdigest(), digest.hexdigest().upper(),
                 base64.b64encode(digest.digest()).decode()):
        assert content(call(daemon, "/a", body, {"X-Any": text})) == "x"


def test_greetings(agentd):
    """Slack's challenge and Discord's PING are answered without a run, and only to who has signed them."""
    daemon = agentd(config(hook(SCHEMES["slack"], name="s", path="/s"), hook(SCHEMES["discord"], name="d", path="/d"),
                           "n: path: /n, auth: none, respond: accepted")).wait_ready()
    challenge = {"type": "url_verification", "challenge": "3eZbrw1aB"}
    for path, name, body, answer in (("/s", "slack", challenge, {"challenge": "3eZbrw1aB"}),
                                     ("/d", "discord", {"type": 1}, {"type": 1})):
        text, headers = signed(SCHEMES[name], body)
        reply = call(daemon, path, text, headers)
        assert (reply.status, reply.json) == (200, answer)
        for refused in ({}, {k: flip(v) for k, v in headers.items()}):
            assert_problem(call(daemon, path, text, refused), 401, "unauthorized")
    assert runs(daemon) == []
    # To any other webhook they are bodies as any other.
    run_id = accepted(call(daemon, "/n", challenge))
    assert json.loads(record(daemon, run_id)["input"]) == challenge


# Deliveries.

@each_scheme
def test_where_the_id_is(agentd, scheme):
    """The same id makes no other run, whatever else is sent with it; another makes another; none is no id."""
    daemon = agentd(config(hook(scheme, "respond: accepted"))).wait_ready()

    def send(text, id):
        body = {"do": text} | ({scheme.member: id} if scheme.member and id else {})
        text = json.dumps(body).encode()
        return accepted(call(daemon, "/push", text, scheme.sign(scheme.secrets[0], text, int(time.time()), id or "")))
    if scheme.name == "telegram":
        assert send("say 1", 7) == send("say 2", 7) != send("say 1", 8)
    elif scheme.name == "standard":
        assert send("say 1", "7") == send("say 2", "7") != send("say 1", "8")
        return  # its id is signed, and required
    else:
        assert send("say 1", "7") == send("say 2", "7") != send("say 1", "8")
    assert len({send("say 1", None) for _ in range(3)}) == 3


@pytest.mark.parametrize("respond", ["wait", "accepted"])
def test_a_hundred_times_at_once(agentd, respond):
    """Defect 13 of the original: no dedupe. One delivery a hundred times at once is one run, which answers all;
    also after kill -9 and a restart."""
    text = config(f"p: path: /p, auth: none, dedupe: X-Id, respond: {respond}, {DO}")
    daemon = agentd(text).wait_ready()

    def send(_):
        reply = call(daemon, "/p", {"do": "timer 200"}, {"X-Id": "once"})
        assert reply.status == (200 if respond == "wait" else 202), reply.body
        return reply.json["run_id"] if respond == "accepted" else content(reply)

    def burst(count):
        with ThreadPoolExecutor(count) as pool:
            return set(pool.map(send, range(count)))
    first = burst(100)
    [run] = runs(daemon)
    assert first == ({run["run_id"]} if respond == "accepted" else {"timer"})
    wait_over(daemon, run["run_id"])
    assert burst(5) == first
    kill(daemon)
    daemon = agentd(text).wait_ready()
    assert burst(20) == first and [r["run_id"] for r in runs(daemon)] == [run["run_id"]]


def test_ids_of_two_webhooks(agentd):
    """An id is one of its webhook: neither another webhook's, also of the same path, nor an Idempotency-Key."""
    daemon = agentd(config(f"one: path: /x, auth: none, dedupe: X-Id, {DO}",
                           f"two: path: /y, auth: none, dedupe: X-Id, {DO}",
                           f"put: path: /x, method: PUT, auth: none, dedupe: X-Id, {DO}")).wait_ready()
    said = [content(call(daemon, path, {"do": f"say {n}"}, {"X-Id": "1", "Idempotency-Key": "1"}, method))
            for n, (method, path) in enumerate([("POST", "/x"), ("POST", "/y"), ("PUT", "/x")])]
    assert said == ["0", "1", "2"]
    assert daemon.request("POST", "/run", {"input": "say 3"}, {"Idempotency-Key": "1"}).json["content"] == "3"
    # Without dedupe an Idempotency-Key is a header as any other.
    assert len(runs(daemon)) == 4


@pytest.mark.parametrize("respond", ["wait", "accepted"])
def test_ids_of_two_users(agentd, respond):
    """Who brings an id that another user has brought gets a run of their own, and nothing of the other's."""
    daemon = agentd(config(f"p: path: /p, dedupe: X-Id, respond: {respond}, {DO}", base=with_auth()))
    alice, bob = (as_(daemon, name) for name in ("alice", "bob"))
    alice.wait_ready()
    hers = call(alice, "/p", {"do": "say secret"}, {"X-Id": "1"})
    his = call(bob, "/p", {"do": "say his"}, {"X-Id": "1"})
    assert hers.status == his.status == (200 if respond == "wait" else 202) and b"secret" not in his.body
    [her_run], [his_run] = runs(alice), runs(bob)
    assert her_run["run_id"] != his_run["run_id"]
    if respond == "accepted":
        assert (hers.json["run_id"], his.json["run_id"]) == (her_run["run_id"], his_run["run_id"])


def test_a_delivery_whose_run_failed(agentd):
    """Whoever waited was told that it failed, and tries again: once that run is written down, it is a new one, or the
    delivery would be lost. What was accepted has had its run."""
    daemon = agentd(config(f"p: path: /p, auth: none, dedupe: X-Id, {DO}",
                           f"q: path: /q, auth: none, dedupe: X-Id, respond: accepted, {DO}")).wait_ready()
    def fails():
        assert_problem(call(daemon, "/p", {"do": "fail x"}, {"X-Id": "1"}), 502, "agent_failed")
        return len(runs(daemon)) == 2
    wait_for("a second run", fails)
    wait_for("a run that succeeds", lambda: call(daemon, "/p", {"do": "say x"}, {"X-Id": "1"}).status == 200)
    assert content(call(daemon, "/p", {"do": "say y"}, {"X-Id": "1"})) == "x"
    first = wait_over(daemon, accepted(call(daemon, "/q", {"do": "fail x"}, {"X-Id": "1"})))
    assert accepted(call(daemon, "/q", {"do": "say y"}, {"X-Id": "1"})) == first["run_id"]


def test_dedupe_none(agentd):
    """dedupe: none does not look, where the signature has an id, too."""
    daemon = agentd(config(hook(SCHEMES["github"], "dedupe: none"))).wait_ready()
    for _ in range(2):
        content(call(daemon, "/push", *signed(SCHEMES["github"], {"do": "say x"})))
    assert len(runs(daemon)) == 2


def test_after_a_day(agentd, tmp_path):
    """An id lasts for 24 hours."""
    text = config(f"p: path: /p, auth: none, dedupe: X-Id, {DO}")
    for hours, count in ((0, 1), (23, 1), (25, 2)):
        daemon = agentd(text).wait_ready()
        content(call(daemon, "/p", {"do": "say x"}, {"X-Id": "1"}))
        assert len(runs(daemon)) == count
        kill(daemon)
        execute(database(tmp_path), f"UPDATE keys SET created = created - {(23 if hours == 0 else 2) * 3600000}")


def test_a_sender_that_hangs_up(agentd):
    """It cancels its run if the run has no id with which it could be asked for again, and only then."""
    daemon = agentd(config(f"p: path: /p, auth: none, dedupe: X-Id, {DO}")).wait_ready()
    for headers in ({"X-Id": "1"}, {}):
        connection = daemon.connect()
        connection.request("POST", "/p", '{"do":"timer 700"}', headers)
        wait_running(daemon)
        connection.close()
        [run] = runs(daemon, "?status=running")
        assert wait_over(daemon, run["run_id"])["status"] == ("succeeded" if headers else "cancelled")


# Answers.

def test_answers(agentd):
    """After the run: its content; {"status":"ok"} if it said nothing. At once: 202 with its id."""
    daemon = agentd(config(f"w: path: w, auth: none, {DO}", f"x: path: /x, auth: none, respond: accepted, agent: b, {DO}",
                           "whole: path: /whole, auth: none, respond: accepted",
                           'said: path: /said, auth: none, input: "say {{ source }} {{ headers.x-event }} {{ body.n }}"')).wait_ready()
    assert content(call(daemon, "/w", {"do": "say é\""})) == 'é"'
    reply = call(daemon, "/w", {"do": "say"})
    assert (reply.status, reply.json) == (200, {"status": "ok"})
    reply = call(daemon, "/x", {"do": "say x"})
    assert reply.status == 202 and set(reply.json) == {"run_id", "session_id", "status"}
    run = wait_over(daemon, reply.json["run_id"])
    assert (run["agent"], run["source"], run["content"]) == ("b", "POST /x", "x")
    assert record(daemon, accepted(call(daemon, "/whole", {"a": [1, "é"]})))["input"] == '{"a":[1,"é"]}'
    assert content(call(daemon, "/said", {"n": 7}, {"X-Event": "push {{ body }}"})) == "POST /said push {{ body }} 7"


@pytest.mark.parametrize("act, status, code", [
    ("fail no", 502, "agent_failed"), ("crash", 502, "agent_crashed"), ("hang", 504, "timeout"),
    ("refuse", 502, "agent_failed")])
def test_a_run_that_fails(agentd, act, status, code):
    """Defect 12 of the original: it answered 200 to a delivery whose run failed: it is an error, so that the
    sender tries again. The next try may fail as well, but it is never a 200."""
    daemon = agentd(config(f"p: path: /p, auth: none, timeout: 200ms, dedupe: X-Id, {DO}")).wait_ready()
    for _ in range(2):
        assert_problem(call(daemon, "/p", {"do": act}, {"X-Id": "1"}), status, code)
        daemon.wait_ready()


def test_a_run_that_is_cancelled(agentd):
    """An operator ends the run that a sender waits for: that is no 200 either, and its next try makes another."""
    daemon = agentd(config(f"p: path: /p, auth: none, dedupe: X-Id, {DO}")).wait_ready()
    with closing(daemon.connect()) as connection:
        connection.request("POST", "/p", '{"do":"hang"}', {"X-Id": "1"})
        wait_running(daemon)
        [run] = runs(daemon)
        assert daemon.request("POST", f"/runs/{run['run_id']}/cancel").status == 202
        assert_problem(Reply(connection.getresponse()), 409, "run_cancelled")
    wait_over(daemon, run["run_id"])
    assert content(call(daemon, "/p", {"do": "say x"}, {"X-Id": "1"})) == "x"


def test_no_place(agentd):
    """A full queue, and a wait in it that was too long, are 503; the id is free for another try."""
    base = BASE.replace("b: { plugin: PLUGIN(actor)", "b: { plugin: PLUGIN(actor), concurrency: 1, queue: 1, queue_timeout: 200ms")
    daemon = agentd(config(f"p: path: /p, agent: b, auth: none, dedupe: X-Id, {DO}", base=base)).wait_ready()
    first = daemon.start_run("hang", agent="b")
    wait_running(daemon, agent="b")
    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda n: call(daemon, "/p", {"do": "say x"}, {"X-Id": f"{n}"}), range(2)))
    for reply in replies:
        assert_problem(reply, 503, "overloaded")
        assert reply.headers["Retry-After"]
    first.close()
    wait_for("the place to be free", lambda: daemon.load("b") == (0, 0))
    assert [content(call(daemon, "/p", {"do": "say x"}, {"X-Id": f"{n}"})) for n in range(2)] == ["x", "x"]


def test_an_agent_that_is_down(agentd):
    """503 while nobody waits for it, and the id is free; `accepted` waits for the agent."""
    base = BASE.replace("50ms", "1h").replace("100ms", "1h")
    daemon = agentd(config(f"p: path: /p, auth: none, dedupe: X-Id, {DO}", f"q: path: /q, auth: none, respond: accepted, {DO}",
                           base=base)).wait_ready()
    daemon.run("crash")
    wait_for("the agent to be down", lambda: daemon.agent("a")["state"] == "backoff")
    reply = call(daemon, "/p", {"do": "say x"}, {"X-Id": "1"})
    assert_problem(reply, 503, "agent_unavailable")
    assert int(reply.headers["Retry-After"]) > 0
    run_id = accepted(call(daemon, "/q", {"do": "say y"}))
    assert daemon.request("POST", "/agents/a/restart").status == 202
    assert wait_over(daemon, run_id)["content"] == "y"
    assert content(call(daemon, "/p", {"do": "say x"}, {"X-Id": "1"})) == "x"


def test_while_agentd_stops(agentd):
    """A run that a stop has ended is 503, and a delivery that comes again after the start makes another: else it
    would be lost."""
    text = config(f"p: path: /p, auth: none, dedupe: X-Id, {DO}", f"q: path: /q, auth: none, dedupe: X-Id, respond: accepted, {DO}")
    daemon = agentd(text).wait_ready()
    connection = daemon.connect()
    connection.request("POST", "/p", '{"do":"hang"}', {"X-Id": "1"})
    wait_running(daemon)
    run_id = accepted(call(daemon, "/q", {"do": "attempt"}, {"X-Id": "1"}))
    wait_running(daemon, 2)
    daemon.terminate()
    reply = Reply(connection.getresponse())
    assert_problem(reply, 503, "draining")
    assert reply.headers["Retry-After"]
    assert daemon.wait(30) == 0
    daemon = agentd(text).wait_ready()
    assert content(call(daemon, "/p", {"do": "say x"}, {"X-Id": "1"})) == "x"
    assert accepted(call(daemon, "/q", {"do": "attempt"}, {"X-Id": "1"})) == run_id
    assert wait_over(daemon, run_id)["status"] == "succeeded"


def test_what_was_accepted_outlives_agentd(agentd):
    """202 means that the run is in the store: after kill -9 it is done. One that was waited for is not, and its
    id makes another."""
    text = config(f"p: path: /p, auth: none, dedupe: X-Id, {DO}",
                  f"q: path: /q, auth: none, dedupe: X-Id, respond: accepted, {DO}")
    daemon = agentd(text).wait_ready()
    waiting = daemon.connect()
    waiting.request("POST", "/p", '{"do":"hang"}', {"X-Id": "1"})
    wait_running(daemon)
    ids = [accepted(call(daemon, "/q", {"do": "timer 300"}, {"X-Id": f"{n}"})) for n in range(5)]
    kill(daemon)
    daemon = agentd(text).wait_ready()
    assert {wait_over(daemon, run_id)["status"] for run_id in ids} == {"succeeded"}
    assert content(call(daemon, "/p", {"do": "say x"}, {"X-Id": "1"})) == "x"
    assert len(runs(daemon)) == 7


def test_a_store_that_cannot_write(agentd, tmp_path):
    """503 before anything is begun, also without an id; and for a run whose end cannot be written, until a restart."""
    text = config(f"p: path: /p, auth: none, dedupe: X-Id, {DO}", f"q: path: /q, auth: none, respond: accepted, {DO}")
    daemon = agentd(text).wait_ready()

    def send(path="/p", do="say x", id="1"):
        return call(daemon, path, {"do": do}, {"X-Id": id} if id else {})
    with closing(sqlite3.connect(database(tmp_path), isolation_level=None)) as db:
        connection = daemon.connect()
        connection.request("POST", "/p", '{"do":"timer 700"}', {"X-Id": "end"})
        wait_running(daemon)
        db.execute("ALTER TABLE runs RENAME TO gone")
        for reply in (send(), send(id=None), send("/q"), Reply(connection.getresponse()), send(id="end")):
            assert_problem(reply, 503, "store_unavailable")
            assert reply.headers["Retry-After"]
        db.execute("ALTER TABLE gone RENAME TO runs")
    assert len(runs(daemon)) == 1 and content(send()) == "x"
    assert_problem(send(id="end"), 503, "store_unavailable")
    kill(daemon)
    daemon = agentd(text).wait_ready()
    assert content(send(id="end")) == "x"


def test_without_a_store(agentd):
    """With the store off a webhook that waits works, but knows no delivery again."""
    daemon = agentd(config(hook(SCHEMES["github"])) + "store: { enabled: false }\n").wait_ready()
    assert [content(call(daemon, "/push", *signed(SCHEMES["github"], {"do": f"say {n}"}))) for n in range(2)] == ["0", "1"]
    assert_problem(call(daemon, "/push", *signed(SCHEMES["github"], {"do": "fail no"})), 502, "agent_failed")


# Who may.

def with_auth(more=""):
    """http.auth is `keys`: alice, bob and root. `gate` is another, of which root is no member."""
    gate = hashlib.sha256(b"gate").hexdigest(), hashlib.sha256(b"only-b").hexdigest()
    return BASE.replace('"127.0.0.1:0" ]', '"127.0.0.1:0" ], auth: keys') + AUTH + f"""\
  gate: {{ type: api_key, header: X-Gate, rate: 4/h, keys: [ "sha256:{gate[0]}", {{ hash: "sha256:{gate[1]}", agents: [ b ] }} ] }}
""" + more


def test_whose_auth(agentd):
    """Defect 9 of the original: it ignored a webhook's own auth: inherit is http.auth, none is everybody, and a
    name is that alone."""
    daemon = agentd(config(f"i: path: /i, {DO}", f"n: path: /n, auth: none, {DO}", f"g: path: /g, auth: gate, {DO}",
                           base=with_auth()))
    root = as_(daemon, "root")
    root.wait_ready()
    key, gate = {"X-API-Key": KEYS["alice"]}, {"X-Gate": "gate"}
    table = {"/i": {None: 401, "key": 200, "gate": 401, "wrong": 401}, "/n": {None: 200, "key": 200, "gate": 200, "wrong": 200},
             "/g": {None: 401, "key": 401, "gate": 200, "wrong": 401}}
    headers = {None: {}, "key": key, "gate": gate, "wrong": {"X-API-Key": "x", "X-Gate": "x"}}
    for path, rows in table.items():
        for name, status in rows.items():
            reply = call(daemon, path, {"do": "say x"}, headers[name])
            assert reply.status == status, (path, name, reply.body)
            assert status == 200 or reply.headers["WWW-Authenticate"].startswith("Bearer ")
    assert_problem(call(daemon, "/g", {"do": "say x"}, {"X-Gate": "only-b"}), 403, "forbidden")
    # What it made is its user's; what nobody in particular made, admins see.
    whose = {(run["source"], run["user_id"]) for run in runs(root)}
    assert whose == {("POST /i", user_of("alice")), ("POST /n", None), ("POST /g", "apikey_" + hashlib.sha256(b"gate").hexdigest()[:12])}
    assert {run["source"] for run in runs(as_(daemon, "alice"))} == {"POST /i"}
    assert runs(as_(daemon, "bob")) == []
    open_run = next(run["run_id"] for run in runs(root) if run["source"] == "POST /n")
    assert_problem(as_(daemon, "alice").get(f"/runs/{open_run}"), 403, "forbidden")
    # Its rate is that of its auth.
    statuses = [call(daemon, "/g", {"do": "say x"}, gate).status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


def test_its_auth_without_http_auth(agentd):
    """Defect 9 of the original: it did not ask for a webhook's auth where the server has none: its endpoint was
    open."""
    base = with_auth().replace(", auth: keys", "")
    daemon = agentd(config(f"g: path: /g, auth: gate, {DO}", f"i: path: /i, {DO}", base=base)).wait_ready()
    for method, headers, status in (("POST", {}, 401), ("POST", {"X-API-Key": KEYS["root"]}, 401), ("POST", {"X-Gate": "gate"}, 200)):
        assert call(daemon, "/g", {"do": "say x"}, headers, method).status == status
    assert call(daemon, "/i", {"do": "say x"}).status == 200  # as all of this server


def test_its_auth_that_has_to_wait(agentd, issuer):
    """A request waits with its body while the keys of its webhook's own auth are got; so does one that then leaves."""
    issuer.delay = 0.3
    tokens = f'auth: {{ t: {{ type: jwt, algorithms: [ RS256 ], jwks_url: "{issuer.url}" }} }}\n'
    daemon = agentd(config(f"t: path: /t, auth: t, {DO}", base=BASE + tokens))
    gone = daemon.connect()
    gone.request("POST", "/t", '{"do":"say gone"}', ONE)
    gone.close()
    with ThreadPoolExecutor(5) as pool:
        replies = list(pool.map(lambda n: call(daemon, "/t", {"do": f"say {n}"}, ONE), range(5)))
    # The agent may not be ready yet; whoever is let in is told so by another code than 401.
    assert {reply.status for reply in replies} <= {200, 503}
    daemon.wait_ready()
    assert content(call(daemon, "/t", {"do": "say x"}, ONE)) == "x"
    assert_problem(call(daemon, "/t", {"do": "say x"}, TWO), 401, "unauthorized")


def test_auth_and_signature(agentd):
    """Both are asked for, the first first; over the control socket the signature as well."""
    scheme = SCHEMES["github"]
    daemon = agentd(config(hook(scheme).replace("auth: none", "auth: gate"), base=with_auth()))
    as_(daemon, "root").wait_ready()
    body, headers = signed(scheme, {"do": "say x"})
    assert call(daemon, "/push", body, headers).headers["WWW-Authenticate"].startswith("Bearer")
    assert call(daemon, "/push", body, {"X-Gate": "gate"}).headers["WWW-Authenticate"].startswith("Signature")
    assert content(call(daemon, "/push", body, {**headers, "X-Gate": "gate"})) == "x"
    control = Control(daemon)
    assert_problem(call(control, "/push", body), 401, "unauthorized")
    assert content(call(control, "/push", body, headers)) == "x"


def test_pages(agentd):
    """A page of another origin may not call a webhook; a browser GETs for a page without saying of which origin."""
    daemon = agentd(config(f"p: path: /p, auth: none, {DO}", 'g: path: /g, method: GET, auth: none, input: "say x"')).wait_ready()
    for method, path in (("POST", "/p"), ("GET", "/g"), ("HEAD", "/g")):
        for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"},
                        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}):
            assert call(daemon, path, '{"do":"say x"}' if path == "/p" else None, headers, method).status == 403
    assert runs(daemon) == []
    for site in ("same-origin", "none"):
        assert content(call(daemon, "/g", None, {"Sec-Fetch-Site": site}, "GET")) == "x"


def test_methods_and_paths(agentd):
    """A webhook takes its own methods at its own path, and nothing next to it; HEAD is GET without a body."""
    daemon = agentd(config(*(f"{m.lower()}: path: /x.y~z, method: {m}, auth: none, {DO}" for m in ("POST", "PUT", "PATCH", "DELETE")),
                           'g: path: deep/g, method: GET, auth: none, input: "say {{ source }}{{ body.x }}"')).wait_ready()
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert content(call(daemon, "/x.y~z?a=b", {"do": f"say {method}"}, None, method)) == method
    assert content(call(daemon, "/%78.y%7Ez", {"do": "say same"})) == "same"
    assert content(call(daemon, "/deep/g", None, None, "GET")) == "GET /deep/g"
    head = call(daemon, "/deep/g", None, None, "HEAD")
    assert (head.status, head.body) == (200, b"")
    reply = call(daemon, "/deep/g", {"do": "say x"})
    assert_problem(reply, 405, "method_not_allowed")
    assert reply.headers["Allow"] == "OPTIONS, GET, HEAD"
    assert call(daemon, "/x.y~z", None, None, "OPTIONS").headers["Allow"] == "OPTIONS, POST, PUT, DELETE, PATCH"
    for path in ("/x.y~z/", "/X.y~z", "/x.y", "/deep", "/deep/", "/x.y~z/a", "/deep%2fg"):
        assert call(daemon, path, {"do": "say x"}).status in (400, 404), path


def test_who_may_not_come_in_is_told_nothing(agentd):
    """With http.auth a path that is a webhook's, by another method, looks like one that is nothing's; a preflight
    needs no key."""
    base = with_auth().replace("auth: keys", 'auth: keys, cors_origins: [ "https://app.example" ]')
    daemon = agentd(config(f"n: path: /n, auth: none, {DO}", base=base))
    for method, path in (("GET", "/n"), ("OPTIONS", "/n"), ("GET", "/nothing")):
        assert_problem(call(daemon, path, None, None, method), 401, "unauthorized")
    reply = call(daemon, "/n", None, {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}, "OPTIONS")
    assert reply.status == 204 and "POST" in reply.headers["Access-Control-Allow-Methods"]


# Sessions.

def test_sessions(agentd):
    """The same text is the same session; a session that can be none is 400, and so is an empty input."""
    daemon = agentd(config(f'p: path: /p, auth: none, session: "repo-{{{{ body.id }}}}", {DO}')).wait_ready()
    for text in ("say one", "say two"):
        content(call(daemon, "/p", {"do": text, "id": 7}))
    content(call(daemon, "/p", {"do": "say three", "id": 8}))
    sessions = {s["session_id"] for s in daemon.get("/sessions").json["sessions"]}
    assert sessions == {"repo-7", "repo-8"}
    assert [m["content"] for m in daemon.get("/sessions/repo-7").json["messages"]] == ["say one", "one", "say two", "two"]
    for body, says in (({"do": "say x", "id": "a/b"}, "its session must have"), ({"do": "say x", "id": "x" * 300}, "its session"),
                       ({"id": 7}, "its input is empty"), ([], "its input is empty"), ({"do": "", "id": 7}, "its input is empty")):
        assert f"webhooks.p: {says}" in assert_problem(call(daemon, "/p", body), 400, "bad_request")["detail"]
    assert len(runs(daemon)) == 3


def test_what_does_not_fit_is_in_the_log(agentd):
    """Why a template gives nothing is in the access line of each request, and a warning once in a while: the mistake is
    the config's, and who calls may tell nobody."""
    daemon = agentd(config(f'p: path: /p, auth: none, session: "{{{{ body.repo }}}}", {DO}')).wait_ready()
    for _ in range(3):
        assert_problem(call(daemon, "/p", {"do": "say x", "repo": "me/it"}), 400, "bad_request")
    assert daemon.wait_log(r"webhooks\.p: answered with 400: its session must have .* no \"/\"")["level"] == "warn"
    assert_problem(call(daemon, "/p", {"repo": "r"}), 400, "bad_request")
    content(call(daemon, "/p", {"do": "say x", "repo": "r"}))
    lines = wait_for("the access lines", lambda: (found := [
        line for line in daemon.log if line["message"] == "POST /p"])[4:] and found)
    assert [line["status"] for line in lines] == [400] * 4 + [200]
    assert all(line["refused"].startswith("its session must have 1 to 256 bytes, no \"/\"") for line in lines[:3])
    assert lines[3]["refused"] == "its input is empty with what came" and "refused" not in lines[4]
    stop(daemon)
    assert sum(line["level"] == "warn" for line in daemon.log) == 1


@pytest.mark.skipif(not (shutil.which("openssl") and shutil.which("curl")), reason="no openssl, or no curl")
def test_the_documented_webhook(agentd, tmp_path):
    """docs/config.md's webhook, tried by hand as the page says, makes a run in the session that it names."""
    page = (ROOT / "docs" / "config.md").read_text()
    section = re.search(r"^webhooks:\n(?: .*\n|\n)*", page, re.M).group(0)
    commands = re.search(r"To try one by hand.*?```sh\n(.*?)```", page, re.S).group(1)
    environment = {"GITHUB_SECRET": "hush"}
    daemon = agentd(BASE.replace("default_agent: a", "default_agent: assistant").replace("  a:", "  assistant:") + section,
                    env=environment).wait_ready()
    assert commands.count("127.0.0.1:8000/") == 1
    done = subprocess.run(["sh", "-ec", commands.replace(":8000/", f":{daemon.address[1]}/")], capture_output=True, text=True,
                          env={**os.environ, **environment})
    run = wait_over(daemon, json.loads(done.stdout)["run_id"])
    assert (run["input"], run["session_id"]) == ("Summarise this push to me/it", "repo-1296269")


@pytest.mark.parametrize("store", ["on", "off"])
def test_a_session_of_another_user(agentd, store):
    """A webhook goes into a session of its own user only; an open one into those of nobody in particular."""
    hooks = [f"{name}: path: /{name}, session: \"{{{{ body.s }}}}\", {DO}, {more}" for name, more in (
        ("i", "auth: inherit"), ("n", "auth: none"), ("r", "auth: none, respond: accepted"))][:3 if store == "on" else 2]
    daemon = agentd(config(*hooks, base=with_auth()) + ("" if store == "on" else "store: { enabled: false }\n"))
    alice, bob, root = (as_(daemon, name) for name in ("alice", "bob", "root"))
    root.wait_ready()
    assert alice.run("say secret", session_id="hers").status == 200
    for who, path in ((bob, "/i"), (daemon, "/n"), (daemon, "/r"))[:3 if store == "on" else 2]:
        reply = call(who, path, {"do": "history", "s": "hers"})
        assert_problem(reply, 403, "forbidden")
        assert b"secret" not in reply.body
    assert "secret" in content(call(alice, "/i", {"do": "history", "s": "hers"}))
    assert content(call(daemon, "/n", {"do": "say open", "s": "open"})) == "open"
    assert "open" in content(call(daemon, "/n", {"do": "history", "s": "open"}))
    assert_problem(call(alice, "/i", {"do": "history", "s": "open"}), 403, "forbidden")
    assert content(call(root, "/i", {"do": "say x", "s": "open"})) == "x"


def test_a_busy_session(agentd):
    """With on_busy: reject it is 409 while a run of it goes on, and the id is free; a stranger is not told so."""
    base = with_auth().replace("a: { plugin: PLUGIN(actor) }", "a: { plugin: PLUGIN(actor), on_busy: reject }")
    daemon = agentd(config(f"n: path: /n, auth: none, dedupe: X-Id, session: s, {DO}", f"i: path: /i, dedupe: X-Id, session: s, {DO}",
                           base=base))
    alice, root = (as_(daemon, name) for name in ("alice", "root"))
    root.wait_ready()
    first = alice.start_run("timer 1000", session_id="s")
    wait_running(root)
    with ThreadPoolExecutor(2) as pool:
        hers = pool.submit(call, alice, "/i", {"do": "say x"}, {"X-Id": "1"})
        stranger = pool.submit(call, daemon, "/n", {"do": "say x"}, {"X-Id": "1"})
        assert_problem(hers.result(), 409, "session_busy")
        assert_problem(stranger.result(), 403, "forbidden")
    assert Reply(first.getresponse()).status == 200
    assert content(call(alice, "/i", {"do": "say x"}, {"X-Id": "1"})) == "x"
    assert [m["content"] for m in alice.get("/sessions/s").json["messages"]] == ["timer 1000", "timer", "say x", "x"]


# Bodies.

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def whole(agentd):
    """Says what it made of a body."""
    return agentd(config('w: path: /w, auth: none, input: "say {{ body }}"',
                         'g: path: /g, method: GET, auth: none, input: "say {{ body }}"')).wait_ready()


@pytest.mark.parametrize("text, body", [
    ("a=1&b=x+y%26z&c", {"a": "1", "b": "x y&z", "c": ""}),
    ("a=1&a=2&a=&b=1", {"a": ["1", "2", ""], "b": "1"}),
    ("payload=%7B%22ref%22%3A%7B%22a%22%3A%5B1%5D%7D%7D", {"payload": {"ref": {"a": [1]}}}),
    ("payload=[1]&payload=2", {"payload": ["[1]", "2"]}),
    ('payload={"a":1}&payload={"b":2}', {"payload": [{"a": 1}, {"b": 2}]}),
    ("payload=%7Bbroken", {"payload": "{broken"}),
    ('other={"a":1}', {"other": '{"a":1}'}),
    ("&a=b=c&&", {"a": "b=c"}),
    ("text=gr%C3%BC%C3%9Fe", {"text": "grüße"}),
    ("text=grüße an alle", {"text": "grüße an alle"}),
    ("a%5Bb%5D=1", {"a[b]": "1"}),
    ('{"a":[1]}', {"a": [1]}),
    (' \n[1,"x"]', [1, "x"]),
    ("", {}),
])
def test_forms(whole, text, body):
    """A form is an object of texts, its payload that of GitHub and Slack; JSON that curl -d declares a form is JSON."""
    for headers in (FORM, {"Content-Type": "Application/X-WWW-Form-Urlencoded; charset=utf-8"}):
        assert json.loads(content(call(whole, "/w", text.encode(), headers))) == body


@pytest.mark.parametrize("body, headers", [
    (b"a=%", FORM), (b"a=%4", FORM), (b"a=%zz", FORM), (b"a=%00", FORM), (b"a=\0", FORM), (b"=1", FORM), (b"a=1&%zz=1", FORM),
    (b"a=%ff", FORM), (b"\0\0", FORM), (b"a=\xc3", FORM),
    (b"{", {}), (b"a=1", {}), (b'{"a":1,"a":2}', {}), (b"{} {}", {}), (b"\xff", {}), (b'"\\u0000"', {}), (b"nul", {}), (b" ", {}),
    (b"[" * 5000, {}), (b'{"a":1', FORM), (b"\xef\xbb\xbf{}", {}),
])
def test_bodies_that_are_none(whole, body, headers):
    """What is neither JSON nor a form is 400, and makes no run; defect 12 of the original, which called its
    handler with nothing."""
    assert_problem(call(whole, "/w", body, headers), 400, "bad_request")
    assert runs(whole) == []


def test_other_bodies(whole):
    """Any JSON is taken, and none; one that is too large is 413, one that is no text 415; without a run."""
    for body, said in (("3", "3"), ('"x"', "x"), ("[]", "[]"), ("true", "true"), (' {"a" : 1}\n', '{"a":1}')):
        assert content(call(whole, "/w", body)) == said
    for method, path in (("POST", "/w"), ("GET", "/g")):
        assert content(call(whole, path, None, None, method)) == "{}"
    big = json.dumps({"a": "x" * 1000000})
    assert json.loads(content(call(whole, "/w", big))) == json.loads(big)
    before = len(runs(whole))
    with closing(whole.connect()) as connection:
        connection.putrequest("POST", "/w")
        connection.putheader("Content-Length", str((1 << 20) + 1))
        connection.endheaders()
        assert_problem(Reply(connection.getresponse()), 413, "payload_too_large")
    assert_problem(call(whole, "/w", b"x", {"Content-Type": "multipart/form-data; boundary=x"}), 415, "unsupported_media_type")
    assert len(runs(whole)) == before


def test_many_fields(whole):
    """A form of as many fields as fit takes no longer than it should."""
    started = time.monotonic()
    for text in ("a&" * 400000, "&".join(f"k{n}=" for n in range(100000))):
        assert call(whole, "/w", text, FORM).status == 200
    assert time.monotonic() - started < 20


# The config.

@pytest.mark.parametrize("entry, error", [
    ("w: {}", r'w: the required option "path" is missing'),
    ("w: { path: /run }", r"w\.path: /run is a path of agentd's own API"),
    ("w: { path: Health }", r"w\.path: /Health is a path of"),
    ("w: { path: /agents/, method: PUT }", r"w\.path: /agents/ is a path of"),
    ("w: { path: /docs }", r"w\.path: /docs is a path of"),
    ("w: { path: /events/push }", r"w\.path: /events/push is a path of"),
    ("w: { path: /sessions/x }", r"w\.path: /sessions/x is a path of"),
    ("w: { path: / }", r"w\.path: a path has something between its slashes"),
    ('w: { path: "" }', r"w\.path: a path has something"),
    ("w: { path: /a//b }", r"w\.path: a path has something"),
    ("w: { path: /a/../b }", r"w\.path: a path has no \. or \.\."),
    ("w: { path: /a/. }", r"w\.path: a path has no \. or \.\."),
    ('w: { path: "/a b" }', r"w\.path: a path may have letters"),
    ('w: { path: "/a?b" }', r"w\.path: a path may have letters"),
    ('w: { path: "/{id}" }', r"w\.path: a path may have letters"),
    ("w: { path: /é }", r"w\.path: a path may have letters"),
    ("w: { path: /%61 }", r"w\.path: a path may have letters"),
    (f"w: {{ path: /{'x' * 256} }}", r"w\.path: a path may have at most 256 bytes"),
    ("w: { path: /x, method: post }", r'w\.method: expected one of POST\|.*did you mean "POST"\?'),
    ("w: { path: /x, method: HEAD }", r"w\.method: expected one of"),
    ("w: { path: /x, auth: nobody }", r'w\.auth: there is no auth "nobody"'),
    ("w: { path: /x, auth: key }", r'w\.auth: there is no auth "key"; did you mean "keys"\?'),
    ("w: { path: /x, auth: staff }", r'w\.auth: "staff" is an allowlist'),
    ("w: { path: /x, auth: both }", r'w\.auth: "both" is an allowlist'),
    ("w: { path: /x, respond: later }", r"w\.respond: expected one of wait\|accepted"),
    ("w: { path: /x, agent: nobody }", r'w\.agent: there is no agent "nobody"'),
    ('w: { path: /x, input: "{{ bdy }}" }', r"w\.input: column 4: expected body"),
    ('w: { path: /x, session: "{{ body" }', r"w\.session: "),
    ("w: { path: /x, signatrue: github }", r'w\.signatrue: unknown option; did you mean "signature"\?'),
    ("w: { path: /x, signature: gitub, secret: s3cret, header: X }", r'w\.signature: expected one of .*did you mean "github"\?'),
    ("w: { path: /x, signature: github }", r"w: the signature needs a secret"),
    ("w: { path: /x, signature: github, secret: [] }", r"w\.secret: the signature needs a secret"),
    ("w: { path: /x, signature: github, secret: }", r"w\.secret: the signature needs a secret"),
    ('w: { path: /x, signature: github, secret: "" }', r"w\.secret: is empty"),
    ("w: { path: /x, signature: github, secret: { s3cret: } }", r"w\.secret: expected list of secrets, found a map"),
    ("w: { path: /x, signature: github, secret: [ [ s3cret ] ] }", r"w\.secret\[0\]: expected a single value, found a list"),
    ('w: { path: /x, signature: github, secret: "s3cret\\n" }', r"w\.secret: must be up to 1024 bytes, with no newline"),
    ("w: { path: /x, signature: standard, secret: whsec_s3cret }", r"w\.secret: must be whsec_ and base64"),
    ("w: { path: /x, signature: telegram, secret: s3cret! }", r"w\.secret: must be up to 256 letters"),
    ("w: { path: /x, signature: discord, secret: s3cret }", r"w\.secret: must be the application's public key"),
    (f"w: {{ path: /x, signature: discord, secret: \"{'0' * 64}\" }}", r"w\.secret: must be the application's public key"),
    (f"w: {{ path: /x, signature: github, secret: [ {', '.join('123456789')} ] }}", r"w\.secret: at most 8 secrets"),
    ("w: { path: /x, secret: s3cret }", r"w\.secret: nothing is signed with it"),
    ("w: { path: /x, signature: hmac-sha256, secret: s3cret }", r"w\.signature: hmac-sha256 needs a header"),
    ("w: { path: /x, signature: github, secret: s3cret, header: X-Sig }", r"w\.header: only hmac-sha256"),
    ("w: { path: /x, header: X-Sig }", r"w\.header: only hmac-sha256"),
    ('w: { path: /x, signature: hmac-sha256, secret: s3cret, header: "X Sig" }', r'w\.header: "X Sig" cannot be the name'),
    ('w: { path: /x, dedupe: "X:Id" }', r'w\.dedupe: "X:Id" cannot be the name'),
    ('w: { path: /x, dedupe: "" }', r'w\.dedupe: "" cannot be the name'),
    ('"a b": { path: /x }', r"a b: a name may have"),
    ("w: /x", r'w: expected a section'),
    ("o: { path: /x }\n  w: { path: x }", r"w\.path: POST /x is that of webhooks\.o already"),
    ("o: { path: /x/ }\n  w: { path: /X }", r"w\.path: POST /X is that of webhooks\.o already"),
    ("o: { path: /x, method: PUT }\n  p: { path: /x }\n  w: { path: /x, method: PUT }", r"w\.path: PUT /x is that of webhooks\.o"),
])
def test_mistakes_in_the_config(check, entry, error):
    """Each is one line, with its place and without its secret; nothing starts."""
    auth = AUTH + "  staff: { type: allowlist, users: [ x ] }\n  both: { type: composite, of: [ staff ] }\n"
    text = BASE + auth + f"webhooks:\n  {entry}\n"
    [line] = errors(check(text))
    assert re.match(rf"agent\.conf:{len(text.splitlines())}: webhooks\." + error, line), line
    assert "s3cret" not in line


def test_each_secret_has_its_line(check):
    """A secret in a list that is none is an error at its own line."""
    text = BASE + "webhooks:\n  w:\n    path: /x\n    signature: standard\n    secret:\n" \
                  "      - whsec_bmV3IHNlY3JldA==\n      - whsec_s3cret\n      - s3cret==\n"
    at = len(text.splitlines())
    lines = errors(check(text))
    assert [line.split(" ")[0] for line in lines] == [f"agent.conf:{at - 1}:", f"agent.conf:{at}:"]
    assert not any("s3cret" in line for line in lines)


@pytest.mark.parametrize("webhooks, error", [("[]", "must be a section of webhooks, by name"), ("x", "must be a section of webhooks")])
def test_no_section(check, webhooks, error):
    """webhooks is a section."""
    [line] = errors(check(BASE + f"webhooks: {webhooks}\n"))
    assert error in line


def test_a_signature_and_a_key(check):
    """Platforms that sign send no key: a webhook that asks for both because nothing is said of its auth is noted, and
    one of which it is said is not."""
    signs = "path: /x, signature: github, secret: s"
    for more, auth, notes in (("", with_auth(), 1), (", auth: inherit", with_auth(), 0), (", auth: none", with_auth(), 0),
                              (", auth: gate", with_auth(), 0), ("", BASE, 0), (", enabled: false", with_auth(), 0)):
        result = check(config(f"w: {signs}{more}", base=auth))
        lines = [line for line in result.stderr.splitlines() if "webhooks.w: a caller must send a key" in line]
        assert (result.returncode, len(lines)) == (0, notes), result
        assert all("auth: none leaves it to the signature" in line for line in lines)


def test_what_needs_the_store(check):
    """Without a store a 202 would be a lie, and dedupe a wish: config errors. What the signature has by itself is not."""
    off = "store: { enabled: false }\n"
    for option in ("respond", "dedupe"):
        value = "accepted" if option == "respond" else "X-Id"
        [line] = errors(check(config(f"w: path: /x, {option}: {value}") + off))
        assert f"webhooks.w.{option}: " in line and "store.enabled" in line
    assert check(config("w: path: /x, dedupe: none, signature: github, secret: s") + off).returncode == 0


def test_inherit_is_no_name(check):
    """An auth of the name that means http.auth would leave a webhook open that names it."""
    text = BASE + AUTH.replace("  keys:\n    type", "  inherit:\n    type") + "webhooks: { w: { path: /x, auth: inherit } }\n"
    assert any("auth.inherit: inherit cannot be a name" in line for line in errors(check(text)))


def test_names_that_are_free(check):
    """Two methods of one path, paths that only begin as others do, and an empty section are no mistakes."""
    for text in (config("a: path: /x", "b: path: /x, method: GET", "c: path: /x/y", "d: path: /runs-of-mine", "e: path: /agents/a/b/c",
                        "f: path: hooks/x.y/~z-_"), BASE + "webhooks:\n", BASE + "webhooks: {}\n"):
        result = check(text)
        assert result.returncode == 0, result


SECRETS = {"ENV": "s3cret-of-env", "FILE": "s3cret-of-file", "PLAIN": "s3cret-in-it"}


def secretive(tmp_path):
    (tmp_path / "key").write_text(SECRETS["FILE"] + "\n")
    return config('w: path: /w, auth: none, signature: github, secret: [ "${ENV}", "${file:key}", s3cret-in-it ], ' + DO) \
        + "log: { level: debug }\n"


def test_secrets_from_elsewhere(agentd, tmp_path):
    """A secret may be an environment variable or a file; none is in the log, in an answer, or in /triggers."""
    daemon = agentd(secretive(tmp_path), env={"ENV": SECRETS["ENV"]}).wait_ready()
    body = b'{"do":"say x"}'
    for n, secret in enumerate(SECRETS.values()):
        assert content(call(daemon, "/w", body, github(secret, body, 0, f"{n}"))) == "x"
    said = [call(daemon, "/w", body, headers).body for headers in
            ({}, github("s3cret", body, 0, "x"), {"X-Hub-Signature-256": "sha256=" + SECRETS["PLAIN"]})]
    said += [daemon.get(path).body for path in ("/triggers", "/agents", "/runs", "/metrics")]
    stop(daemon)
    assert not any(b"s3cret-" in text for text in said)
    assert not any("s3cret-" in line for line in daemon.raw)


def test_secrets_are_not_printed(check, tmp_path):
    """--print-config has *** for them, one or several; -t says nothing."""
    for arguments in (["--print-config"], ["-t"]):
        result = check(secretive(tmp_path), *arguments, env={"ENV": SECRETS["ENV"]})
        assert result.returncode == 0 and "s3cret-" not in result.stdout + result.stderr
        assert ('secret: "***"' in result.stdout) == (arguments[0] == "--print-config")


@needs_landlock
def test_a_file_of_a_secret_is_hidden(agentd, tmp_path):
    """A secret's file is one that plugins cannot read."""
    daemon = agentd(secretive(tmp_path), env={"ENV": "x"}).wait_ready()
    assert daemon.run(f"read {tmp_path}/key").json["content"] == "Permission denied"


def test_print_config_is_a_config(check):
    """What is printed of webhooks is read again."""
    text = config("w: path: x, method: PUT, auth: none, dedupe: X-Id, respond: accepted, session: \"{{ body.a }}\", timeout: 5s",
                  "h: path: /h, signature: hmac-sha256, secret: s, header: X-Own")
    printed = check(text, "--print-config").stdout
    assert "path: \"/x\"" in printed and check(printed, "--print-config").stdout == printed


# Lists.

def test_they_are_listed(agentd, tmp_path):
    """/triggers and agentctl triggers have all of them, by their sources."""
    daemon = agentd(config("push: path: gh, signature: github, secret: s3cret, auth: none, respond: accepted",
                           "plain: path: /plain, method: PUT, agent: b") + "events: { e: {} }\n").wait_ready()
    listed = daemon.get("/triggers").json
    assert listed["webhooks"] == [
        {"name": "push", "agent": "a", "source": "POST /gh", "brought_by": "config", "method": "POST", "path": "/gh", "auth": "none",
         "signature": "github", "respond": "accepted"},
        {"name": "plain", "agent": "b", "source": "PUT /plain", "brought_by": "config", "method": "PUT", "path": "/plain", "auth": "inherit",
         "signature": "none", "respond": "wait"}]
    done = subprocess.run([BUILD / "agentctl", "--socket", daemon.control, "triggers"], capture_output=True, text=True, cwd=tmp_path)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[1:] == [["POST", "/gh", "push", "a"], ["PUT", "/plain", "plain", "b"], ["event(e)", "e", "a"]], done
