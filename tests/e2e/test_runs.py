"""/runs: what was asked for and what became of it, its events, and how it is cancelled."""
import json
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from conftest import SANITIZED, SLOW, Reply, Stream, assert_problem, wait_for
from stored import ACTOR, background, database, events, names, record, runs, wait_over, wait_running, wait_status
from test_stream import deltas, rss, slow_connect, sockets

MB = 1 << 20
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NOBODY = "0190a6c8-0000-7000-8000-000000000000"


@pytest.fixture
def daemon(agentd):
    return agentd(ACTOR).wait_ready()


@pytest.fixture
def two(agentd):
    return agentd("""
        agents: { a: { plugin: PLUGIN(actor) }, b: { plugin: PLUGIN(actor) } }
        default_agent: a
    """).wait_ready()


# One.

def test_a_run_that_succeeded(daemon):
    """A run's record has all that was asked and answered, and when."""
    body = daemon.run('usage {"tokens":3}', session_id="s", user_id="Ann", metadata={"a": [1, "é"]}).json
    run = record(daemon, body["run_id"])
    times = [run.pop(name) for name in ("created_at", "started_at", "finished_at")]
    assert all(map(TIME.fullmatch, times)) and times == sorted(times)
    assert run == {"run_id": body["run_id"], "agent": "a", "session_id": "s", "user_id": "Ann", "source": "http",
                   "trigger": None, "status": "succeeded", "input": 'usage {"tokens":3}', "content": "ok", "error": None,
                   "code": None, "attempts": 1, "usage": {"tokens": 3}, "metadata": {"a": [1, "é"]}}


@pytest.mark.parametrize("act, status, code", [
    ("fail no way", "failed", "agent_failed"), ("crash", "failed", "agent_crashed"), ("hang", "failed", "timeout")])
def test_a_run_that_failed(daemon, act, status, code):
    """A run that fails is recorded with the code and the reason that its client got."""
    problem = daemon.run(act, timeout=0.2).json
    run = wait_over(daemon, problem["run_id"])
    assert (run["status"], run["code"], run["error"]) == (status, code, problem["detail"])
    assert TIME.fullmatch(run["finished_at"])


def test_a_failure_that_was_told_is_there(daemon):
    """Who is told of a failure finds it under /runs/{id}, and its events, at once."""
    for act in ("fail no", "refuse") * 10:
        first = list(daemon.stream(act))
        run_id = first[0].data["run_id"]
        assert [e.id for e in events(daemon, run_id)] == [1, 2]
        run_id = daemon.run(act).json["run_id"]
        assert record(daemon, run_id)["status"] == "failed"


def test_a_run_that_goes_on(daemon):
    """A run can be looked at while it waits and while it runs."""
    first, second = background(daemon, "hang", session_id="s"), background(daemon, "say x", session_id="s")
    run = wait_status(daemon, first, "running")
    assert (run["content"] or "", run["error"], run["finished_at"]) == ("", None, None)
    assert TIME.fullmatch(run["started_at"])
    run = record(daemon, second)
    assert (run["status"], run["started_at"], run["finished_at"]) == ("queued", None, None)


@pytest.mark.parametrize("path", ["", "/events"])
@pytest.mark.parametrize("run_id", [NOBODY, "x", "%22%27--", "%e6%97%a5", "x" * 3000])
def test_no_such_run(daemon, run_id, path):
    """404 for a run that there is not, whatever its name."""
    assert_problem(daemon.get(f"/runs/{run_id}{path}"), 404, "not_found")


def test_methods(daemon):
    """405 with Allow for what a route does not do."""
    for method, path, allowed in (("POST", "/runs", "GET"), ("DELETE", f"/runs/{NOBODY}", "GET"),
                                  ("GET", f"/runs/{NOBODY}/cancel", "POST"), ("POST", f"/runs/{NOBODY}/events", "GET")):
        reply = daemon.request(method, path)
        assert_problem(reply, 405, "method_not_allowed")
        assert allowed in reply.headers["Allow"]


# Lists.

def test_list_newest_first(daemon):
    """/runs lists all runs that were made, the newest first, as each shows itself."""
    ids = [daemon.run(f"say {n}").json["run_id"] for n in range(5)]
    listed = runs(daemon)
    assert [run["run_id"] for run in listed] == ids[::-1]
    assert listed[0] == record(daemon, ids[-1])


def test_list_pages(daemon):
    """Pages by cursor are the whole list, each run once, also while new ones come."""
    ids = [daemon.run(f"say {n}").json["run_id"] for n in range(7)]
    page, seen = daemon.get("/runs?limit=3").json, []
    for _ in range(3):
        seen += [run["run_id"] for run in page["runs"]]
        daemon.run("say meanwhile")
        if page["next_cursor"]:
            page = daemon.get(f"/runs?limit=3&cursor={page['next_cursor']}").json
    assert page["next_cursor"] is None
    assert seen == ids[::-1]


def test_a_page_that_is_just_full_is_the_last(daemon):
    """No cursor leads to an empty page."""
    for _ in range(4):
        daemon.run("say x")
    page = daemon.get("/runs?limit=2").json
    last = daemon.get(f"/runs?limit=2&cursor={page['next_cursor']}").json
    assert len(last["runs"]) == 2 and last["next_cursor"] is None


def test_default_limit(daemon):
    """A list without a limit has 50 of them, and says how to go on."""
    for _ in range(51):
        daemon.run("say x")
    page = daemon.get("/runs").json
    assert len(page["runs"]) == 50 and page["next_cursor"]
    assert len(runs(daemon, "?limit=1000")) == 51


def test_filters(two):
    """agent, session_id and status choose, one by one and together."""
    one = two.run("say x", session_id="s 1,ü").json["run_id"]
    other = two.run("say x", agent="b").json["run_id"]
    failed = two.run("fail x", agent="b").json["run_id"]
    wait_over(two, failed)

    def found(query):
        return [run["run_id"] for run in runs(two, query)]
    assert found("?agent=a") == [one]
    wait_for("its end to be written", lambda: found("?status=failed") == [failed])
    assert found("?agent=b") == [failed, other]
    assert found("?session_id=s%201%2C%C3%BC") == [one]
    assert found("?status=failed") == [failed]
    assert found("?status=succeeded") == [other, one]
    assert found("?status=succeeded&agent=b") == [other]
    assert found("?session_id=s%201%2C%C3%BC&agent=b") == []
    assert found("?agent=nobody") == found("?status=cancelled") == []
    page = two.get("/runs?status=succeeded&limit=1").json
    assert found(f"?status=succeeded&limit=1&cursor={page['next_cursor']}") == [one]


def test_filter_by_what_goes_on(daemon):
    """status=running and status=queued list just those whose status is that."""
    going = background(daemon, "hang", session_id="s")
    waiting = background(daemon, "say x", session_id="s")
    wait_running(daemon, 1, 1)
    assert [run["run_id"] for run in runs(daemon, "?status=running")] == [going]
    assert [run["run_id"] for run in runs(daemon, "?status=queued")] == [waiting]


def test_a_synchronous_run_that_takes_its_time_is_listed(daemon):
    """A run whose client waits is in the list while it goes on."""
    connection = daemon.start_run("hang")
    wait_for("the run to be listed", lambda: [r["input"] for r in runs(daemon)] == ["hang"])
    connection.close()
    wait_for("it to be cancelled", lambda: runs(daemon)[0]["status"] == "cancelled")


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=-1", "status=done", "cursor=x",
                                   "cursor=-1", "cursor=1x", "limit=%zz"])
def test_bad_queries(daemon, query):
    """A query that says what cannot be is 400, and names the word."""
    body = assert_problem(daemon.get(f"/runs?{query}"), 400, "bad_request")
    assert f'"{query.split("=")[0]}"' in body["detail"]


# Background.

def test_background(daemon):
    """202 with the ids at once; the result is there later."""
    reply = daemon.request("POST", "/run", {"input": "say hi", "background": True, "session_id": "s"})
    assert reply.status == 202 and reply.headers["Content-Type"] == "application/json"
    body = reply.json
    run = wait_over(daemon, body.pop("run_id"))
    assert body == {"session_id": "s", "status": "queued"}
    assert (run["status"], run["content"]) == ("succeeded", "hi")
    assert daemon.run("history", session_id="s").json["content"].startswith("2\n")


def test_background_goes_on_without_its_client(daemon):
    """Nobody's leaving cancels a background run, and its agent is told all that it would be otherwise."""
    connection = daemon.connect()
    connection.request("POST", "/agents/a/run", json.dumps(
        {"input": "timer 300", "background": True, "metadata": {"k": 1}, "user_id": "Ann"}))
    run_id = json.loads(connection.getresponse().read())["run_id"]
    connection.close()
    run = wait_over(daemon, run_id)
    assert (run["content"], run["metadata"], run["user_id"]) == ("timer", {"k": 1}, "Ann")


def test_background_and_stream_exclude_each_other(daemon):
    """Both at once is 400, and says where the events are."""
    reply = daemon.request("POST", "/run", {"input": "x", "background": True, "stream": True})
    assert "/runs/{id}/events" in assert_problem(reply, 400, "bad_request")["detail"]
    assert runs(daemon) == []


def test_background_timeout(daemon):
    """A background run has a deadline like any other."""
    run = wait_over(daemon, background(daemon, "hang", timeout=0.2))
    assert (run["status"], run["code"]) == ("failed", "timeout")


def test_background_waits_for_an_agent_that_is_down(agentd):
    """Where others are refused, a background run waits until its agent is there."""
    daemon = agentd(ACTOR.replace("50ms", "400ms").replace("100ms", "400ms")).wait_ready()
    daemon.run("crash")
    run = wait_over(daemon, background(daemon, "say back"))
    assert run["content"] == "back"


# Cancelling.

@pytest.mark.parametrize("waits", [False, True], ids=["running", "queued"])
def test_cancel(daemon, waits):
    """202, and the run ends as cancelled, whether it runs or waits."""
    first = background(daemon, "hang", session_id="s")
    run_id = background(daemon, "hang", session_id="s") if waits else first
    wait_running(daemon, 1, int(waits))
    reply = daemon.request("POST", f"/runs/{run_id}/cancel")
    assert reply.status == 202 and reply.json["run_id"] == run_id
    run = wait_over(daemon, run_id)
    assert (run["status"], run["code"]) == ("cancelled", "run_cancelled")
    assert_problem(daemon.request("POST", f"/runs/{run_id}/cancel"), 409, "run_over")


def test_cancel_what_ends_just_now(daemon, tmp_path):
    """Bug: 202 for one whose result was on its way into the store, and the run succeeded."""
    run_id = background(daemon, "timer 300")
    wait_running(daemon)
    with closing(sqlite3.connect(database(tmp_path), isolation_level=None)) as store:
        store.execute("BEGIN IMMEDIATE")  # agentd has to wait with the result
        wait_for("its end", lambda: daemon.load("a") == (0, 0))
        problem = assert_problem(daemon.request("POST", f"/runs/{run_id}/cancel"), 409, "run_over")
        assert "being written" in problem["detail"] and record(daemon, run_id)["status"] == "running"
        store.execute("ROLLBACK")
    assert wait_over(daemon, run_id)["status"] == "succeeded"


def test_cancel_answers_who_waits(daemon):
    """Whoever waits for a run that somebody else cancels gets 409 run_cancelled."""
    connection, stream = daemon.start_run("hang"), daemon.stream("hang")
    assert next(iter(stream)).name == "run.started"
    for run in wait_for("both to be listed", lambda: len(r := runs(daemon)) == 2 and r):
        assert daemon.request("POST", f"/runs/{run['run_id']}/cancel").status == 202
    assert_problem(Reply(connection.getresponse()), 409, "run_cancelled")
    assert names(stream) == ["cancelled"]


def test_cancel_what_is_over_or_not_there(daemon):
    """409 run_over for a run that has ended, however; 404 for one that never was."""
    for act in ("say x", "fail x"):
        run_id = daemon.run(act).json["run_id"]
        wait_over(daemon, run_id)
        assert_problem(daemon.request("POST", f"/runs/{run_id}/cancel"), 409, "run_over")
        assert record(daemon, run_id)["status"] in ("succeeded", "failed")
    assert_problem(daemon.request("POST", f"/runs/{NOBODY}/cancel"), 404, "not_found")


# Events.

def told(stream):
    """Events as they are on the wire, to compare streams."""
    return [(event.id, event.name, event.data) for event in stream]


@pytest.mark.parametrize("act", ["deltas one two three", "say x", 'event tool {"a":1}', "fail no", "messages"])
def test_events_of_a_finished_run(daemon, act):
    """A replay is the stream that the run had: the same events, the same ids, the same text."""
    first = list(daemon.stream(act))
    wait_over(daemon, first[0].data["run_id"])
    replayed = list(events(daemon, first[0].data["run_id"]))
    assert [e.id for e in replayed] == sorted(e.id for e in replayed)
    assert (replayed[0].id, replayed[-1].id) == (1, first[-1].id)
    assert deltas(replayed) == deltas(first)
    assert told(e for e in replayed if e.name != "run.delta") == told(e for e in first if e.name != "run.delta")


def test_events_of_a_run_that_was_not_streamed(daemon):
    """Each run has its events, streamed or not."""
    run_id = daemon.run("deltas a b").json["run_id"]
    replayed = list(events(daemon, run_id))
    assert (replayed[0].name, deltas(replayed), replayed[-1].data["content"]) == ("run.started", "ab", "ab")


def test_events_of_a_live_run(daemon):
    """Who comes while a run goes on hears what was said, and what is said from then on."""
    run_id = background(daemon, "timer 300")
    live = told(events(daemon, run_id))
    assert [name for _, name, _ in live] == ["run.started", "run.delta", "run.finished"]
    assert told(events(daemon, run_id)) == live


def test_a_listener_that_leaves_cancels_nothing(daemon):
    """/runs/{id}/events only listens."""
    run_id = background(daemon, "timer 400")
    listener = events(daemon, run_id)
    next(iter(listener))
    listener.close()
    assert wait_over(daemon, run_id)["status"] == "succeeded"


@pytest.mark.parametrize("live", [False, True], ids=["finished", "live"])
def test_last_event_id_in_the_middle(daemon, live):
    """With Last-Event-ID a stream goes on behind it."""
    run_id = background(daemon, "timer 500")
    if not live:
        wait_over(daemon, run_id)
    else:
        wait_running(daemon)
    assert [e.id for e in events(daemon, run_id, 1)] == [2, 3]
    whole = told(events(daemon, run_id))
    for n in range(len(whole)):
        assert told(events(daemon, run_id, n)) == whole[n:]


@pytest.mark.parametrize("after", [3, 4, 2**63])
def test_last_event_id_at_the_end_and_past_it(daemon, after):
    """Who knows the end of a run, or claims to know more, is told nothing twice."""
    run_id = daemon.run("say x").json["run_id"]
    assert [e.id for e in events(daemon, run_id)][-1] == 3
    stream = events(daemon, run_id, after)
    assert stream.status in (200, 204) and told(stream) == []


@pytest.mark.parametrize("after", ["x", "-1", "", "1.5", "1 2", "0x1"])
def test_last_event_id_that_is_no_number(daemon, after):
    """What cannot be an id is 400, not the whole stream again."""
    run_id = daemon.run("say x").json["run_id"]
    reply = daemon.get(f"/runs/{run_id}/events", headers={"Last-Event-ID": after})
    assert_problem(reply, 400, "bad_request")


def slow_events(daemon, run_id):
    return events(daemon, run_id, connection=slow_connect(daemon))


def test_a_slow_reader_of_a_replay_is_paced(daemon):
    """A replay is sent as fast as its reader takes it, and all of it."""
    run_id = daemon.run(f"flood {8 * MB}").json["run_id"]
    stream = slow_events(daemon, run_id)
    assert daemon.run("say alive").json["content"] == "alive"
    replayed = list(stream)
    assert replayed[-1].name == "run.finished"
    assert deltas(replayed) == replayed[-1].data["content"] == "x" * 8 * MB


def test_a_reader_of_a_replay_that_never_reads_is_cut(agentd):
    """http.slow_reader holds for replays, too."""
    daemon = agentd('http: { listen: [ "127.0.0.1:0" ], slow_reader: 2s }\n' + ACTOR).wait_ready()
    run_id = daemon.run(f"flood {12 * MB}").json["run_id"]
    stream = slow_events(daemon, run_id)
    wait_for("the connection to be closed", lambda: sockets(daemon) == 1)
    stream.close()


def test_many_replays_at_once(daemon):
    """Readers of long replays who do not read cost the daemon little memory each."""
    run_id = daemon.run(f"flood {4 * MB}").json["run_id"]
    list(events(daemon, run_id))
    before = rss(daemon)
    stuck = [slow_events(daemon, run_id) for _ in range(20)]
    assert daemon.run("say alive").json["content"] == "alive"
    assert SANITIZED or rss(daemon) - before < 60 * MB
    for stream in stuck:
        stream.close()


def test_many_replays_are_all_whole(daemon):
    """Fifty readers of one run at the same time are all told the same."""
    run_id = daemon.run("deltas " + " ".join(map(str, range(2000)))).json["run_id"]
    with ThreadPoolExecutor(50) as pool:
        all_told = list(pool.map(lambda _: told(events(daemon, run_id)), range(50)))
    assert all(each == all_told[0] for each in all_told) and all_told[0][-1][1] == "run.finished"


def test_a_run_that_ends_while_a_listener_catches_up(agentd):
    """A listener that is still reading what was said before, when the run ends, is told of the end."""
    daemon = agentd('http: { listen: [ "127.0.0.1:0" ], heartbeat: 1h }\n' + ACTOR).wait_ready()
    connection = slow_connect(daemon)
    connection.request("POST", "/run", json.dumps({"input": f"flood {12 * MB}", "stream": True}))
    holder = Stream(connection, connection.getresponse())
    run_id = wait_for("the run to be listed", lambda: runs(daemon))[0]["run_id"]
    daemon.run("timer 300")  # in which the run has said as much as its reader's buffers take
    late = slow_events(daemon, run_id)
    late.connection.sock.settimeout(5 * SLOW)
    assert list(holder)[-1].name == "run.finished"
    heard = list(late)
    assert heard[-1].name == "run.finished" and deltas(heard) == "x" * 12 * MB
