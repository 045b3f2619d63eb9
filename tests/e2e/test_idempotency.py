"""Idempotency-Key: who asks twice, since it does not know whether it was heard, gets one run."""
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import Reply, Stream, assert_problem, wait_for
from stored import ACTOR, kill, record, runs, stop, wait_over, wait_running, with_key


@pytest.fixture
def daemon(agentd):
    return agentd(ACTOR).wait_ready()


def start(daemon, key, input, **fields):
    """POST /run with a key, without waiting."""
    connection = daemon.connect()
    connection.request("POST", "/run", json.dumps({"input": input, **fields}), {"Idempotency-Key": key})
    return connection


def count(daemon):
    return len(runs(daemon))


def test_after_it_ended(daemon):
    """The same key and body give the same answer, and no second run."""
    first, second = with_key(daemon, "k", "say x"), with_key(daemon, "k", "say x")
    assert first.status == second.status == 200
    assert first.json == second.json and count(daemon) == 1


def test_without_a_key_and_with_another(daemon):
    """A key is about requests that bear it, and a run is made for each key."""
    ids = {with_key(daemon, key, "say x").json["run_id"] for key in ("k", "K", "k2", "é", "x" * 2000)}
    ids.add(daemon.run("say x").json["run_id"])
    assert len(ids) == 6 == count(daemon)


def test_while_it_goes_on(daemon):
    """Who asks again while the run goes on waits for the same one."""
    first = start(daemon, "k", "timer 500")
    wait_running(daemon)
    second = with_key(daemon, "k", "timer 500").json
    assert second == json.loads(first.getresponse().read()) and count(daemon) == 1


def test_fifty_at_the_same_time(daemon):
    """Fifty requests with one key at the same time make one run, and are all answered by it."""
    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda _: with_key(daemon, "k", "timer 200"), range(50)))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.json["run_id"] for reply in replies}) == 1 == count(daemon)


def test_another_body(daemon):
    """The same key with another body is 422, makes no run, and disturbs none."""
    run_id = with_key(daemon, "k", "say x").json["run_id"]
    for body in ("say y", {"input": "say x", "session_id": "s"}, {"input": "say x", "background": True}):
        body = assert_problem(with_key(daemon, "k", body), 422, "idempotency_mismatch")
        assert "Idempotency-Key" in body["detail"]
    assert [run["run_id"] for run in runs(daemon)] == [run_id]
    assert with_key(daemon, "k", "say x").json["run_id"] == run_id


def test_the_same_body_spelt_otherwise(daemon):
    """The order of fields and the spaces between them make no other body."""
    reply = with_key(daemon, "k", {"input": "say x", "session_id": "s"})
    again = daemon.request("POST", "/run", b'{ "session_id" : "s",\n"input":"say \\u0078" }', {"Idempotency-Key": "k"})
    assert again.json == reply.json


@pytest.mark.parametrize("end", [stop, kill])
def test_after_a_restart(agentd, end):
    """A key is as lasting as its run, however the daemon ended."""
    daemon = agentd(ACTOR).wait_ready()
    first = with_key(daemon, "k", "say x").json
    end(daemon)
    daemon = agentd(ACTOR).wait_ready()
    assert with_key(daemon, "k", "say x").json == first
    assert_problem(with_key(daemon, "k", "say y"), 422, "idempotency_mismatch")
    assert count(daemon) == 1


def test_of_an_interrupted_run(agentd):
    """A key whose run a crash of the daemon interrupted makes another run."""
    daemon = agentd(ACTOR).wait_ready()
    connection = start(daemon, "k", "attempt")
    wait_running(daemon)
    kill(daemon)
    connection.close()
    daemon = agentd(ACTOR).wait_ready()
    [first] = runs(daemon)
    assert (first["status"], first["code"]) == ("failed", "interrupted")
    second = start(daemon, "k", "attempt")
    wait_running(daemon)
    assert len({run["run_id"] for run in runs(daemon)}) == 2
    second.close()


def test_of_a_run_that_failed(daemon):
    """A run that failed is the answer, too: the same error with the same run_id."""
    first = with_key(daemon, "k", "fail no")
    wait_for("it to be written", lambda: record(daemon, first.json["run_id"])["status"] == "failed")
    assert assert_problem(with_key(daemon, "k", "fail no"), 502, "agent_failed") == first.json
    assert count(daemon) == 1


def test_of_a_run_that_has_just_failed(daemon):
    """As above, at once after the answer."""
    for n in range(20):
        first, second = with_key(daemon, f"k{n}", "fail no"), with_key(daemon, f"k{n}", "fail no")
        assert (second.status, second.json) == (502, first.json)


def test_background(agentd):
    """A background run with a key is accepted again, with the same ids, also after a restart."""
    daemon = agentd(ACTOR).wait_ready()
    body = {"input": "timer 200", "background": True}
    first, second = with_key(daemon, "k", body), with_key(daemon, "k", body)
    assert first.status == second.status == 202
    assert second.json["session_id"] == first.json["session_id"]
    wait_over(daemon, first.json["run_id"])
    kill(daemon)
    daemon = agentd(ACTOR).wait_ready()
    third = with_key(daemon, "k", body)
    assert third.status == 202
    assert {reply.json["run_id"] for reply in (first, second, third)} == {first.json["run_id"]}
    assert third.json["status"] == "succeeded" and count(daemon) == 1


def streamed(daemon, key, input):
    connection = start(daemon, key, input, stream=True)
    return [(e.id, e.name, e.data) for e in Stream(connection, connection.getresponse())]


def test_stream(daemon):
    """A stream with a key can be had again: from its beginning, live or over."""
    with ThreadPoolExecutor(2) as pool:
        live = list(pool.map(lambda _: streamed(daemon, "k", "timer 300"), range(2)))
    assert live[0] == live[1] == streamed(daemon, "k", "timer 300")
    assert live[0][-1][1] == "run.finished" and count(daemon) == 1


def test_who_asked_again_may_leave(daemon):
    """Only the client that made the run cancels it by leaving."""
    first = start(daemon, "k", "timer 600")
    wait_running(daemon)
    second = start(daemon, "k", "timer 600")
    daemon.get("/health")
    second.close()
    assert Reply(first.getresponse()).json["content"] == "timer"


def test_without_a_store(agentd):
    """With the store off a key is refused, rather than taken and not honoured."""
    daemon = agentd(ACTOR + "store: { enabled: false }\n").wait_ready()
    body = assert_problem(with_key(daemon, "k", "say x"), 400, "bad_request")
    assert "Idempotency-Key" in body["detail"] and "store.enabled" in body["detail"]


@pytest.mark.parametrize("options", ["on_busy: reject", "concurrency: 1, queue: 0"])
def test_a_run_that_is_there_needs_no_place(agentd, options):
    """Who asks again is no second run: neither on_busy: reject nor a full queue refuses it."""
    daemon = agentd(f"agents: {{ a: {{ plugin: PLUGIN(actor), {options} }} }}").wait_ready()
    first = start(daemon, "k", "timer 500", session_id="s")
    wait_running(daemon)
    again = with_key(daemon, "k", {"input": "timer 500", "session_id": "s"})
    assert again.status == 200, again.body
    assert json.loads(first.getresponse().read()) == again.json


def test_a_result_that_is_there_needs_no_agent(agentd):
    """The answer of a run that is over is given again while its agent is down."""
    daemon = agentd(ACTOR.replace("50ms", "1h").replace("100ms", "1h")).wait_ready()
    first = with_key(daemon, "k", "say x")
    daemon.run("crash")
    wait_for("the agent to be down", lambda: daemon.agent("a")["state"] == "backoff")
    again = with_key(daemon, "k", "say x")
    assert again.status == 200 and again.json == first.json


def test_another_agent(agentd):
    """The agent is a part of the request, also where the path names it."""
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor) }, b: { plugin: PLUGIN(actor) } }").wait_ready()
    replies = [daemon.request("POST", f"/agents/{name}/run", {"input": "say x"}, {"Idempotency-Key": "k"})
               for name in ("a", "b")]
    assert replies[0].json["agent"] == "a"
    assert_problem(replies[1], 422, "idempotency_mismatch")


def test_an_empty_key(daemon):
    """An empty key is none, or refused; it does not make one run of all that bear it."""
    replies = [with_key(daemon, "", f"say {n}") for n in range(2)]
    assert {reply.status for reply in replies} in ({200}, {400})
