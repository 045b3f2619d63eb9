"""Events: a run for each trigger that waits for one, in the store before anybody is told."""
import hashlib
import json
import re
import sqlite3
from contextlib import closing

import pytest

from conftest import assert_problem, errors
from stored import kill, record, runs, stop, wait_over

CONFIG = """
http: { listen: [ "127.0.0.1:0" ] }
default_agent: a
agents:
  a: { plugin: PLUGIN(actor) }
  b: { plugin: PLUGIN(actor) }
supervision: { backoff_min: 50ms, backoff_max: 100ms, drain: 200ms, kill: 200ms }
events:
  welcome: { event: signup, input: "say Welcome {{ body.name }}, {{ source }}", session: "u{{ body.id }}" }
  signup: { agent: b, input: "{{ body.do }}", timeout: 10s }
  plain: {}
"""


@pytest.fixture
def daemon(agentd):
    return agentd(CONFIG).wait_ready()


def emit(daemon, event, body=None, headers=None):
    return daemon.request("POST", f"/events/{event}", None if body is None else json.dumps(body), headers)


def accepted(reply):
    assert reply.status == 202, reply.body
    return reply.json["run_ids"]


def test_each_trigger_makes_a_run(daemon):
    """All triggers of an event get it, in the order of the config, each as its own run."""
    ids = accepted(emit(daemon, "signup", {"name": "Ann", "id": 7, "do": "say hi"}))
    first, second = (wait_over(daemon, run_id) for run_id in ids)
    assert (first["agent"], first["session_id"], first["content"]) == ("a", "u7", "Welcome Ann, event(signup)")
    assert (second["agent"], second["content"], second["source"]) == ("b", "hi", "event(signup)")
    assert len(runs(daemon)) == 2


@pytest.mark.parametrize("body, input", [
    (None, "{}"), ({}, "{}"), ({"a": [1, "é"]}, '{"a":[1,"é"]}'), (3, '{"data":3}'), ("x", '{"data":"x"}'),
    (None, "{}"), ([1], '{"data":[1]}')])
def test_any_json(daemon, body, input):
    """The body is any JSON: what is no object becomes {"data": x}, as in the original."""
    [run_id] = accepted(emit(daemon, "plain", body))
    assert record(daemon, run_id)["input"] == input


def test_nothing_waits(daemon):
    """An event that nobody handles is 404, and says so; a body that is no JSON is 400; nothing is made of them."""
    assert '"nobody"' in assert_problem(emit(daemon, "nobody", {}), 404, "not_found")["detail"]
    assert_problem(daemon.request("POST", "/events/plain", "{"), 400, "bad_request")
    assert runs(daemon) == []


@pytest.mark.parametrize("body, says", [
    ({"do": "say x", "id": "a/b"}, "events.welcome: its session must have"),
    ({"id": 1}, "events.signup: its input is empty"),
    ({"id": "x" * 300, "do": "say x"}, "events.welcome: its session must have"),
])
def test_all_or_nothing(daemon, body, says):
    """A trigger that cannot make its run of what came is a 400 that names it, and no other makes one either."""
    assert assert_problem(emit(daemon, "signup", body), 400, "bad_request")["detail"].startswith(says)
    assert runs(daemon) == []


def test_data_is_no_template(daemon):
    """What comes in is never expanded: braces in the data stay what they are."""
    [run_id] = accepted(emit(daemon, "plain", {"a": "{{ source }} ${HOME}"}))
    assert record(daemon, run_id)["input"] == '{"a":"{{ source }} ${HOME}"}'


def test_an_event_twice(agentd):
    """The same Idempotency-Key gives the same runs, also after a restart; with another body it is 422."""
    daemon, key = agentd(CONFIG).wait_ready(), {"Idempotency-Key": "k"}
    body = {"id": 1, "do": "say x"}
    ids = accepted(emit(daemon, "signup", body, key))
    assert accepted(emit(daemon, "signup", body, key)) == ids
    assert_problem(emit(daemon, "signup", {**body, "id": 2}, key), 422, "idempotency_mismatch")
    kill(daemon)
    daemon = agentd(CONFIG).wait_ready()
    assert accepted(emit(daemon, "signup", body, key)) == ids
    assert {run["run_id"] for run in runs(daemon)} == set(ids)
    # The key of an event is none of another event, nor of /run.
    assert len(accepted(emit(daemon, "plain", body, key))) == 1
    assert daemon.request("POST", "/run", {"input": "say x"}, key).status == 200


def test_an_event_outlives_agentd(agentd):
    """What was acknowledged is done after a crash: its runs are begun again with the next start."""
    daemon = agentd(CONFIG).wait_ready()
    ids = accepted(emit(daemon, "signup", {"id": 1, "do": "attempt"}))
    kill(daemon)
    daemon = agentd(CONFIG).wait_ready()
    assert [wait_over(daemon, run_id)["status"] for run_id in ids][0] == "succeeded"
    kept = {run["run_id"] for run in runs(daemon)}
    assert kept == set(ids)
    stop(daemon)


def test_a_store_that_cannot_write(daemon, tmp_path):
    """While the store is locked for too long nothing is acknowledged: 503, and no run begins."""
    path = next(tmp_path.rglob("agentd.db"))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("ALTER TABLE runs RENAME TO gone")
        assert_problem(emit(daemon, "signup", {"id": 1, "do": "say x"}), 503, "store_unavailable")
        db.execute("ALTER TABLE gone RENAME TO runs")
    assert runs(daemon) == []


def test_whose_runs_they_are(agentd):
    """The runs of an event belong to who sent it; one whose key is not for an agent cannot make it run."""
    keys = ", ".join('{ hash: "sha256:%s", agents: %s }' % (hashlib.sha256(key).hexdigest(), agents)
                     for key, agents in ((b"one", "[]"), (b"two", "[ b ]")))
    daemon = agentd(CONFIG.replace('"127.0.0.1:0" ]', '"127.0.0.1:0" ], auth: k')
                    + f"auth: {{ k: {{ type: api_key, keys: [ {keys} ] }} }}\n")
    one, two = {"X-API-Key": "one"}, {"X-API-Key": "two"}
    assert_problem(emit(daemon, "plain", {}), 401, "unauthorized")
    assert_problem(emit(daemon, "signup", {"id": 1, "do": "say x"}, two), 403, "forbidden")
    [run_id] = accepted(emit(daemon, "plain", {}, one))
    assert daemon.get(f"/runs/{run_id}", headers=one).json["user_id"].startswith("apikey_")
    assert_problem(daemon.get(f"/runs/{run_id}", headers=two), 403, "forbidden")
    assert [t["name"] for t in daemon.get("/triggers", headers=two).json["events"]] == ["signup"]
    assert len(daemon.get("/triggers", headers=one).json["events"]) == 3


@pytest.mark.parametrize("entry, error", [
    ('e: { agent: nobody }', r'events\.e\.agent: there is no agent "nobody"'),
    ('e: { agent: aa }', r'events\.e\.agent: there is no agent "aa"'),
    ('e: { input: "{{ bdy.x }}" }', r"events\.e\.input: column 4: expected body"),
    ('e: { session: "{{ body" }', r"events\.e\.session: "),
    ('"a b": {}', r"events\.a b: a name may have"),
    ('e: { event: "a b" }', r"events\.e\.event: the name of an event"),
    ('e: { inptu: x }', r'events\.e\.inptu: unknown option; did you mean "input"\?'),
    ('e: { timeout: 10 }', r"events\.e\.timeout: a duration needs a unit"),
])
def test_mistakes_in_the_config(check, entry, error):
    """Each is one line with its place; nothing starts."""
    [line] = errors(check(CONFIG.split("events:")[0] + f"events:\n  {entry}\n"))
    assert re.match(r"agent\.conf:\d+: " + error, line), line


def test_events_need_the_store(check):
    """Without a store an event could be lost: a config error."""
    lines = errors(check(CONFIG + "store: { enabled: false }\n"))
    assert len(lines) == 3 and all("events need the store" in line for line in lines)
