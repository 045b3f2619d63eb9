"""A host may crash, hang, lie or be killed: it costs its own runs, and nobody else anything."""
import json
import os
import re
import shutil
import signal
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from conftest import BUILD, SANITIZED, SLOW, plugin, wait_for

# "bad" misbehaves, "good" is its neighbour; both do what they are told.
PAIR = """
    agents:
      bad: {{ plugin: PLUGIN(actor), {options} }}
      good: {{ plugin: PLUGIN(actor) }}
    default_agent: good
    supervision: {{ {supervision} }}
"""
QUICK = "backoff_min: 100ms, backoff_max: 400ms"


@pytest.fixture
def pair(agentd):
    """pair(options of "bad", supervision) → a daemon with "bad" and "good"; good is ready."""
    return lambda options="start: ready", supervision=QUICK: agentd(
        PAIR.format(options=options, supervision=supervision)).wait_ready("good")


def wait_state(daemon, name, state):
    """The agent, as /agents shows it, once it is in that state."""
    def probe():
        agent = daemon.agent(name)
        return agent if agent["state"] == state else None
    return wait_for(f"{name} to be {state}", probe)


def wait_running(daemon, name, count=1):
    wait_for(f"{count} runs in {name}", lambda: daemon.agent(name)["running"] == count)


def wait_restarted(daemon, name, restarts=1):
    return wait_for(f"restart {restarts} of {name}", lambda: (
        a := daemon.agent(name))["state"] == "ready" and a["restarts"] >= restarts and a)


def restarts(daemon, name):
    """What the log says of the restarts of an agent: [(why, number, delay in s), …]."""
    found = (re.fullmatch(rf"agent {name}: (.*); restart (\d+) in ([\d.]+) s", m) for m in daemon.messages())
    return [(m.group(1), int(m.group(2)), float(m.group(3))) for m in found if m]


def wait_restarts(daemon, name, count):
    return wait_for(f"{count} restarts of {name}", lambda: (
        r := restarts(daemon, name)) and len(r) >= count and r)[:count]


def is_about(delay, expected):
    """±20 % of jitter, and the rounding of the log."""
    return 0.8 * expected - 0.051 <= delay <= 1.2 * expected + 0.051


def alive(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_dead(*pids):
    wait_for(f"{pids} to be gone", lambda: not any(map(alive, pids)))


def seconds(rfc3339):
    return datetime.fromisoformat(rfc3339).timestamp()


def answer(connection):
    """(status, JSON body, headers) of a start_run."""
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    return response.status, body, response.headers


# Crashes.


def test_a_crash_costs_the_runs_in_that_host_and_nobody_else(pair):
    """Promise: a crash costs that instance only; its runs get 502 agent_crashed with their run_id."""
    daemon = pair()
    wait_state(daemon, "bad", "ready")
    neighbour = daemon.start_run("timer 300", agent="good")
    lost = [daemon.start_run("hang", agent="bad") for _ in range(3)]
    wait_running(daemon, "bad", 3)
    os.kill(daemon.pid_of("bad"), signal.SIGSEGV)
    ids = set()
    for connection in lost:
        status, problem, _ = answer(connection)
        assert (status, problem["code"]) == (502, "agent_crashed")
        assert "SIGSEGV" in problem["detail"]
        ids.add(problem["run_id"])
    assert len(ids) == 3
    assert daemon.run("say still here", agent="good").json["content"] == "still here"
    assert answer(neighbour)[0] == 200
    wait_restarted(daemon, "bad")
    assert daemon.run("say back", agent="bad").json["content"] == "back"
    assert daemon.agent("good")["restarts"] == 0


def test_a_crash_is_shown_in_agents_and_in_the_log(pair):
    """Promise: /agents and the log say the signal, the count of restarts, and the next try."""
    daemon = pair(supervision="backoff_min: 20s")
    before = wait_state(daemon, "bad", "ready")
    assert (before["restarts"], before["last_exit"], before["next_retry_at"]) == (0, None, None)
    os.kill(before["pids"][0], signal.SIGSEGV)
    agent = wait_state(daemon, "bad", "backoff")
    assert agent["pids"] == []
    assert agent["last_exit"]["signal"] == "SIGSEGV"
    assert agent["last_exit"]["reason"] == "killed by SIGSEGV"
    assert 16 <= seconds(agent["next_retry_at"]) - seconds(agent["last_exit"]["at"]) <= 24.5
    [(why, number, delay)] = wait_restarts(daemon, "bad", 1)
    assert (why, number) == ("killed by SIGSEGV", 1)
    assert is_about(delay, 20)


def test_a_waiting_agent_answers_503_with_the_time_to_come_again(pair):
    """Promise: in BACKOFF synchronous runs, also those that waited, get 503 agent_unavailable with
    Retry-After, and /ready says who is missing."""
    daemon = pair("concurrency: 1", "backoff_min: 20s")
    wait_state(daemon, "bad", "ready")
    daemon.start_run("hang", agent="bad")
    wait_running(daemon, "bad")
    queued = daemon.start_run("say hello", agent="bad")
    wait_for("a queued run", lambda: daemon.agent("bad")["queued"] == 1)
    os.kill(daemon.pid_of("bad"), signal.SIGSEGV)
    late = daemon.run("say hello", agent="bad")
    wait_state(daemon, "bad", "backoff")
    if late.status == 502:  # it came before the daemon knew
        late = daemon.run("say hello", agent="bad")
    status, problem, headers = answer(queued)
    for status, problem, headers in [(status, problem, headers), (late.status, late.json, late.headers)]:
        assert (status, problem["code"]) == (503, "agent_unavailable")
        assert "SIGSEGV" in problem["detail"]
        assert 1 <= int(headers["Retry-After"]) <= 25
    ready = daemon.get("/ready")
    assert (ready.status, ready.json["not_ready"]) == (503, ["bad"])
    assert daemon.get("/health").status == 200


DEATHS = {  # act: (last_exit, the reason)
    "crash": ({"signal": "SIGSEGV"}, "killed by SIGSEGV"),
    "abort": ({"signal": "SIGABRT"}, "killed by SIGABRT"),
    "exit 0": ({"code": 0}, "exited with code 0"),
    "exit 3": ({"code": 3}, "exited with code 3"),
    "close": ({"signal": "SIGKILL"}, "closed its socket to agentd"),  # it has `kill` to end by itself
    "garbage": ({"signal": "SIGKILL"}, "sent a frame that makes no sense"),
}


@pytest.mark.parametrize("act", DEATHS)
def test_every_way_to_die_under_a_run_is_a_crash_and_ends_in_a_restart(pair, act):
    """Bug class: an exit(0), a closed socket or nonsense in it taken for a clean stop, and the agent
    gone for good; or, worse, the daemon harmed by it."""
    daemon = pair(supervision=f"kill: 300ms, {QUICK}")
    wait_state(daemon, "bad", "ready")
    bystander = daemon.start_run("hang", agent="bad")
    wait_running(daemon, "bad")
    pid = daemon.pid_of("bad")
    reply = daemon.run(act, agent="bad")
    for status, problem in [(reply.status, reply.json), answer(bystander)[:2]]:
        assert (status, problem["code"]) == (502, "agent_crashed"), problem
    wait_dead(pid)
    assert daemon.run("say hello").json["content"] == "hello"
    last = wait_restarted(daemon, "bad")["last_exit"]
    expected, reason = DEATHS[act]
    if not (SANITIZED and act.startswith("exit")):  # a leak check has its own exit code
        assert expected.items() <= last.items()
        assert re.search(reason, last["reason"])
    assert daemon.run("say back", agent="bad").json["content"] == "back"


# Delays.


def test_the_delay_doubles_up_to_its_maximum(pair):
    """Promise: restart delays double from backoff_min to backoff_max, with ±20 % of jitter; a crash
    in open counts like any other."""
    daemon = pair("start: crash", "backoff_min: 100ms, backoff_max: 800ms")
    deaths = wait_restarts(daemon, "bad", 5)
    assert [number for _, number, _ in deaths] == [1, 2, 3, 4, 5]
    assert all(why == "killed by SIGSEGV" for why, _, _ in deaths)
    for (_, _, delay), expected in zip(deaths, [0.1, 0.2, 0.4, 0.8, 0.8]):
        assert is_about(delay, expected), deaths


@pytest.mark.parametrize("stable, expected", [("60s", [0.3, 0.6]), ("1ms", [0.3, 0.3])])
def test_the_delay_begins_anew_after_a_while_of_health(pair, stable, expected):
    """Promise: who was READY for `stable` starts at backoff_min again, who was not does not."""
    daemon = pair(supervision=f"backoff_min: 300ms, stable: {stable}")
    for number, delay in enumerate(expected, 1):
        wait_restarted(daemon, "bad", number - 1)
        assert daemon.run("crash", agent="bad").status == 502
        assert is_about(wait_restarts(daemon, "bad", number)[-1][2], delay)


def test_a_crash_loop_delays_no_other_restart(pair):
    """Bug class: one backoff for all. After four deaths of one, the first of another waits 100 ms."""
    daemon = pair("start: crash", "backoff_min: 100ms, backoff_max: 60s")
    assert is_about(wait_restarts(daemon, "bad", 4)[-1][2], 0.8)
    assert daemon.run("crash").status == 502
    [(_, number, delay)] = wait_restarts(daemon, "good", 1)
    assert number == 1 and is_about(delay, 0.1)
    wait_restarted(daemon, "good")


def test_a_crash_loop_leaves_nothing_behind_in_the_daemon(pair):
    """Bug class: a pipe, a pidfd or a zombie for every restart."""
    daemon = pair("start: crash", "backoff_min: 5ms, backoff_max: 5ms")
    if not os.access(f"/proc/{daemon.pid}/fd", os.R_OK):
        pytest.skip("the daemon hides its descriptors from this user")

    def fds():
        return len(os.listdir(f"/proc/{daemon.pid}/fd"))
    wait_restarts(daemon, "bad", 3)
    before = fds()
    wait_restarts(daemon, "bad", 30)
    assert fds() <= before + 5  # the process that just starts, a request
    children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
    assert len(children) <= 2


# Those that another try cannot help, and those that never get there.


@pytest.mark.parametrize("options, act, reason", [
    ("start: exit78", None, "exited with code 78"),
    ("start: fatal", None, "the credentials were refused"),
    ("start: ready", "exit 78", "exited with code 78"),
    ("start: ready", "fatal no such account", "no such account"),
])
def test_who_cannot_be_helped_stays_down(pair, options, act, reason):
    """Promise: exit code 78 and host->fatal end in FAILED at once, and there is no other try."""
    daemon = pair(options)
    if act:
        wait_state(daemon, "bad", "ready")
        assert daemon.run(act, agent="bad").json["code"] == "agent_crashed"
    if SANITIZED and "78" in reason:
        return  # a leak check has its own exit code
    agent = wait_state(daemon, "bad", "failed")
    assert reason in agent["last_exit"]["reason"]
    assert (agent["last_exit"]["code"], agent["next_retry_at"], agent["pids"]) == (78, None, [])
    daemon.wait_log(rf"agent bad: {reason}; not started again")
    reply = daemon.run("say hello", agent="bad")
    assert (reply.status, reply.json["code"]) == (503, "agent_unavailable")
    assert reason in reply.json["detail"] and int(reply.headers["Retry-After"]) >= 1
    for number in (1, 2):  # as long as its neighbour needs for two restarts
        daemon.run("crash")
        wait_restarted(daemon, "good", number)
    agent = daemon.agent("bad")
    assert (agent["state"], agent["restarts"]) == ("failed", 0)
    assert restarts(daemon, "bad") == []


def test_who_is_never_ready_is_killed_and_tried_again(pair):
    """Promise: a start that is not READY within supervision.ready is killed; the reason says so."""
    ms = 400 * SLOW
    daemon = pair("start: never", f"ready: {ms}ms, {QUICK}")
    why, number, _ = wait_restarts(daemon, "bad", 1)[0]
    assert (why, number) == ("was not ready in time", 1)
    assert daemon.agent("bad")["last_exit"]["signal"] == "SIGKILL"
    assert daemon.run("say hello").status == 200


def test_an_open_that_fails_is_tried_again(pair):
    """Promise: a negative `open` is a failure that another try may help."""
    daemon = pair("start: fail")
    deaths = wait_restarts(daemon, "bad", 2)
    assert all(why == "its open failed: No such file or directory (-2)" for why, _, _ in deaths)
    assert daemon.agent("bad")["last_exit"]["code"] == 70


def test_runs_wait_for_a_host_that_is_starting(agentd):
    """Promise: while a host is STARTING runs queue, and are served when it is READY."""
    daemon = agentd("agents: { slow: { plugin: PLUGIN(actor), start: later } }")
    assert daemon.run("say in time").json["content"] == "in time"


# Hangs.


def test_a_blocked_loop_is_killed_after_three_pings(pair):
    """Promise: three unanswered pings and the host is killed; who waited gets 502."""
    daemon = pair(supervision=f"ping: 100ms, {QUICK}")
    wait_state(daemon, "bad", "ready")
    pid = daemon.pid_of("bad")
    reply = daemon.run("block 60000", agent="bad")
    assert (reply.status, reply.json["code"]) == (502, "agent_crashed")
    assert "pings" in reply.json["detail"]
    wait_dead(pid)
    assert "pings" in wait_restarted(daemon, "bad")["last_exit"]["reason"]
    assert daemon.run("say hello").status == 200


def test_a_deadline_costs_one_run_and_not_its_neighbours(pair):
    """Promise: a run past its deadline gets 504, also one that ignores cancel; its neighbours in the
    same process finish there."""
    daemon = pair(supervision="drain: 300ms")
    pid = daemon.pid_of("good")
    neighbour = daemon.start_run("timer 600")
    for act in ("hang", "ignore"):
        reply = daemon.run(act, timeout=0.2)
        assert (reply.status, reply.json["code"]) == (504, "timeout")
        assert "0.2 s" in reply.json["detail"] and reply.json["run_id"]
    status, body, _ = answer(neighbour)
    assert (status, body["content"]) == (200, "timer")
    assert daemon.pid_of("good") == pid


def test_a_deadline_holds_while_the_plugin_blocks_its_loop(actor):
    """Promise: the client gets 504 at the deadline, whatever the host does."""
    stuck = actor.start_run("block 2000")
    wait_running(actor, "actor")
    reply = actor.run("say hello", timeout=0.2)
    assert (reply.status, reply.json["code"]) == (504, "timeout")
    assert actor.agent("actor")["running"] == 2  # it is stuck still: the answer came before its end
    assert answer(stuck)[0] == 200


def test_a_place_that_a_run_keeps_for_itself_comes_back(agentd):
    """Promise: if a plugin ignores the end of a run, a new generation takes over, and the agent serves."""
    daemon = agentd("""
        agents: { a: { plugin: PLUGIN(actor), concurrency: 1, queue_timeout: 2s } }
        supervision: { drain: 100ms, kill: 100ms }
    """).wait_ready()
    assert daemon.run("ignore", timeout=0.1).status == 504
    assert daemon.run("say hello").status == 200


# What a host leaves behind, and is left with.


@pytest.fixture
def grandchild(actor):
    """grandchild(act) → the pid of a process that the host of `actor` has left; ended with the test."""
    pids = []

    def leave(act):
        pids.append(int(actor.run(act).json["content"]))
        return pids[-1]
    yield leave
    for pid in filter(alive, pids):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("act", ["fork", "orphan"])
def test_what_a_host_leaves_behind_ends_with_it(actor, grandchild, act):
    """Promise: the daemon ends what an instance leaves behind: its process group, and (as a child
    subreaper) what has left that."""
    pid = grandchild(act)
    assert alive(pid)
    os.kill(actor.pid_of("actor"), signal.SIGKILL)
    wait_for(f"{act} {pid} to end", lambda: not alive(pid), 3)


def test_a_grandchild_with_the_socket_does_not_hide_a_crash(actor, grandchild):
    """Bug: a process that a host had left in another session had inherited the host's socket, which
    so never came to its end: the crash went unnoticed, and its runs were never answered."""
    grandchild("orphan")
    lost = actor.start_run("hang")
    wait_running(actor, "actor")
    os.kill(actor.pid_of("actor"), signal.SIGSEGV)
    wait_for("a restart", lambda: actor.agent("actor")["restarts"] == 1, 3)
    assert answer(lost)[0] == 502


def test_hosts_die_with_the_daemon(pair):
    """Promise: agentd killed with SIGKILL leaves no orphan, not even one that is busy."""
    daemon = pair()
    wait_state(daemon, "bad", "ready")
    pids = [daemon.pid_of(name) for name in ("bad", "good")]
    daemon.start_run("block 60000", agent="bad")
    wait_running(daemon, "bad")
    daemon.process.kill()
    assert daemon.wait() == -signal.SIGKILL
    wait_dead(*pids)


def test_a_host_inherits_nothing(pair):
    """Promise: argv is "agentd-host NAME", the environment minimal, and no descriptor of the daemon
    (listeners, clients, other hosts) gets into a host, nor its plugin's file or config."""
    daemon = pair()
    wait_state(daemon, "bad", "ready")
    client = daemon.socket()
    daemon.run("crash", agent="bad")
    wait_restarted(daemon, "bad")
    lines = daemon.run("env", agent="bad").json["content"].splitlines()
    client.close()
    assert lines[0] == "agentd-host bad"
    names = {line.split("=")[0] for line in lines[1:] if not line.startswith("fd ")}
    assert {n for n in names if not n.endswith("SAN_OPTIONS")} == {"PATH", "LANG"}
    fds = {int(n): what for n, what in (line.split(" ", 2)[1:] for line in lines if line.startswith("fd "))}
    assert fds[0] == "/dev/null"
    assert fds[1] == fds[2] and fds[1].startswith("pipe:")
    assert fds[3].startswith("socket:")
    # Its own loop's: an epoll, an eventfd, a timer, and both ends of a pipe or of a socket pair for signals.
    own = [what for n, what in sorted(fds.items()) if n > 3]
    ends = [what for what in own if not what.startswith("anon_inode:")]
    assert all(re.match("anon_inode:.*(event|timer)|pipe:|socket:", what) for what in own), fds
    assert len(ends) <= 2 and not set(ends) & {fds[1], fds[3]}, fds


def test_a_host_has_its_limits(agentd):
    """Promise: limits.files and limits.memory bound the process, and it dumps no core."""
    memory = "" if SANITIZED else ", memory: 512M"
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor), limits: { files: 64%s } } }" % memory).wait_ready()
    limits = Path(f"/proc/{daemon.pid_of('a')}/limits").read_text()
    assert re.search(r"Max open files +64 +64", limits)
    assert re.search(r"Max core file size +0 +0", limits)
    assert SANITIZED or re.search(rf"Max data size +{512 << 20} +{512 << 20}", limits)


def test_the_daemon_never_loads_a_plugin():
    """Promise: agentd has no way to dlopen."""
    symbols = subprocess.run(["nm", "-D", str(BUILD / "agentd")], capture_output=True, text=True, check=True).stdout
    assert " U " in symbols and not re.search(r"\bdl(m?open|sym)\b", symbols)
    needed = subprocess.run(["objdump", "-p", str(BUILD / "agentd")], capture_output=True, text=True, check=True).stdout
    assert "libdl" not in needed


# What it prints.


def test_what_a_host_prints_is_in_the_log_under_its_name(actor):
    """Promise: stdout and stderr of a host go to the log, tagged, and so does host->log, which in `run` bears the
    run's id."""
    for act in ("print", "stdout", "log"):
        reply = actor.run(f"{act} the {act} \"line\" \x1b[31m")
        assert reply.status == 200
        line = actor.wait_log(f"^the {act} ")
        assert line == {"time": line["time"], "level": "info", "from": "agent actor",
                        "message": f"the {act} \"line\" \x1b[31m",
                        **({"run_id": reply.json["run_id"]} if act == "log" else {})}


def test_a_host_that_prints_without_end_is_cut_short(actor):
    """Promise: the output of a host is rate-limited; what is left out is counted."""
    actor.run("print " + "\n".join(f"line {i}" for i in range(1000)))
    actor.run("exit 3")
    actor.wait_log("restart 1")
    shown = sum(line["message"].startswith("line ") for line in actor.log)
    lost = sum(int(m.group(1)) for m in (re.match(r"(\d+) lines of output left out", m) for m in actor.messages()) if m)
    assert 100 <= shown <= 600
    assert SANITIZED or shown + lost == 1000


def test_the_last_line_of_a_host_is_the_reason_of_its_exit(actor):
    """Promise: the last words are kept as the reason of an exit, for the log and for admins; no run has them."""
    actor.run("print first")
    actor.run("print Cannot allocate the flux capacitor")
    assert actor.run("abort").json["detail"] == "the agent's process ended: killed by SIGABRT"
    agent = wait_restarted(actor, "actor")
    assert agent["last_exit"]["reason"] == "killed by SIGABRT: Cannot allocate the flux capacitor"
    assert restarts(actor, "actor")[0][0] == agent["last_exit"]["reason"]


# Signals to the daemon.


def test_usr1_dumps_the_state(pair):
    """Promise: SIGUSR1 logs what each agent does."""
    daemon = pair()
    wait_state(daemon, "bad", "ready")
    daemon.start_run("hang", agent="bad")
    wait_running(daemon, "bad")
    daemon.terminate(signal.SIGUSR1)
    pid = daemon.pid_of("bad")
    daemon.wait_log(rf"state: agent bad: ready, pid {pid}, generation 1, 0 restarts, 1 running, 0 queued")
    daemon.wait_log(r"state: agent good: ready, .* 0 running")
    daemon.wait_log(r"state: 1 run has not ended")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGPIPE])
def test_a_signal_that_comes_unasked_harms_nobody(actor, number):
    """Bug class: a SIGHUP of a closed terminal ends the daemon."""
    actor.terminate(number)
    if number != signal.SIGPIPE:
        actor.wait_log("^reloaded$")
    assert actor.run("say hello").status == 200
    assert actor.agent("actor")["restarts"] == 0


# Files of plugins.


def rewrite(path):
    """As cp does: the same inode, other bytes."""
    path.write_bytes(b"\0" * path.stat().st_size)


@pytest.mark.parametrize("harm", [rewrite, lambda path: os.truncate(path, 0), Path.unlink],
                         ids=["cp", "truncate", "unlink"])
def test_a_plugin_file_may_be_replaced_while_it_is_loaded(agentd, tmp_path, harm):
    """Promise: a sealed copy is what is loaded: `cp` over a plugin harms no running host (SIGBUS),
    and a restart still loads what was checked."""
    path = Path(shutil.copy(plugin("actor"), tmp_path / "mine.so"))
    daemon = agentd(f"agents: {{ a: {{ plugin: ./mine.so }} }}\nsupervision: {{ {QUICK} }}").wait_ready()
    harm(path)
    assert daemon.run("thread hello").json["content"] == "from hello"
    assert daemon.run("crash").status == 502
    assert wait_restarted(daemon, "a")["generation"] == 2
    assert daemon.run("request").status == 200
