"""Sessions: what they remember, and one run at a time in each."""
import json
import re
from urllib.parse import quote

import pytest
from conftest import Reply, assert_problem, wait_for


def one(agentd, options="", more=""):
    return agentd(f"""
        {more}
        agents: {{ a: {{ plugin: PLUGIN(actor){options} }} }}
        supervision: {{ drain: 100ms }}
    """).wait_ready()


def history(daemon, session="s"):
    """The messages that the agent is handed: (role, content, tool_calls, tool_call_id) of each."""
    count, *lines = daemon.run("history", session_id=session).json["content"].split("\n")[:-1]
    assert int(count) == len(lines)
    return [re.fullmatch(r"(\w+):([^:]*):(\[.*\]|):(\w*)", line).groups() for line in lines]


def told(*texts):
    """A history of plain `say` runs."""
    return [m for t in texts for m in (("user", "say " + t, "", ""), ("assistant", t, "", ""))]


def hold(daemon, session="s"):
    """A run that goes on in a session until its stream is closed."""
    stream = daemon.stream("hang", session_id=session)
    assert next(iter(stream)).name == "run.started"
    return stream


# What a session remembers.

def test_history_in_order(agentd):
    """Each run is handed what was said before in its session, in order, and in no other."""
    daemon = one(agentd)
    assert history(daemon) == []
    for text in ("one", "two"):
        daemon.run("say " + text, session_id="t")
    daemon.run("say three", session_id="u")
    assert history(daemon, "t") == told("one", "two")
    assert history(daemon, "u") == told("three")
    assert history(daemon, "new") == []


def test_session_that_we_make(agentd):
    """The session_id of an answer goes on with its session."""
    daemon = one(agentd)
    session = daemon.run("say one").json["session_id"]
    assert daemon.run("say two").json["session_id"] != session
    assert history(daemon, session) == told("one")


def test_deltas_and_tools_are_remembered(agentd):
    """A streamed answer is remembered whole; an agent's own messages are, instead of its content."""
    daemon = one(agentd)
    daemon.run("deltas a b c", session_id="s")
    daemon.run("messages", session_id="s")
    assert history(daemon) == [
        ("user", "deltas a b c", "", ""), ("assistant", "abc", "", ""),
        ("user", "messages", "", ""), ("assistant", "", '[{"id":"c1"}]', ""),
        ("tool", "42", "", "c1"), ("assistant", "it is 42", "", "")]


@pytest.mark.parametrize("act", ["fail it", "refuse", "crash", "hang"])
def test_failed_run_leaves_nothing(agentd, act):
    """A run that fails leaves no message in its session, nor a session."""
    daemon = agentd("""
        agents: { a: { plugin: PLUGIN(actor) }, b: { plugin: PLUGIN(actor) } }
        default_agent: a
        supervision: { backoff_min: 10ms }
    """).wait_ready()
    daemon.run("say one", session_id="s")
    for session in ("s", "fresh"):
        assert daemon.run(act, session_id=session, timeout=0.1).status in (502, 504)
        daemon.wait_ready()
    assert history(daemon) == told("one")
    assert daemon.run("say x", agent="b", session_id="fresh").status == 200


@pytest.mark.parametrize("most, handed", [
    (0, ""), (1, "a"), (2, "cta"), (3, "cta"), (4, "ucta"), (5, "aucta"), (7, "ctaucta"), (99, "uctaucta")])
def test_history_limit(agentd, most, handed):
    """`history` bounds the messages, and never parts a tool's answer from its call: rather it adds the call."""
    daemon = one(agentd, f", history: {most}")
    for _ in range(2):
        daemon.run("messages", session_id="s")
    letters = ["t" if role == "tool" else "c" if calls else role[0] for role, _, calls, _ in history(daemon)]
    assert "".join(letters) == handed


@pytest.mark.parametrize("limit, handed", [(3000, 2), (2150, 2), (1900, 1), (90, 0)])
def test_history_bytes(agentd, limit, handed):
    """limits.history bounds the text, whole messages at a time, the oldest first."""
    daemon = one(agentd, f", limits: {{ history: {limit} }}")
    daemon.run("say " + "x" * 1000, session_id="s")
    daemon.run("say " + "y" * 1000, session_id="s")
    assert history(daemon) == told("x" * 1000, "y" * 1000)[4 - handed:]


def test_history_bytes_and_tools(agentd):
    """limits.history does not part a tool's answer from its call, either: it leaves both out."""
    daemon = one(agentd, ", limits: { history: 40 }")
    daemon.run("messages", session_id="s")
    assert history(daemon) == [("assistant", "it is 42", "", "")]


def test_long_session_forgets_whole_turns(agentd):
    """What a session in memory lets go of when it is long is never the call of an answer that it keeps."""
    daemon = one(agentd, ", history: 9999, limits: { history: 16M }", "store: { enabled: false }")
    connection = daemon.connect()
    for _ in range(501):  # of four messages each
        connection.request("POST", "/run", '{"input":"messages","session_id":"s"}')
        assert Reply(connection.getresponse()).status == 200
    connection.close()
    messages = history(daemon)
    assert 500 < len(messages) < 2004
    assert messages[0][0] != "tool"


# One at a time.

def test_one_at_a_time_in_order(agentd):
    """Runs of a session wait for each other, in the order in which they came."""
    daemon = one(agentd)
    first, waiting = hold(daemon), []
    for n in range(1, 6):
        waiting.append(daemon.start_run(f"say {n}", session_id="s"))
        wait_for(f"run {n} to wait", lambda: daemon.load("a") == (1, n))
    first.close()
    assert [json.loads(w.getresponse().read())["content"] for w in waiting] == list("12345")
    assert history(daemon) == told(*"12345")


def test_sessions_are_parallel(agentd):
    """A busy session holds up no other, and no run that names none."""
    daemon = one(agentd)
    first, second = hold(daemon), daemon.start_run("say x", session_id="s")
    wait_for("the second to wait", lambda: daemon.load("a") == (1, 1))
    assert daemon.run("say y", session_id="t").json["content"] == "y"
    assert daemon.run("say z").json["content"] == "z"
    assert daemon.load("a") == (1, 1)
    first.close()
    assert Reply(second.getresponse()).status == 200


def test_turn_passes_on_when_a_waiting_client_leaves(agentd):
    """A run that is given up while it waits neither runs nor blocks those behind it."""
    daemon = one(agentd)
    first, second = hold(daemon), daemon.start_run("log the second ran", session_id="s")
    wait_for("the second to wait", lambda: daemon.load("a") == (1, 1))
    third = daemon.start_run("say 3", session_id="s")
    wait_for("the third to wait", lambda: daemon.load("a") == (1, 2))
    second.close()
    wait_for("the second to be gone", lambda: daemon.load("a") == (1, 1))
    first.close()
    assert json.loads(third.getresponse().read())["content"] == "3"
    assert history(daemon) == told("3")
    assert not any("the second ran" in m for m in daemon.messages())


def test_reject(agentd):
    """on_busy: reject answers 409 session_busy while the session runs, and goes on afterwards."""
    daemon = one(agentd, ", on_busy: reject")
    first = hold(daemon)
    body = assert_problem(daemon.run("say x", session_id="s"), 409, "session_busy")
    assert "run_id" not in body
    assert daemon.run("say x", session_id="t").status == 200
    assert daemon.run("say x").status == 200
    first.close()
    wait_for("the session to be free", lambda: daemon.load("a") == (0, 0))
    assert daemon.run("say y", session_id="s").status == 200
    assert history(daemon) == told("y")


def test_interrupt(agentd):
    """on_busy: interrupt cancels the run that goes on (409 run_cancelled), and the new one runs."""
    daemon = one(agentd, ", on_busy: interrupt")
    first = daemon.start_run("hang", session_id="s")
    wait_for("the first to run", lambda: daemon.load("a") == (1, 0))
    daemon.run("say other")  # so the plugin has had the first
    assert daemon.run("say new", session_id="s").json["content"] == "new"
    body = assert_problem(Reply(first.getresponse()), 409, "run_cancelled")
    assert body["run_id"]
    assert daemon.run("cancelled?").json["content"] == "1"
    assert history(daemon) == told("new")


def test_interrupt_spares_other_sessions(agentd):
    """on_busy: interrupt is about one session, also for an agent with a single place."""
    daemon = one(agentd, ", on_busy: interrupt, concurrency: 1")
    first = daemon.start_run("timer 300", session_id="t")
    wait_for("the first to run", lambda: daemon.load("a") == (1, 0))
    assert daemon.run("say x", session_id="s").status == 200
    assert Reply(first.getresponse()).json["content"] == "timer"


def test_session_of_another_agent(agentd):
    """A session belongs to the agent that it began with: 409 session_mismatch for another."""
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor) }, b: { plugin: PLUGIN(actor) } }").wait_ready()
    daemon.run("say x", agent="a", session_id="s")
    body = assert_problem(daemon.run("say y", agent="b", session_id="s"), 409, "session_mismatch")
    assert '"a"' in body["detail"] and body["run_id"]
    stream = list(daemon.stream("say y", agent="b", session_id="s"))
    assert [e.name for e in stream] == ["run.failed"] and stream[0].data["code"] == "session_mismatch"
    assert daemon.run("history", agent="a", session_id="s").json["content"].startswith("2\n")
    assert daemon.agent("b")["running"] == 0


# /sessions.

@pytest.fixture(params=["", "store: { enabled: false }\n"], ids=["store", "memory"])
def kept(agentd, request):
    """A daemon with two agents, whose sessions are on disk, or in memory."""
    return agentd("agents: { a: { plugin: PLUGIN(actor) }, b: { plugin: PLUGIN(actor) } }\n"
                  "default_agent: a\n" + request.param).wait_ready()


def listed(daemon, query=""):
    reply = daemon.get("/sessions" + query)
    assert reply.status == 200, reply.body
    return [session["session_id"] for session in reply.json["sessions"]]


def test_session_is_shown(kept):
    """A session shows whose it is, and its messages, the oldest first, with those of tools."""
    run_ids = [kept.run(act, session_id="s", user_id="Ann").json["run_id"] for act in ("say one", "messages")]
    session = kept.get("/sessions/s").json
    times = [session.pop("created_at")] + [m.pop("created_at") for m in session["messages"]] + [session.pop("updated_at")]
    assert times == sorted(times) and all(re.fullmatch(r"[-\d]+T[:\d]+\.\d{3}Z", t) for t in times)
    assert session == {"session_id": "s", "agent": "a", "user_id": "Ann", "messages": [
        {"role": "user", "content": "say one", "run_id": run_ids[0]},
        {"role": "assistant", "content": "one", "run_id": run_ids[0]},
        {"role": "user", "content": "messages", "run_id": run_ids[1]},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "c1"}], "run_id": run_ids[1]},
        {"role": "tool", "content": "42", "tool_call_id": "c1", "run_id": run_ids[1]},
        {"role": "assistant", "content": "it is 42", "run_id": run_ids[1]}]}


def test_sessions_are_listed(kept):
    """/sessions lists those that were made, the last one used first, without their messages."""
    for session in ("s", "t", "u", "s"):
        kept.run("say x", session_id=session)
    kept.run("say x", agent="b", session_id="v")
    kept.run("fail x", session_id="w")
    assert listed(kept) == ["v", "s", "u", "t"]
    assert "messages" not in kept.get("/sessions").json["sessions"][0]


def test_sessions_by_pages(kept):
    """Pages of sessions are the whole list, each once."""
    for n in range(7):
        kept.run("say x", session_id=f"s{n}")
    seen, cursor = [], ""
    while cursor is not None:
        page = kept.get(f"/sessions?limit=3{cursor and '&cursor=' + cursor}").json
        seen += [session["session_id"] for session in page["sessions"]]
        cursor = page["next_cursor"]
    assert seen == [f"s{n}" for n in range(6, -1, -1)]
    assert_problem(kept.get("/sessions?limit=0"), 400, "bad_request")


def test_session_is_deleted(kept):
    """A deleted session is gone with what it remembered; its name is free, for another agent too."""
    run_id = kept.run("say one", session_id="s").json["run_id"]
    kept.run("say two", session_id="t")
    reply = kept.request("DELETE", "/sessions/s")
    assert (reply.status, reply.body) == (204, b"")
    assert_problem(kept.get("/sessions/s"), 404, "not_found")
    assert_problem(kept.get(f"/runs/{run_id}"), 404, "not_found")
    assert listed(kept) == ["t"]
    assert kept.run("history", agent="b", session_id="s").json["content"] == "0\n"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_no_such_session(kept, method):
    """404 for a session that there is not; one whose only run failed is none."""
    kept.run("fail x", session_id="s")
    for name in ("s", "nobody", "%20", "x" * 3000):
        assert_problem(kept.request(method, f"/sessions/{name}"), 404, "not_found")


@pytest.mark.parametrize("waits", [False, True], ids=["one", "one that waits"])
def test_busy_session_is_not_deleted(kept, waits):
    """409 session_busy for a session in which a run goes on; it stays, and can be deleted afterwards."""
    kept.run("say one", session_id="s")
    going = hold(kept)
    waiting = kept.start_run("say two", session_id="s") if waits else None
    wait_for("it to be busy", lambda: kept.load("a") == (1, int(waits)))
    assert_problem(kept.request("DELETE", "/sessions/s"), 409, "session_busy")
    assert len(kept.get("/sessions/s").json["messages"]) == 2
    going.close()
    if waiting:
        assert Reply(waiting.getresponse()).status == 200
    wait_for("it to be free", lambda: kept.request("DELETE", "/sessions/s").status == 204)


def test_session_of_a_first_run(kept):
    """404 for a session whose first run goes on says so; and what begins one, where none does."""
    going = hold(kept, "new")
    wait_for("it to be busy", lambda: kept.load("a") == (1, 0))
    assert "which is going on" in assert_problem(kept.get("/sessions/new"), 404, "not_found")["detail"]
    assert assert_problem(kept.get("/sessions/none"), 404, "not_found")["detail"] == \
        "there is no such session; one begins when its first run has succeeded"
    going.close()


@pytest.mark.parametrize("name", [
    "s 1ü", "a%b", "日本", "?x#y", "\"\\", "...", "telegram:-100:7"])
def test_names_of_sessions(kept, name):
    """Whatever a session is called, it is found by its name, and deleted."""
    kept.run("say one", session_id=name)
    assert listed(kept) == [name]
    path = "/sessions/" + quote(name, safe="")
    assert kept.get(path).json.get("session_id") == name
    assert kept.request("DELETE", path).status == 204 and listed(kept) == []


@pytest.mark.parametrize("name", ["a/b", "/", ".", "..", "a\nb", "\x7f"])
def test_names_that_no_path_can_hold(kept, name):
    """A session that could not be found or deleted is not begun."""
    assert_problem(kept.run("say one", session_id=name), 400, "bad_request")
    assert listed(kept) == []


@pytest.mark.parametrize("fields", [{"background": True}, {"stream": True}], ids=str)
def test_reject_at_the_same_time(agentd, fields):
    """on_busy: reject lets one of many go that come at the same time, also of those that are written down
    before they start."""
    daemon = one(agentd, ", on_busy: reject, concurrency: 20")
    connections = [daemon.start_run("hang", session_id="s", **fields) for _ in range(10)]
    statuses = [connection.getresponse().status for connection in connections]
    for connection in connections:
        connection.close()
    assert statuses.count(409) == 9, statuses
