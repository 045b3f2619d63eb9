"""An agent in several processes: `workers`, and the processes that come and go beside those that
serve (a successor, a retired one)."""
import os
import select
import signal
import time

import pytest

from conftest import SLOW, wait_for
from test_supervision import answer, wait_dead, wait_restarted, wait_running, wait_state


@pytest.fixture
def serve(agentd):
    """serve(options, supervision) → a daemon with one agent "a" (tests/plugins/actor.c)."""
    def start(options, supervision="backoff_min: 100ms, drain: 2s, kill: 200ms"):
        return agentd(f"""
            agents:
              a: {{ plugin: PLUGIN(actor), {options} }}
            supervision: {{ {supervision} }}
        """).wait_ready()
    return start


def all_ready(daemon, count):
    return wait_for(f"{count} processes", lambda: (
        pids := daemon.agent("a")["pids"]) and len(pids) == count and ready_lines(daemon) >= count and pids)


def ready_lines(daemon):
    return sum("ready (pid" in message for message in daemon.messages())


def test_runs_are_shared_by_all_workers(serve):
    """Promise: `workers: N` are N processes, and each new run goes to the one with the fewest."""
    daemon = serve("workers: 3")
    pids = all_ready(daemon, 3)
    assert len(set(pids)) == 3
    held = [daemon.start_run("hang") for _ in range(6)]
    wait_running(daemon, "a", 6)
    os.kill(pids[0], signal.SIGKILL)
    wait_running(daemon, "a", 4)
    over = select.select([connection.sock for connection in held], [], [], 10)[0]
    assert [answer(connection)[0] for connection in held if connection.sock in over] == [502, 502]


def test_one_worker_that_crashes_is_not_the_agent(serve):
    """Promise: while one worker serves the agent is ready: runs are taken, none waits for the restart."""
    daemon = serve("workers: 2", "backoff_min: 20s")
    pids = all_ready(daemon, 2)
    os.kill(pids[0], signal.SIGKILL)
    wait_for("one process less", lambda: len(daemon.agent("a")["pids"]) == 1)
    agent = daemon.agent("a")
    assert (agent["state"], agent["next_retry_at"]) == ("ready", None)
    assert agent["last_exit"]["signal"] == "SIGKILL"
    assert daemon.get("/ready").status == 200
    for _ in range(10):
        assert daemon.run("say hello").status == 200


def test_concurrency_is_the_agents_and_not_a_workers(serve):
    """Promise: `concurrency` bounds the runs of the agent, however many processes share them."""
    daemon = serve("workers: 4, concurrency: 3")
    all_ready(daemon, 4)
    held = [daemon.start_run("hang") for _ in range(5)]
    wait_for("three to run", lambda: daemon.load("a") == (3, 2))
    for connection in held:
        connection.close()


def test_all_workers_down_is_the_agent_down(serve):
    """Promise: the state is the best of all, and the next try the first of all."""
    daemon = serve("workers: 2", "backoff_min: 20s")
    for pid in all_ready(daemon, 2):
        os.kill(pid, signal.SIGKILL)
    agent = wait_state(daemon, "a", "backoff")
    assert agent["pids"] == [] and agent["next_retry_at"]
    assert daemon.run("say hello").json["code"] == "agent_unavailable"


def test_workers_stop_together(serve):
    """Promise: a stop ends all of them, and is as quick as one."""
    daemon = serve("workers: 8")
    pids = all_ready(daemon, 8)
    daemon.terminate()
    assert daemon.wait() == 0
    wait_dead(*pids)


# A run that ignores its end.


def generation(daemon, number):
    return wait_for(f"generation {number}", lambda: (
        a := daemon.agent("a"))["generation"] == number and a["state"] == "ready" and a)


def test_a_process_with_a_run_that_ignores_its_end_is_replaced(serve):
    """Promise: a new generation takes over, is seen in /agents and said in the log; the old one drains,
    so its neighbours lose nothing, and ends."""
    daemon = serve("timeout: 30s")
    old = daemon.pid_of("a")
    neighbour = daemon.start_run("timer 1000")
    wait_running(daemon, "a", 1)
    assert daemon.run("ignore", timeout=0.1).status == 504
    daemon.wait_log(rf"agent a: a run in pid {old} \(generation 1\) does not heed its end: it is replaced")
    agent = generation(daemon, 2)
    assert agent["pids"][0] == old and len(agent["pids"]) == 2
    assert daemon.run("say new").json["content"] == "new"
    assert answer(neighbour)[1]["content"] == "timer"
    wait_dead(old)
    agent = wait_for("one process", lambda: (a := daemon.agent("a")) and len(a["pids"]) == 1 and a)
    assert (agent["restarts"], agent["running"]) == (0, 0)
    assert "did not end" in agent["last_exit"]["reason"]


def test_a_cancel_that_is_ignored_counts_as_well(serve):
    """Promise: the same for a client that left."""
    daemon = serve("timeout: 30s")
    daemon.start_run("ignore").close()
    generation(daemon, 2)


def test_a_run_that_ends_late_costs_nothing(serve):
    """Promise: a run that heeds its end a little late (within supervision.kill) replaces nothing."""
    daemon = serve("timeout: 30s", "kill: 2s")
    assert daemon.run("timer 300", timeout=0.1).status == 504
    wait_running(daemon, "a", 0)
    assert daemon.agent("a")["generation"] == 1
    assert not any("replaced" in message for message in daemon.messages())


def test_neighbours_of_the_replaced_are_cut_by_their_own_deadline_only(serve):
    """Promise: the old process lives as long as somebody waits for a run in it, beyond any drain."""
    daemon = serve("timeout: 30s", "drain: 100ms, kill: 100ms")
    neighbour = daemon.start_run("timer 1500")
    wait_running(daemon, "a", 1)
    assert daemon.run("ignore", timeout=0.1).status == 504
    generation(daemon, 2)
    assert answer(neighbour)[0] == 200


def test_a_successor_that_does_not_start_leaves_the_old_one_serving(agentd, tmp_path):
    """Promise: if the new one does not get ready, the old one goes on."""
    folder = tmp_path / "folder"  # beside agent.conf a plugin can make no files
    folder.mkdir()
    daemon = agentd("""
        agents: { a: { plugin: PLUGIN(actor), start: once, text: %s } }
        supervision: { kill: 100ms, backoff_min: 20s }
    """ % (folder / "mark")).wait_ready()
    assert daemon.run("ignore", timeout=0.1).status == 504
    wait_for("a try", lambda: any("its open failed" in m for m in daemon.messages()))
    agent = daemon.agent("a")
    assert (agent["state"], agent["generation"]) == ("ready", 1)
    for _ in range(10):
        assert daemon.run("say hello").status == 200
    os.kill(agent["pids"][0], signal.SIGKILL)  # now there is none: the successor's retry is what is left
    wait_state(daemon, "a", "backoff")


def test_replacing_has_a_bound(serve):
    """Promise: a plugin that ignores every cancel cannot pile up processes without end."""
    daemon = serve("timeout: 60s", "kill: 50ms, drain: 50ms")
    most = 0
    held = []
    for number in range(2, 10):
        held.append(daemon.start_run("timer 4000"))  # keeps the old one alive
        wait_running_at_least(daemon, 1)
        daemon.run("ignore", timeout=0.05)
        end = time.monotonic() + 0.3 * SLOW
        while time.monotonic() < end and daemon.agent("a")["generation"] < number:
            time.sleep(0.01)
        most = max(most, len(daemon.agent("a")["pids"]))
    assert 4 <= most <= 6
    assert all(answer(connection)[0] == 200 for connection in held)
    wait_for("one process", lambda: len(daemon.agent("a")["pids"]) == 1)
    assert daemon.run("say hello").status == 200


def wait_running_at_least(daemon, count):
    wait_for(f"{count} runs", lambda: daemon.agent("a")["running"] >= count)


def test_the_replaced_may_crash_unnoticed(serve):
    """Promise: an old process that dies while it drains is not started again."""
    daemon = serve("timeout: 30s")
    old = daemon.pid_of("a")
    neighbour = daemon.start_run("hang")
    wait_running(daemon, "a", 1)
    daemon.run("ignore", timeout=0.1)
    generation(daemon, 2)
    os.kill(old, signal.SIGKILL)
    assert answer(neighbour)[0] == 502
    agent = wait_for("one process", lambda: (a := daemon.agent("a")) and len(a["pids"]) == 1 and a)
    assert (agent["state"], agent["restarts"], agent["generation"]) == ("ready", 0, 2)


def test_a_stop_while_a_process_is_being_replaced(serve):
    """Bug class: a stop that waits for a process which nobody stops."""
    daemon = serve("timeout: 30s", "drain: 500ms, kill: 200ms")
    held = daemon.start_run("hang")
    wait_running(daemon, "a", 1)
    daemon.run("ignore", timeout=0.1)
    pids = generation(daemon, 2)["pids"]
    daemon.terminate()
    assert daemon.wait() == 0
    wait_dead(*pids)
    held.close()


def test_restarts_are_counted_over_all_processes(serve):
    """Promise: `restarts` is the agent's: it does not fall when a process that had some is replaced."""
    daemon = serve("timeout: 30s")
    daemon.run("crash")
    wait_restarted(daemon, "a")
    daemon.run("ignore", timeout=0.1)
    agent = generation(daemon, 3)
    wait_for("one process", lambda: len(daemon.agent("a")["pids"]) == 1)
    assert agent["restarts"] == daemon.agent("a")["restarts"] == 1
