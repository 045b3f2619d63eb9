"""An agent in several processes: `workers`, and the processes that come and go beside those that
serve (a successor, a retired one)."""
import os
import select
import signal
import threading
import time

import pytest

from conftest import SLOW, wait_for
from credentials import CONFIG, Control, as_
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
    reply = daemon.run("ignore", timeout=0.1)
    assert reply.status == 504
    line = daemon.wait_log(rf"agent a: a run in pid {old} \(generation 1\) does not heed its end: it is replaced")
    assert line["run_id"] == reply.json["run_id"]
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


# POST /agents/{name}/restart.


def restart(daemon, name="a", status=202):
    reply = daemon.request("POST", f"/agents/{name}/restart")
    assert reply.status == status, reply.body
    return reply


@pytest.mark.parametrize("workers", [1, 3])
def test_a_restart_brings_new_processes(serve, workers):
    """Promise: 202 at once; new processes serve, under the next generations, and the old ones end."""
    daemon = serve(f"workers: {workers}, timeout: 30s")
    old = all_ready(daemon, workers)
    reply = restart(daemon)
    assert reply.json == {"agent": "a", "status": "restarting"}
    wait_dead(*old)
    agent = wait_for("the new ones", lambda: (a := daemon.agent("a")) and len(a["pids"]) == workers and a)
    assert not set(agent["pids"]) & set(old) and agent["state"] == "ready"
    assert (agent["generation"], agent["restarts"]) == (2 * workers, 0)
    assert "that was asked for" in agent["last_exit"]["reason"]
    daemon.wait_log("agent a: a restart was asked for")
    assert daemon.run("say new").json["content"] == "new"


def test_a_restart_lets_runs_end(serve):
    """Promise: what goes on in the old process ends there, streams too, however long; new runs go to the new one."""
    daemon = serve("timeout: 30s", "drain: 100ms, kill: 100ms")
    old = daemon.pid_of("a")
    held, stream = daemon.start_run("timer 1500"), daemon.stream("timer 1500")
    wait_running(daemon, "a", 2)
    restart(daemon)
    generation(daemon, 2)
    assert daemon.run("say new").json["content"] == "new"
    assert old in daemon.agent("a")["pids"]
    assert answer(held)[1]["content"] == "timer"
    assert [event.name for event in stream][-1] == "run.finished"
    wait_dead(old)


@pytest.mark.parametrize("workers", [1, 2])
def test_restarts_under_load_lose_nothing(serve, workers):
    """Promise: no request fails, however often the agent is restarted meanwhile."""
    daemon = serve(f"workers: {workers}, timeout: 30s")
    all_ready(daemon, workers)
    over, statuses = [], []

    def ask(act):
        while not over:
            statuses.append(daemon.run(act).status)
    threads = [threading.Thread(target=ask, args=(act,)) for act in ("say x", "timer 5", "deltas a b", "timer 50")]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            before = daemon.agent("a")["generation"]
            restart(daemon)
            wait_for("the next generation", lambda: daemon.agent("a")["generation"] > before, 20)
            wait_for("the old ones to end", lambda: len(daemon.agent("a")["pids"]) == workers, 20)
    finally:
        over.append(True)
        for thread in threads:
            thread.join()
    assert len(statuses) > 50 and set(statuses) == {200}


@pytest.mark.parametrize("act, state", [("exit 78", "failed"), ("crash", "backoff")])
def test_a_restart_of_one_that_is_down(serve, act, state):
    """Promise: an operator's restart starts what had failed for good, or waits for its next try, at once."""
    daemon = serve("timeout: 30s", "backoff_min: 10m, backoff_max: 10m")
    daemon.run(act)
    wait_state(daemon, "a", state)
    restart(daemon)
    wait_state(daemon, "a", "ready")
    assert daemon.run("say hello").status == 200


def test_a_restart_twice_at_once(serve):
    """Promise: who asks while it is under way gets no third process."""
    daemon = serve("timeout: 30s")
    askers = [daemon.connect() for _ in range(10)]
    for asker in askers:
        asker.request("GET", "/health")
        asker.getresponse().read()
    os.kill(daemon.pid, signal.SIGSTOP)  # so that it hears all of them at once
    for asker in askers:
        asker.request("POST", "/agents/a/restart")
    os.kill(daemon.pid, signal.SIGCONT)
    assert [answer(asker)[0] for asker in askers] == [202] * len(askers)
    wait_for("one process", lambda: daemon.agent("a")["generation"] > 1 and len(daemon.agent("a")["pids"]) == 1)
    assert daemon.agent("a")["generation"] == 2


def test_a_restart_while_it_starts(agentd):
    """Promise: one that is starting anyway is not started twice."""
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor), start: later } }")
    restart(daemon)
    daemon.wait_ready()
    assert daemon.agent("a")["generation"] == 1


def test_restarts_have_a_bound(serve):
    """Promise: while several old processes have not ended, 503 overloaded with Retry-After; later it works again."""
    daemon = serve("timeout: 30s", "drain: 50ms, kill: 50ms")
    held = []
    for number in range(2, 6):
        held.append(daemon.start_run("hang"))
        wait_running(daemon, "a", number - 1)
        restart(daemon)
        generation(daemon, number)
    reply = restart(daemon, status=503)
    assert reply.json["code"] == "overloaded" and reply.headers["Retry-After"]
    for connection in held:
        connection.close()
    wait_for("one process", lambda: len(daemon.agent("a")["pids"]) == 1)
    restart(daemon)
    generation(daemon, 6)


def test_a_restart_whose_successor_failed_can_be_asked_for_again(agentd, tmp_path):
    """Bug: while a successor waited for its next try, or had failed for good, a restart was 202 and did nothing."""
    folder = tmp_path / "folder"
    folder.mkdir()
    daemon = agentd("""
        agents: { a: { plugin: PLUGIN(actor), start: once, text: %s } }
        supervision: { kill: 100ms, backoff_min: 10m, backoff_max: 10m }
    """ % (folder / "mark")).wait_ready()
    restart(daemon)
    wait_for("a try", lambda: any("its open failed" in m for m in daemon.messages()))
    assert daemon.run("say old").json["content"] == "old"
    (folder / "mark").unlink()  # what was wrong is put right
    wait_for("its retry to be due later", lambda: any("restart 1 in" in m for m in daemon.messages()))
    restart(daemon)
    generation(daemon, 3)


def test_a_restart_of_all_workers_while_some_are_down(serve):
    """Promise: each worker is renewed, those that serve and those that do not."""
    daemon = serve("workers: 2, timeout: 30s", "backoff_min: 10m, backoff_max: 10m")
    pids = all_ready(daemon, 2)
    os.kill(pids[0], signal.SIGKILL)
    wait_for("one process less", lambda: len(daemon.agent("a")["pids"]) == 1)
    restart(daemon)
    wait_for("two new ones", lambda: len(daemon.agent("a")["pids"]) == 2 and not set(daemon.agent("a")["pids"]) & set(pids))


def test_a_restart_while_agentd_stops(serve):
    """Promise: a restart starts nothing that a stop would then have to end."""
    daemon = serve("timeout: 30s")
    held = daemon.start_run("timer 1000")
    wait_running(daemon, "a", 1)
    asking = daemon.connect()
    asking.connect()
    asking.request("GET", "/health")
    asking.getresponse().read()
    restart(daemon)
    daemon.terminate()
    assert answer(held)[0] == 200
    assert daemon.wait() == 0
    asking.close()


def test_who_may_restart(agentd):
    """Promise: an admin; without auth whoever can reach it, if that is only this machine. 404 for what there is not."""
    daemon = agentd(CONFIG)
    root, alice = as_(daemon, "root").wait_ready(), as_(daemon, "alice")
    assert "only an admin" in restart(alice, status=403).json["detail"]
    restart(daemon, status=401)
    restart(root, "none", status=404)
    restart(alice, "none", status=403)
    assert root.request("GET", "/agents/a/restart").status == 405
    restart(root)
    generation(root, 2)
    daemon = agentd('http: { listen: [ "0.0.0.0:0" ], allow_unauthenticated: true }\nagents: { a: { plugin: PLUGIN(actor) } }')
    daemon.wait_ready()
    assert "control socket" in restart(daemon, status=403).json["detail"]
    restart(Control(daemon))
    generation(daemon, 2)
