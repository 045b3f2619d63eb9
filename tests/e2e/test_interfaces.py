"""What operators and clients see of interfaces: /interfaces, /hooks, /outbox, /identities, /ready, the paths of
interfaces on agentd's own listener, and what SIGUSR1 says. The platform is the test (line.py)."""
import hashlib
import json
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from conftest import assert_problem, wait_for
from credentials import Control
from line import Line
from stored import database

AGENT = "agents: { bot: { plugin: PLUGIN(actor) } }\n"
FAST = "supervision: { backoff_min: 50ms, backoff_max: 100ms, drain: 1s, kill: 500ms }\n"


@pytest.fixture
def line():
    platform = Line()
    yield platform
    platform.close()


def config(line, *more, top=FAST):
    interface = line.config("agent: bot", *(more or ("open: true",)))
    return f"{AGENT}interfaces: {{ tel: {interface} }}\n{top}"


def shown(daemon, name="tel"):
    return daemon.get(f"/interfaces/{name}").json


def wait_state(daemon, state, path="/interfaces/tel"):
    return wait_for(f"{path} to be {state}", lambda: (lambda it: it["state"] == state and it)(daemon.get(path).json))


def put(daemon, user, *links):
    return daemon.request("PUT", f"/identities/{user}", {"links": list(links)})


def links(reply):
    assert reply.status == 200, reply.body
    return [f"{link['platform']}:{link['platform_user_id']}" for link in reply.json["links"]]


# /interfaces, /hooks, /ready.

def test_an_interface(agentd, line):
    """Promise: what it is, its process, its agent, and what became of its messages; a secret of it is nowhere."""
    daemon = agentd(config(line, "open: true", "token: s3cret", "max_attempts: 1", "auto: false")).wait_ready()
    line.wait("UP")
    wait_state(daemon, "ready")
    first = shown(daemon)
    assert first["pids"] == line.pids and (first["restarts"], first["generation"]) == (0, 1)
    for text, status in (("say one", 0), ("say two", 2), ("fail x", 0)):
        count = len(line.all("SEND"))
        line.message(text)
        line.sent(line.wait("SEND", count + 1)[-1][1], status)
    after = wait_for("all to be over", lambda: (lambda it: it["waiting"] == 0 and it)(shown(daemon)))
    assert [after[name] for name in ("received", "answered", "failed")] == [3, 2, 2]
    assert {**first, **{name: after[name] for name in ("received", "answered", "failed")}} == after
    assert (after["agent"], after["platform"], after["plugin"], after["open"], after["hooks"]) == ("bot", "line", "line", True, [])
    assert after["limits"]["max_attempts"] == 1
    reply = daemon.get("/interfaces")
    assert reply.json["interfaces"] == [after] and b"s3cret" not in reply.body
    assert_problem(daemon.get("/interfaces/bot"), 404, "not_found")


def test_one_that_dies_is_seen_to(agentd, line):
    """Promise: how its process ended, when the next try is, and that it serves again; /ready says who does not."""
    daemon = agentd(config(line, top="supervision: { backoff_min: 2s, backoff_max: 2s }\n")).wait_ready()
    wait_state(daemon, "ready")
    assert daemon.get("/ready").status == 200
    line.wait("UP")
    line.order("crash")
    waits = wait_state(daemon, "backoff")
    assert waits["last_exit"]["signal"] == "SIGSEGV" and waits["next_retry_at"] > waits["last_exit"]["at"] and waits["pids"] == []
    reply = daemon.get("/ready")
    assert (reply.status, reply.json["not_ready"]) == (503, ["tel"])
    again = wait_state(daemon, "ready")
    assert (again["restarts"], again["next_retry_at"]) == (1, None) and daemon.get("/ready").status == 200


def test_one_that_says_when_to_come_back(agentd, line):
    """Promise: it is not started again before, and when that is can be seen; an operator need not wait."""
    daemon = agentd(config(line)).wait_ready()
    line.wait("UP")
    begun = time.monotonic()
    line.order("rest", "1500")
    waits = wait_state(daemon, "backoff")
    assert waits["last_exit"]["reason"] == "the platform is tired" and waits["next_retry_at"] > waits["last_exit"]["at"]
    line.wait("UP", 2)
    assert time.monotonic() - begun >= 1.4
    line.order("rest", "99999999999999")
    waits = wait_state(daemon, "backoff")
    seconds = [datetime.fromisoformat(at).timestamp() for at in (waits["last_exit"]["at"], waits["next_retry_at"])]
    assert 86390 < seconds[1] - seconds[0] < 86410
    assert daemon.request("POST", "/interfaces/tel/restart").status == 202
    line.wait("UP", 3)


def test_a_restart(agentd, line):
    """Promise: one that serves is replaced, also while nothing is wrong; one that has given up is tried again at once."""
    daemon = agentd(config(line)).wait_ready()
    wait_state(daemon, "ready")
    line.wait("UP")
    reply = daemon.request("POST", "/interfaces/tel/restart")
    assert (reply.status, reply.json) == (202, {"interface": "tel", "status": "restarting"})
    line.wait("UP", 2)
    again = wait_state(daemon, "ready")
    assert (again["generation"], again["restarts"]) == (2, 0)
    assert again["last_exit"]["reason"].startswith("replaced, since that was asked for (")
    line.order("fatal")
    failed = wait_state(daemon, "failed")
    assert "the token is refused" in failed["last_exit"]["reason"]
    line.message("say later")
    assert daemon.request("POST", "/interfaces/tel/restart").status == 202
    assert line.replies() == [("c1", "later")]
    assert_problem(daemon.request("POST", "/interfaces/nobody/restart"), 404, "not_found")


def test_hooks(agentd, line):
    """Promise: a hook is shown as an interface is; while it is down messages wait for it, and a restart lets them go on."""
    top = FAST + "hooks: { gate: { plugin: PLUGIN(gate) } }\n"
    daemon = agentd(config(line, "open: true", "hooks: [ gate ]", top=top)).wait_ready()
    wait_state(daemon, "ready", "/hooks/gate")
    line.wait("UP")
    line.message("say x")
    assert line.replies() == [("c1", "x")]
    hook = daemon.get("/hooks").json["hooks"][0]
    assert (hook["name"], hook["plugin"], hook["calls"], hook["waiting"]) == ("gate", "gate", 3, 0)
    assert shown(daemon)["hooks"] == ["gate"]
    assert daemon.request("POST", "/hooks/gate/restart").status == 202
    hook = wait_for("another process", lambda: (h := wait_state(daemon, "ready", "/hooks/gate"))["generation"] == 2 and h)
    assert hook["restarts"] == 0 and hook["last_exit"]["reason"].startswith("replaced, since that was asked for (")
    line.message("say fatal before")
    wait_state(daemon, "failed", "/hooks/gate")
    assert daemon.get("/ready").json["not_ready"] == ["gate"]
    waiting = wait_for("the second try to wait", lambda: daemon.get("/hooks/gate").json["waiting"])
    assert waiting == 1
    assert daemon.request("POST", "/hooks/gate/restart").json == {"hook": "gate", "status": "restarting"}
    wait_for("it to be called again", lambda: daemon.get("/hooks/gate").json["calls"] == 6)
    for method, path in (("GET", "/hooks/tel"), ("POST", "/hooks/tel/restart")):
        assert_problem(daemon.request(method, path), 404, "not_found")


def test_what_a_signal_says(agentd, line):
    """Promise: SIGUSR1 logs what interfaces and hooks do, and the banner says what answers which path."""
    top = FAST + "hooks: { gate: { plugin: PLUGIN(gate) } }\n"
    daemon = agentd(config(line, "open: true", "hooks: [ gate ]", "mode: webhook", top=top)).wait_ready()
    wait_state(daemon, "ready", "/hooks/gate")
    line.wait("UP")
    line.message("say x")
    line.wait("SEND")
    wait_for("it to be taken", lambda: (shown(daemon)["answered"], shown(daemon)["waiting"]) == (1, 0))
    daemon.terminate(signal.SIGUSR1)
    daemon.wait_log(rf"state: interface tel: ready, pid {line.pids[0]}, generation 1, 0 restarts, 1 received, 1 answered, "
                    "0 failed, 0 waiting")
    daemon.wait_log("state: hook gate: ready, pid .*, generation 1, 0 restarts, 3 calls, 0 waiting")
    assert "POST /line is answered by interface tel" in daemon.messages()


# The outbox.

def stuck(agentd, line, *more):
    """A daemon whose only reply nobody has taken yet, and its number on the wire."""
    daemon = agentd(config(line, "open: true", "auto: false", *more)).wait_ready()
    line.wait("UP")
    line.message("say hello", message_id="m1")
    return daemon, line.wait("SEND")[0][1]


def outbox(daemon):
    reply = daemon.get("/outbox")
    assert reply.status == 200 and reply.json["next_cursor"] is None
    return reply.json["replies"]


def test_a_reply_that_is_refused_is_kept_aside(agentd, line):
    """Promise: what a platform refuses is listed with the reason; a retry sends it, and then it is gone."""
    daemon, number = stuck(agentd, line)
    [waits] = outbox(daemon)
    assert (waits["aside"], waits["attempts"], waits["error"]) == (False, 0, None)
    line.sent(number, 2, error="the chat is closed")
    [aside] = wait_for("it to be aside", lambda: [one for one in outbox(daemon) if one["aside"]])
    run = daemon.get("/runs").json["runs"][0]
    assert (aside["interface"], aside["chat_id"], aside["reply_to"], aside["run_id"]) == ("tel", "c1", "m1", run["run_id"])
    assert (aside["attempts"], aside["error"], aside["text"], aside["text_bytes"]) == (1, "the chat is closed", "hello", 5)
    assert aside["next_try_at"] is None and shown(daemon)["failed"] == 1
    reply = daemon.request("POST", f"/outbox/{aside['id']}/retry")
    assert (reply.status, reply.json) == (202, {"id": aside["id"], "status": "retrying"})
    again = line.wait("SEND", 2)[1]
    assert again[3:6] == ["c1", "m1", "hello"]
    line.sent(again[1])
    wait_for("it to be gone", lambda: outbox(daemon) == [])
    assert_problem(daemon.request("POST", f"/outbox/{aside['id']}/retry"), 404, "not_found")


def test_a_reply_that_waits_is_sent_at_once(agentd, line):
    """Promise: what waits for another try says when that is, and need not wait for it if an operator says so."""
    daemon, number = stuck(agentd, line)
    line.sent(number, 1, retry_after=3600000, error="not now")
    [waits] = wait_for("it to wait", lambda: [one for one in outbox(daemon) if one["error"]])
    assert waits["next_try_at"] > waits["created_at"] and not waits["aside"]
    assert daemon.request("POST", f"/outbox/{waits['id']}/retry").status == 202
    line.wait("SEND", 2)


def test_a_retry_of_what_is_being_sent(agentd, line):
    """Bug: a reply that was retried while it was being sent was forgotten, if that came to nothing, until a restart."""
    daemon, number = stuck(agentd, line)
    assert daemon.request("POST", f"/outbox/{outbox(daemon)[0]['id']}/retry").status == 202
    line.sent(number, 1, retry_after=1, error="not now")
    line.sent(line.wait("SEND", 2)[1][1])
    wait_for("it to be gone", lambda: outbox(daemon) == [])


@pytest.mark.parametrize("in_flight", [True, False])
def test_a_reply_that_is_deleted(agentd, line, in_flight):
    """Promise: it is not sent any more, also after a restart; others of its chat go on."""
    daemon, number = stuck(agentd, line)
    if not in_flight:
        line.sent(number, 1, retry_after=3600000)
        wait_for("it to wait", lambda: outbox(daemon)[0]["next_try_at"])
    [first] = outbox(daemon)
    assert daemon.request("DELETE", f"/outbox/{first['id']}").status == 204
    if in_flight:
        line.sent(number, 1, retry_after=1)
    assert_problem(daemon.request("DELETE", f"/outbox/{first['id']}"), 404, "not_found")
    line.message("say next")
    assert line.wait("SEND", 2)[1][5] == "next"
    daemon.stop()
    daemon = agentd(config(line, "open: true", "auto: false")).wait_ready()
    assert line.wait("SEND", 3)[2][5] == "next"
    assert len(line.all("SEND")) == 3


@pytest.mark.parametrize("id", ["0", "-1", "01", "x", "99999999999999999999", "1e3", "%20"])
def test_ids_that_are_none(agentd, line, id):
    """Promise: what is no reply's id is not found, whatever it is."""
    daemon = agentd(config(line)).wait_ready()
    assert_problem(daemon.request("DELETE", f"/outbox/{id}"), 404, "not_found")
    assert_problem(daemon.request("POST", f"/outbox/{id}/retry"), 404, "not_found")


def test_pages_of_the_outbox(agentd, line):
    """Promise: newest first, by pages; of a long text its beginning, never half a character, and how long it is."""
    daemon = agentd(config(line, "open: true", "auto: false")).wait_ready()
    line.wait("UP")
    for n in range(3):
        line.message("say " + ("é" * 300 + "x" if n == 2 else str(n)), chat=f"c{n}")
        wait_for("it to be written", lambda: len(outbox(daemon)) == n + 1)
    page = daemon.get("/outbox?limit=2").json
    assert [one["chat_id"] for one in page["replies"]] == ["c2", "c1"]
    assert (page["replies"][0]["text"], page["replies"][0]["text_bytes"]) == ("é" * 250, 601)
    rest = daemon.get(f"/outbox?limit=2&cursor={page['next_cursor']}").json
    assert [one["chat_id"] for one in rest["replies"]] == ["c0"] and rest["next_cursor"] is None
    for query in ("limit=0", "cursor=x"):
        assert_problem(daemon.get(f"/outbox?{query}"), 400, "bad_request")


# Identities.

LINKED = "identity: { ann: [ \"line:1\" ], bob: \"line:2\" }\n"


def test_links_are_set_and_taken_away(agentd, line):
    """Promise: a user has exactly the links that are said; others keep theirs; they survive a restart."""
    daemon = agentd(config(line)).wait_ready()
    assert_problem(daemon.get("/identities/ann"), 404, "not_found")
    assert links(put(daemon, "ann", "line:5", "line:4", "other:a:b", "line:5")) == ["line:4", "line:5", "other:a:b"]
    before = {link["platform_user_id"]: link for link in daemon.get("/identities/ann").json["links"]}
    assert not before["4"]["fixed"] and before["4"]["linked_at"] and before["4"]["user_name"] is None
    assert links(put(daemon, "bob", "line:6")) == ["line:6"]
    assert links(put(daemon, "ann", "line:5", "line:7")) == ["line:5", "line:7"]
    daemon.stop()
    daemon = agentd(config(line)).wait_ready()
    assert [user["user_id"] for user in daemon.get("/identities").json["identities"]] == ["ann", "bob"]
    assert links(daemon.get("/identities/ann")) == ["line:5", "line:7"]
    assert daemon.get("/identities/ann").json["links"][0] == before["5"]  # what stays is not linked anew
    assert links(put(daemon, "ann")) == []
    assert_problem(daemon.get("/identities/ann"), 404, "not_found")
    assert daemon.request("DELETE", "/identities/bob").status == 204
    assert daemon.get("/identities").json == {"identities": []}
    assert_problem(daemon.request("DELETE", "/identities/bob"), 404, "not_found")


def test_a_link_counts_at_once(agentd, line):
    """Promise: the next message of somebody who has been linked is that user's."""
    daemon = agentd(config(line)).wait_ready()
    line.wait("UP")
    for n, link in enumerate(([], ["line:ann"], []), 1):
        assert put(daemon, "Ann%20A", *link).status == 200
        line.message("say x", user="ann")
        line.wait("SEND", n)
    runs = daemon.get("/runs").json["runs"]
    assert [run["user_id"] for run in runs] == ["line:ann", "Ann A", "line:ann"]


def test_nobody_is_taken_away_from_another(agentd, line):
    """Promise: somebody who is another user, by the store or by the config, is a conflict that says who; nothing changes."""
    daemon = agentd(config(line, top=FAST + LINKED)).wait_ready()
    assert links(put(daemon, "ann", "line:3")) == ["line:1", "line:3"]
    for taken, whose in (("line:2", "bob"), ("line:3", "ann")):
        problem = assert_problem(put(daemon, "eve", "line:9", taken), 409, "identity_conflict")
        assert f'{taken} is the user "{whose}"' in problem["detail"]
    assert_problem(daemon.get("/identities/eve"), 404, "not_found")
    assert links(daemon.get("/identities/ann")) == ["line:1", "line:3"]


def test_what_the_config_says_stands(agentd, line):
    """Promise: its links are shown as fixed; they may be said again, and neither be left out nor deleted."""
    daemon = agentd(config(line, top=FAST + LINKED)).wait_ready()
    [link] = daemon.get("/identities/ann").json["links"]
    assert link["fixed"] and link["linked_at"] is None
    assert links(put(daemon, "ann", "line:1")) == ["line:1"] and links(put(daemon, "ann")) == ["line:1"]
    assert_problem(daemon.request("DELETE", "/identities/ann"), 409, "identity_conflict")
    assert links(daemon.get("/identities/ann")) == ["line:1"]


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"links":"line:1"}', '{"links":[1]}', '{"links":["line"]}',
                                  '{"links":["line:"]}', '{"links":[":1"]}', '{"links":["a b:1"]}', '{"links":["line:\\n"]}',
                                  json.dumps({"links": ["line:" + "x" * 257]}), json.dumps({"links": ["line:1"] * 1001})])
def test_bodies_that_are_none(agentd, line, body):
    """Promise: what is no list of PLATFORM:ID is a bad request, and changes nothing."""
    daemon = agentd(config(line)).wait_ready()
    put(daemon, "ann", "line:5")
    assert_problem(daemon.request("PUT", "/identities/ann", body), 400, "bad_request")
    assert links(daemon.get("/identities/ann")) == ["line:5"]


@pytest.mark.parametrize("user, status", [("x" * 256, 200), ("x" * 257, 400), ("x" * 300, 404), ("a%0Ab", 400), ("a%2Fb", 400),
                                          ("telegram%3A12", 200), ("telegram:12", 200), ("J%C3%BCrgen", 200), ("%FF", 400)])
def test_ids_of_users(agentd, line, user, status):
    """Promise: any text of up to 256 bytes but for slashes and control characters, as paths escape it."""
    daemon = agentd(config(line)).wait_ready()
    assert put(daemon, user, "line:1").status == status
    assert daemon.get(f"/identities/{user}").status == status or status != 200


def test_without_a_store(agentd):
    """Promise: there are no replies; links of the config are shown, others cannot be made."""
    daemon = agentd(AGENT + LINKED + "store: { enabled: false }\n").wait_ready()
    assert daemon.get("/outbox").json == {"replies": [], "next_cursor": None}
    assert_problem(daemon.request("POST", "/outbox/1/retry"), 404, "not_found")
    assert_problem(daemon.request("DELETE", "/outbox/1"), 404, "not_found")
    assert links(daemon.get("/identities/ann")) == ["line:1"] and links(put(daemon, "ann", "line:1")) == ["line:1"]
    assert "the store, which is off" in assert_problem(put(daemon, "ann", "line:9"), 400, "bad_request")["detail"]
    assert daemon.get("/interfaces").json == {"interfaces": []} and daemon.get("/hooks").json == {"hooks": []}


def test_a_store_that_cannot_write(agentd, line, tmp_path):
    """Promise: a change that is not on disk is not made, and said not to be."""
    daemon = agentd(config(line)).wait_ready()
    db = sqlite3.connect(database(tmp_path), isolation_level=None)
    db.execute("ALTER TABLE identity_links RENAME TO was_identity_links")
    assert_problem(put(daemon, "ann", "line:1"), 503, "store_unavailable")
    assert_problem(daemon.get("/identities/ann"), 404, "not_found")
    db.execute("ALTER TABLE was_identity_links RENAME TO identity_links")
    db.close()
    wait_for("it to work again", lambda: put(daemon, "ann", "line:1").status == 200)


# Who may.

KEYS = """
auth: { keys: { type: api_key, keys: [ { hash: "sha256:%s", agents: [ other ], name: one } ] } }
""" % hashlib.sha256(b"one").hexdigest()


def test_who_may(agentd, line):
    """Promise: an interface is for who may use its agent; hooks, replies and identities are for admins; /ready is for all."""
    text = 'http: { listen: [ "127.0.0.1:0" ], auth: keys }\n' + KEYS + config(line).replace(
        "agents: { bot", "agents: { other: { plugin: PLUGIN(actor) }, bot")
    daemon = agentd(text)
    key = {"X-API-Key": "one"}
    Control(daemon).wait_ready()
    assert daemon.request("GET", "/interfaces", headers=key).json == {"interfaces": []}
    for method, path in (("GET", "/interfaces/tel"), ("POST", "/interfaces/tel/restart"), ("GET", "/hooks"), ("GET", "/outbox"),
                         ("DELETE", "/outbox/1"), ("POST", "/outbox/1/retry"), ("GET", "/identities"),
                         ("PUT", "/identities/ann"), ("DELETE", "/identities/ann")):
        assert_problem(daemon.request(method, path, None, key), 403, "forbidden")
        assert_problem(daemon.request(method, path), 401, "unauthorized")
    assert len(Control(daemon).get("/interfaces").json["interfaces"]) == 1
    assert wait_for("/ready", lambda: daemon.get("/ready").status == 200)


# Paths.

def called(line, nth=1):
    """What the interface was asked: number, method, path, query, body."""
    return line.wait("HTTP", nth)[nth - 1][1:]


def ask(daemon, line, method="POST", path="/line", body="hello", headers=None, status=200, text="fine", nth=1):
    """A request to a path of the interface, which answers so."""
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(daemon.request, method, path, body, headers)
        asked = called(line, nth)
        line.write(f"H\t{asked[0]}\t{status}\t{text}")
        return asked, reply.result(20)


@pytest.fixture
def pushed(agentd, line):
    """A daemon whose interface has a path."""
    daemon = agentd(config(line, "open: true", "mode: webhook")).wait_ready()
    wait_state(daemon, "ready")
    line.wait("UP")
    return daemon


def test_a_path_of_an_interface(pushed, line):
    """Promise: a request goes to the interface as it came, and its answer goes back as it is; the list shows the path."""
    asked, reply = ask(pushed, line, path="/line?a=1&b=%20", body="{\"x\":1}", headers={"Content-Type": "application/octet-stream"})
    assert asked[1:5] == ["POST", "/line", "a=1&b=%20", '{"x":1}']
    assert (reply.status, reply.body, reply.headers["Content-Type"]) == (200, b"fine", "text/plain")
    assert reply.headers["X-Request-Id"]
    asked, reply = ask(pushed, line, "GET", body=None, status=503, text="no", nth=2)
    assert asked[1:5] == ["GET", "/line", "", ""] and (reply.status, reply.body) == (503, b"no")
    asked, reply = ask(pushed, line, "HEAD", body=None, nth=3)
    assert asked[1] == "GET" and (reply.status, reply.body) == (200, b"")
    _, reply = ask(pushed, line, status=204, text="nothing", nth=4)
    assert (reply.status, reply.body) == (204, b"")
    assert shown(pushed)["paths"] == [{"method": "POST", "path": "/line"}, {"method": "GET", "path": "/line"}]


def test_headers_of_a_request(agentd, line, tmp_path):
    """Promise: the interface gets all headers, those that look like credentials too: how a platform proves itself is its affair."""
    daemon = agentd('http: { listen: [ "127.0.0.1:0" ], auth: keys }\n' + KEYS.replace("agents: [ other ], ", "") +
                    config(line, "open: true", "mode: webhook"))
    Control(daemon).wait_ready()
    wait_for("it to be up", lambda: Control(daemon).get("/interfaces/tel").json["state"] == "ready")
    headers = {"X-Telegram-Bot-Api-Secret-Token": "t", "Authorization": "Bearer x", "X-Api-Key": "unknown", "X-Empty": ""}
    asked, reply = ask(daemon, line, headers=headers)
    assert reply.status == 200  # no auth is asked
    shown_headers = json.loads(asked[5])
    assert {name: shown_headers[name.lower()] for name in headers} == headers
    assert shown_headers["content-length"] == "5"


def test_another_method(pushed):
    """Promise: 405, with the methods that the path has; OPTIONS says them too."""
    for method in ("PUT", "DELETE", "PATCH"):
        reply = pushed.request(method, "/line")
        assert_problem(reply, 405, "method_not_allowed")
        assert reply.headers["Allow"] == "OPTIONS, GET, HEAD, POST"
    reply = pushed.request("OPTIONS", "/line")
    assert (reply.status, reply.headers["Allow"]) == (204, "OPTIONS, GET, HEAD, POST")
    for path in ("/line/", "/LINE", "/line/x"):
        assert_problem(pushed.get(path), 404, "not_found")


def test_a_path_that_is_shared(agentd, line):
    """Promise: a webhook and an interface may have one path with two methods; both are served, and named by a 405."""
    webhook = 'webhooks: { w: { path: /line, method: PUT, input: "say hook" } }\n'
    daemon = agentd(config(line, "open: true", "mode: webhook", top=FAST + webhook)).wait_ready()
    wait_state(daemon, "ready")
    line.wait("UP")
    assert daemon.request("PUT", "/line", {}).json == {"content": "hook"}
    assert ask(daemon, line)[1].body == b"fine"
    assert daemon.request("PATCH", "/line").headers["Allow"] == "OPTIONS, GET, HEAD, POST, PUT"


def test_pages_may_not_call_it(pushed):
    """Promise: Host, Origin and Sec-Fetch-Site are looked at as for webhooks."""
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert_problem(pushed.request("POST", "/line", "x", headers), 403, "forbidden")


def test_a_body_that_is_too_large(agentd, line):
    """Promise: http.max_body bounds it, as any other."""
    daemon = agentd('http: { listen: [ "127.0.0.1:0" ], max_body: 1K }\n' + config(line, "open: true", "mode: webhook")).wait_ready()
    wait_state(daemon, "ready")
    assert_problem(daemon.request("POST", "/line", "x" * 2000), 413, "payload_too_large")


def test_bytes_of_a_body(pushed, line):
    """Promise: a body may be any bytes."""
    asked, reply = ask(pushed, line, body=bytes(range(1, 256)).replace(b"\n", b"").replace(b"\r", b""))
    assert reply.status == 200 and len(asked[4]) > 100


def test_while_it_is_down(agentd, line):
    """Promise: a path whose interface cannot be asked is 503, with the time of its next try."""
    daemon = agentd(config(line, "open: true", "mode: webhook", top="supervision: { backoff_min: 5s, backoff_max: 5s }\n")).wait_ready()
    wait_state(daemon, "ready")
    line.wait("UP")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(daemon.request, "POST", "/line", "x")
        called(line)
        line.order("crash")
        reply = asked.result(20)
    assert_problem(reply, 503, "interface_unavailable")  # it died with the request in it
    wait_state(daemon, "backoff")
    reply = daemon.request("POST", "/line", "x")
    assert_problem(reply, 503, "interface_unavailable")
    assert 1 < int(reply.headers["Retry-After"]) <= 6


def test_a_client_that_leaves(pushed, line):
    """Promise: nobody waits for the answer to a client that has left; what comes of it is dropped, and the next is answered."""
    connection = pushed.connect()
    connection.request("POST", "/line", "one")
    first = called(line)
    connection.close()
    pushed.wait_log("POST /line")
    line.write(f"H\t{first[0]}\t200\tlate")
    asked, reply = ask(pushed, line, body="two", nth=2)
    assert (asked[4], reply.body) == ("two", b"fine")


def test_requests_when_agentd_stops(pushed, line):
    """Promise: a request that was made is answered; then it stops."""
    connection = pushed.connect()
    connection.request("POST", "/line", "one")
    first = called(line)
    pushed.terminate()
    line.wait("STOP")
    line.write(f"H\t{first[0]}\t200\tyet")
    reply = connection.getresponse()
    assert (reply.status, reply.read()) == (200, b"yet")
    assert pushed.wait() == 0


def test_nothing_but_its_paths(agentd, line):
    """Promise: without the option that gives it a path there is none."""
    daemon = agentd(config(line)).wait_ready()
    assert_problem(daemon.request("POST", "/line", "x"), 404, "not_found")
    assert shown(daemon)["paths"] == []
