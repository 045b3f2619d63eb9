"""Sessions: what they remember, and one run at a time in each."""
import json
import re

import pytest
from conftest import Reply, assert_problem, wait_for


def one(agentd, options=""):
    return agentd(f"""
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
    daemon = one(agentd, ", history: 9999, limits: { history: 16M }")
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
