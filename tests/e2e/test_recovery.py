"""What was accepted outlives the daemon: killed, stopped or started again, each run ends in one result."""
import os
import signal

import pytest

from conftest import assert_problem, wait_for
from stored import (ACTOR, background, events, kill, names, record, runs, stop, wait_over, wait_running,
                    wait_status)

ENDS = pytest.mark.parametrize("end", [kill, stop])


@pytest.fixture
def start(agentd):
    """start() → a daemon on the store that they all share, its agent ready."""
    return lambda config=ACTOR: agentd(config).wait_ready()


def history(daemon, session="s"):
    return daemon.run("history", session_id=session).json["content"].split("\n")[1:-1]


# Background runs.

@ENDS
def test_a_background_run_that_was_going_on(start, end):
    """A background run is begun again by the next daemon, told that it is the second attempt."""
    daemon = start()
    run_id = background(daemon, "attempt", session_id="s", user_id="Ann", metadata={"k": [1]})
    before = wait_status(daemon, run_id, "running")
    wait_running(daemon)
    end(daemon)
    daemon = start()
    run = wait_over(daemon, run_id)
    assert (run["status"], run["attempts"]) == ("succeeded", 2)
    told = dict(line.split("=", 1) for line in run["content"].strip().split("\n"))
    assert (told["run_id"], told["attempt"], told["session_id"]) == (run_id, "2", "s")
    assert (told["user_id"], told["metadata"], told["source"]) == ("Ann", '{"k":[1]}', "http")
    assert run["created_at"] == before["created_at"]
    daemon.wait_log("1 run is begun again")
    assert [r["run_id"] for r in runs(daemon)] == [run_id]


def test_background_runs_that_waited(start):
    """Runs that had not begun are done by the next daemon, in their order within a session."""
    daemon = start()
    ids = [background(daemon, "attempt", session_id="s")]
    ids += [background(daemon, f"say {n}", session_id="s") for n in range(5)]
    wait_running(daemon, 1, 5)
    kill(daemon)
    daemon = start()
    assert [wait_over(daemon, run_id)["status"] for run_id in ids] == ["succeeded"] * 6
    assert [m["content"] for m in daemon.get("/sessions/s").json["messages"][2:]] == [
        text for n in range(5) for text in (f"say {n}", str(n))]


def test_runs_that_were_over(start):
    """What had its result before the crash has just that afterwards, and is not done again."""
    daemon = start()
    done = wait_over(daemon, background(daemon, "log it ran", session_id="s"))
    other = record(daemon, daemon.run("say x", session_id="s").json["run_id"])
    kill(daemon)
    daemon = start()
    assert record(daemon, done["run_id"]) == done and record(daemon, other["run_id"]) == other
    daemon.run("say barrier")
    assert not any("it ran" in message for message in daemon.messages())


def test_what_was_acknowledged_is_there(start):
    """Of all that were acknowledged until the kill, none is lost and none is there twice."""
    daemon = start()
    ids = [background(daemon, f"say {n}") for n in range(200)]
    kill(daemon)
    daemon = start()
    assert [wait_over(daemon, run_id)["content"] for run_id in ids] == [str(n) for n in range(200)]
    assert [r["run_id"] for r in runs(daemon, "?limit=1000")] == ids[::-1]


def test_three_attempts(start):
    """A run during which the daemon dies three times is not begun a fourth time."""
    daemon = start()
    run_id = background(daemon, "hang")
    for attempt in (1, 2, 3):
        assert wait_status(daemon, run_id, "running")["attempts"] == attempt
        kill(daemon)
        daemon = start()
    run = record(daemon, run_id)
    assert (run["status"], run["code"], run["attempts"]) == ("failed", "interrupted", 3)
    assert "three attempts" in run["error"]
    daemon.wait_log("0 runs are begun again, 1 ended as interrupted")
    stream = list(events(daemon, run_id))
    assert stream[-1].name == "run.failed" and stream[-1].data["code"] == "interrupted"


def test_a_fourth_attempt(start):
    """The third attempt may lose its process, so that there is a fourth: after that it is not begun again either."""
    daemon = start()
    run_id = background(daemon, "hang")
    for attempt in (1, 2):
        assert wait_status(daemon, run_id, "running")["attempts"] == attempt
        kill(daemon)
        daemon = start()
    assert wait_status(daemon, run_id, "running")["attempts"] == 3
    os.kill(daemon.pid_of("a"), signal.SIGKILL)
    wait_for("the fourth", lambda: (run := record(daemon, run_id))["attempts"] == 4 and run["status"] == "running")
    kill(daemon)
    run = record(start(), run_id)
    assert (run["status"], run["code"], run["attempts"]) == ("failed", "interrupted", 4)


@ENDS
def test_waiting_is_no_attempt(start, end):
    """A run that only waited has made no attempt, however often the daemon was restarted."""
    daemon = start()
    first, second = background(daemon, "hang", session_id="s"), background(daemon, "request", session_id="s")
    for _ in range(4):
        wait_for("the second to be waiting", lambda: daemon.load("a")[1] == 1 or record(
            daemon, first)["status"] == "failed")
        end(daemon)
        daemon = start()
        if record(daemon, first)["status"] == "failed":
            break
    run = wait_over(daemon, second)
    assert run["status"] == "succeeded", run
    assert "attempt=1\n" in run["content"]


def test_the_agent_is_gone(start):
    """A run whose agent is not in the config any more ends, and says why; its record stays."""
    daemon = start()
    run_id, done = background(daemon, "hang", session_id="s"), daemon.run("say x", session_id="t").json["run_id"]
    wait_running(daemon)
    kill(daemon)
    daemon = start("agents: { b: { plugin: PLUGIN(actor) } }")
    run = record(daemon, run_id)
    assert (run["status"], run["code"], run["agent"]) == ("failed", "interrupted", "a")
    assert "no such agent" in run["error"]
    assert record(daemon, done)["content"] == "x"
    assert_problem(daemon.run("say y", session_id="t"), 409, "session_mismatch")


def test_the_agent_cannot_start(start, agentd):
    """A daemon whose agent is down serves all the same, and the run waits for the agent."""
    daemon = start()
    run_id = background(daemon, "attempt")
    wait_running(daemon)
    kill(daemon)
    daemon = agentd(ACTOR.replace("PLUGIN(actor)", "PLUGIN(actor), start: crash"))
    wait_for("the agent to fail", lambda: daemon.agent("a")["restarts"] > 1)
    assert record(daemon, run_id)["status"] == "queued"
    stop(daemon)
    assert wait_over(start(), run_id)["status"] == "succeeded"


def test_a_drain_ends_what_it_can(start):
    """On SIGTERM a background run that ends in time has its result; one that does not is left, and
    who waits for its events is not told an end that it did not have."""
    daemon = start(ACTOR.replace("drain: 200ms", "drain: 2s"))
    short, long = background(daemon, "timer 600"), background(daemon, "attempt")
    listeners = [events(daemon, run) for run in (short, long)]
    assert [next(iter(listener)).name for listener in listeners] == ["run.started"] * 2
    daemon.terminate()
    assert [names(listener) for listener in listeners] == [["delta", "finished"], []]
    assert daemon.wait() == 0
    daemon = start()
    assert (wait_over(daemon, short)["attempts"], wait_over(daemon, long)["attempts"]) == (1, 2)
    assert record(daemon, short)["content"] == "timer"


# Others.

@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_synchronous_run_is_interrupted(start, stream):
    """A run whose client waited is not begun again: nobody waits any more. It ends as `interrupted`."""
    daemon = start()
    if stream:
        connection = daemon.stream("hang", session_id="s")
        run_id = next(iter(connection)).data["run_id"]
    else:
        connection = daemon.start_run("hang", session_id="s")
        run_id = wait_for("it to be written down", lambda: runs(daemon))[0]["run_id"]
    kill(daemon)
    connection.close()
    daemon = start()
    run = record(daemon, run_id)
    assert (run["status"], run["code"], run["attempts"], run["content"]) == ("failed", "interrupted", 1, None)
    assert run["finished_at"] and run["error"]
    last = list(events(daemon, run_id, 1))[-1]
    assert (last.name, last.data["code"], last.data["status"]) == ("run.failed", "interrupted", 502)
    assert history(daemon) == []


@ENDS
def test_history_survives(start, end):
    """A session goes on in the next daemon where it stopped."""
    daemon = start()
    daemon.run("say one", session_id="s")
    daemon.run("messages", session_id="s")
    end(daemon)
    daemon = start()
    assert history(daemon) == ["user:say one::", "assistant:one::", "user:messages::",
                               'assistant::[{"id":"c1"}]:', "tool:42::c1", "assistant:it is 42::"]


@ENDS
def test_replay_survives(start, end):
    """The events of a run that is over are the same in the next daemon."""
    daemon = start()
    run_id = daemon.run('deltas a b "c"').json["run_id"]
    before = [(e.id, e.name, e.data) for e in events(daemon, run_id)]
    end(daemon)
    assert [(e.id, e.name, e.data) for e in events(start(), run_id)] == before


# Events across a restart.

@ENDS
def test_a_reader_goes_on_behind_a_restart(start, end):
    """With its Last-Event-ID a reader hears run.restarted with a higher id, then all that is new."""
    daemon = start()
    run_id = background(daemon, "attempt")
    listener = iter(events(daemon, run_id))
    first = next(listener)
    assert (first.id, first.name) == (1, "run.started")
    end(daemon)
    daemon = start()
    heard = list(events(daemon, run_id, first.id))
    assert [e.name for e in heard] == ["run.restarted", "run.delta", "run.finished"]
    assert heard[0].data == {"attempt": 2}
    assert heard[0].id > first.id and [e.id for e in heard] == [heard[0].id + n for n in range(3)]
    assert [(e.id, e.name) for e in events(daemon, run_id, first.id)] == [(e.id, e.name) for e in heard]


# Agents that die under background runs.

def test_one_death_of_the_agent(start):
    """A background run whose agent's process dies is tried once more, alone; its stream says so."""
    daemon = start()
    run_id = background(daemon, "attempt")
    listener = events(daemon, run_id)
    wait_status(daemon, run_id, "running")
    os.kill(daemon.pid_of("a"), signal.SIGKILL)
    heard = list(listener)
    assert [e.name for e in heard] == ["run.started", "run.restarted", "run.delta", "run.finished"]
    assert heard[1].data == {"attempt": 2} and [e.id for e in heard] == [1, 2, 3, 4]
    run = record(daemon, run_id)
    assert (run["status"], run["attempts"]) == ("succeeded", 2)
    assert [e.name for e in events(daemon, run_id)] == [e.name for e in heard]


def test_poison(start):
    """A background run that kills its agent twice is set aside; those beside it are answered."""
    daemon = start()
    neighbours = [background(daemon, "attempt") for _ in range(3)]
    wait_running(daemon, 3)
    poison = background(daemon, "crash")
    run = wait_over(daemon, poison)
    assert (run["status"], run["code"], run["attempts"]) == ("failed", "agent_crashed", 2)
    assert "twice" in run["error"]
    for run_id in neighbours:
        run = wait_over(daemon, run_id)
        assert (run["status"], run["attempts"]) == ("succeeded", 2)
    daemon.wait_ready()
    assert daemon.run("say alive").json["content"] == "alive"
    kill(daemon)
    assert record(start(), poison)["code"] == "agent_crashed"
