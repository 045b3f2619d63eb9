"""Agents that block: `run` is called on a thread pool, several at once, and nothing else suffers."""
import os
import re
import time
from pathlib import Path

import pytest

from conftest import SANITIZED, SLOW, plugin, wait_for
from test_supervision import answer, wait_dead, wait_restarted, wait_running


@pytest.fixture
def blocker(agentd):
    """blocker(options) → a daemon with the blocking agent "b" and its neighbour "actor"."""
    def start(options="timeout: 30s", supervision="backoff_min: 100ms, drain: 2s, kill: 300ms"):
        return agentd(f"""
            agents:
              b: {{ plugin: PLUGIN(blocker), {options} }}
              actor: {{ plugin: PLUGIN(actor) }}
            default_agent: b
            supervision: {{ {supervision} }}
        """).wait_ready()
    return start


def threads(daemon, name):
    return len(os.listdir(f"/proc/{daemon.pid_of(name)}/task"))


def test_run_is_called_on_another_thread_and_the_rest_on_the_loop(blocker):
    """Promise: of a blocking plugin only `run` leaves the loop thread; it streams, ends and fails as
    any other."""
    daemon = blocker()
    assert daemon.run("where").json["content"] == "another thread, 0 cancelled"
    assert daemon.run("say hello").json["content"] == "hello"
    reply = daemon.run("refuse")
    assert (reply.status, reply.json["code"]) == (502, "agent_failed") and "-5" in reply.json["detail"]
    events = list(daemon.stream("flood 3000"))
    assert [e.name for e in events if e.name != "run.delta"] == ["run.started", "run.finished"]
    assert "".join(e.data["text"] for e in events if e.name == "run.delta") == "x" * 3000


def test_runs_block_side_by_side(blocker):
    """Promise: one run that blocks delays no other, up to `threads` of them; the rest wait their turn."""
    daemon = blocker("threads: 4")
    held = [daemon.start_run("wait") for _ in range(3)]
    wait_running(daemon, "b", 3)
    assert daemon.run("say in between").json["content"] == "in between"
    for connection in held:
        connection.close()
    wait_running(daemon, "b", 0)
    runs = [daemon.start_run("sleep 50") for _ in range(12)]
    most = max(int(answer(run)[1]["content"]) for run in runs)
    assert most == 4


def test_threads_are_made_when_they_are_needed(blocker):
    """Promise: an idle blocking agent has no threads but its loop's, and never more than `threads`."""
    daemon = blocker("threads: 8")
    idle = threads(daemon, "b")
    daemon.run("say one")
    first = threads(daemon, "b")
    assert first == idle + 1 or SANITIZED  # a sanitizer may make one of its own with the first
    for connection in [daemon.start_run("sleep 20") for _ in range(40)]:
        assert answer(connection)[0] == 200
    assert threads(daemon, "b") == first + 7


def test_a_run_is_cancelled_where_it_blocks(blocker):
    """Promise: `cancel` comes beside `run`, and `cancelled` is true on its thread."""
    daemon = blocker()
    reply = daemon.run("wait", timeout=0.1)
    assert (reply.status, reply.json["code"]) == (504, "timeout")
    wait_running(daemon, "b", 0)
    assert daemon.run("where").json["content"] == "another thread, 1 cancelled"


def test_a_slow_reader_makes_delta_wait(blocker):
    """Promise: for a blocking plugin `delta` waits while the reader is slow, costs no memory, and loses
    nothing; its neighbours go on."""
    daemon = blocker()
    connection = daemon.connect()
    connection.request("POST", "/run", '{"input":"flood %d","agent":"b","stream":true}' % (8 << 20))
    response = connection.getresponse()
    wait_running(daemon, "b", 1)
    for _ in range(20):  # time in which it would flood
        assert daemon.run("sleep 10").status == 200
    rss = int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{daemon.pid_of('b')}/status").read_text()).group(1))
    assert SANITIZED or rss < 16 << 10, f"{rss} KiB in the host"
    assert daemon.load("b") == (1, 0)
    body = response.read().decode()
    assert sum(len(text) for text in re.findall(r'"text":"(x*)"', body)) == 8 << 20


def test_a_waiting_delta_ends_with_its_run(blocker):
    """Promise: a delta that waits for a reader returns -ECANCELED when its run is cancelled."""
    daemon = blocker("timeout: 500ms")
    connection = daemon.connect()
    connection.request("POST", "/run", '{"input":"tell 30000000","agent":"b","stream":true}')
    connection.getresponse()
    daemon.wait_log(r"delta returned -125")
    wait_running(daemon, "b", 0)
    connection.close()


def test_a_thread_that_is_stuck_costs_its_process_and_nobody_waits_for_it(blocker):
    """Promise: the deadline is kept, a new generation takes over from the process with the stuck thread,
    and that one ends."""
    daemon = blocker("threads: 2")
    pid = daemon.pid_of("b")
    neighbour = daemon.start_run("sleep 600")
    assert daemon.run("stuck", timeout=0.1).status == 504
    agent = wait_for("another generation", lambda: (
        a := daemon.agent("b"))["generation"] == 2 and a["state"] == "ready" and a)
    assert pid in agent["pids"] or SANITIZED  # its neighbour is still in it
    assert answer(neighbour)[0] == 200
    wait_dead(pid)
    wait_for("its pid to go", lambda: len(daemon.agent("b")["pids"]) == 1)
    assert daemon.run("say here").json["content"] == "here"
    assert daemon.agent("b")["restarts"] == 0


def test_a_crash_on_a_thread_is_a_crash(blocker):
    """Promise: as for any other: 502, a restart, neighbours untouched."""
    daemon = blocker()
    reply = daemon.run("crash")
    assert (reply.status, reply.json["code"]) == (502, "agent_crashed") and "SIGSEGV" in reply.json["detail"]
    wait_restarted(daemon, "b")
    assert daemon.run("say back").json["content"] == "back"


@pytest.mark.parametrize("act", ["again 200", "say x"])
def test_the_plugin_is_closed_when_its_threads_are_out(blocker, act):
    """Bug class: `close` while a thread is still between its finish and its return."""
    daemon = blocker()
    assert daemon.run(act).status == 200
    daemon.terminate()
    assert daemon.wait() == 0
    daemon.wait_log("closed with 0 inside")


def test_a_thread_that_stays_does_not_hold_up_the_end(blocker):
    """Promise: a stop is over in time, also with a thread inside the plugin; `close` is left out then."""
    daemon = blocker(supervision="drain: 1s, kill: 2s")
    assert daemon.run("again 60000").status == 200
    start = time.monotonic()
    daemon.terminate()
    assert daemon.wait() == 0
    assert time.monotonic() - start < 30 * SLOW
    assert not any("closed with" in message for message in daemon.messages())


def test_an_unknown_flag_is_refused(agentd, tmp_path):
    """Promise: a plugin that asks for what this agentd does not have is refused, never half served."""
    # The flags are the 6th word of the descriptor: every bit that is set there is ours to know.
    image = bytearray(Path(plugin("blocker")).read_bytes())
    at = image.find((0x746e6761).to_bytes(4, "little"))
    assert image[at + 20] == 1
    image[at + 20] = 3
    path = tmp_path / "odd.so"
    path.write_bytes(image)
    path.chmod(0o700)
    daemon = agentd("agents: { a: { plugin: ./odd.so } }", listening=False)
    assert daemon.wait() == 78
    assert "needs a newer agentd" in "\n".join(daemon.raw)
