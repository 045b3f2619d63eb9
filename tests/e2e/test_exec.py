"""exec, the plugin that makes any program an agent: a process for each run, or one that speaks JSON lines."""
import base64
import concurrent.futures
import contextlib
import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

from conftest import ROOT, SANITIZED, Reply, assert_problem, plugin, wait_for
from credentials import AUTH, HTTP, as_
from line import Line
from test_stream import deltas, names, slow_stream
from test_supervision import alive, answer, wait_dead, wait_running, wait_state

MB = 1 << 20
WORKER = [sys.executable, str(ROOT / "tests" / "agents" / "worker.py")]


@pytest.fixture
def work(tmp_path):
    """The folder that programs run in: they cannot write beside agent.conf."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def program(agentd, work):
    """program(command, options, the rest of the config) → a daemon whose one agent, "a", is that."""
    def start(command, options="", more=""):
        agent = f"plugin: PLUGIN(exec), command: {json.dumps(command)}, cwd: work {options}"
        return agentd(f"agents: {{ a: {{ {agent} }} }}\n{more}").wait_ready()
    return start


@pytest.fixture
def shell(program):
    """shell(script, …) → the same, for a script of sh."""
    return lambda script, *more: program(["/bin/sh", "-c", script], *more)


@pytest.fixture
def worker(program):
    """worker(options, the rest of the config) → the same, for tests/agents/worker.py."""
    return lambda options="", more="": program(WORKER, ", mode: worker" + options, more)


def numbers_in(path, count=1):
    """The numbers that a program has written to a file, a line each."""
    def probe():
        with contextlib.suppress(FileNotFoundError):
            lines = path.read_text().split("\n")[:-1]
            return len(lines) >= count and [int(line) for line in lines]
    return wait_for(f"{count} numbers in {path.name}", probe)


def children(pid):
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# A process for each run: the answer.


@pytest.mark.parametrize("said, content", [
    ("hello", "hello"), ("€ \"x\"\\\t$HOME `id`; #", "€ \"x\"\\\t$HOME `id`; #"), ("a\n", "a"), ("a\n\n", "a\n"),
    ("\n", ""), ("\n\n\n", "\n\n"), ("a\nb", "a\nb"), ("\na", "\na"), ("a\r\n", "a\r")])
def test_the_answer_is_what_the_program_says(program, said, content):
    """Promise: stdin is the input, byte for byte; stdout is the answer, without one last newline."""
    daemon = program(["cat"])
    assert daemon.run(said).json["content"] == content
    assert deltas(daemon.stream(said)) == content


def test_a_program_that_says_nothing(program):
    """Promise: exit code 0 without a word is an empty answer."""
    reply = program(["true"]).run("hello")
    assert (reply.status, reply.json["content"]) == (200, "")


def test_text_is_streamed_while_the_program_runs(shell, work):
    """Promise: what is written is a delta at once; a newline is held back until more comes."""
    daemon = shell("echo one; until [ -e go ]; do sleep 0.01; done; echo two")
    stream = iter(daemon.stream("hello"))
    assert [next(stream).name, next(stream).data] == ["run.started", {"text": "one"}]
    (work / "go").touch()
    rest = list(stream)
    assert deltas(rest) == "\ntwo" and rest[-1].data["content"] == "one\ntwo"


ECHO_LATE = f"""
import sys
sys.stdout.write("y" * {2 * MB})
sys.stdout.flush()
sys.stdout.write(sys.stdin.read())
"""


def test_a_program_may_write_before_it_reads(program):
    """Bug class: a deadlock of two full pipes, with an input and an output that fit none."""
    daemon = program([sys.executable, "-c", ECHO_LATE], more="http: { listen: [ '127.0.0.1:0' ], max_body: 4M }")
    text = "".join(f"{n:7}\n" for n in range(MB // 8))
    assert daemon.run(text).json["content"] == "y" * 2 * MB + text[:-1]


@pytest.mark.parametrize("script", ["exec 0<&-; echo ok", "echo ok"])
def test_a_program_need_not_read(shell, script):
    """Promise: a program that does not read its input, or closes it, is fine."""
    assert shell(script).run("x" * 900_000).json["content"] == "ok"


def test_text_that_is_too_long_for_a_delta_is_split(program):
    """Promise: limits.delta is no concern of the program's."""
    daemon = program(["cat"], ", limits: { delta: 1K }")
    text = "€" * 50_000
    assert daemon.run(text).json["content"] == text


def test_a_child_in_the_background_delays_nothing(shell, work):
    """Promise: the run ends with the program, not with what still holds its stdout; what is left of its
    group is killed, and what has left the group is the host's to end."""
    daemon = shell("sleep 60 & echo $! > group; setsid sh -c 'echo $$ > session; exec sleep 60' & "
                   "until [ -s session ]; do sleep 0.01; done; echo done")
    assert daemon.run("hello").json["content"] == "done"
    (in_group,), (in_session,) = numbers_in(work / "group"), numbers_in(work / "session")
    wait_dead(in_group)
    assert alive(in_session)
    os.kill(daemon.pid_of("a"), signal.SIGKILL)
    wait_dead(in_session)


# What it is given.


def test_json_input(program):
    """Promise: with input: json a program gets the whole request as one object, history included; what
    there is none of is left out."""
    daemon = program(["cat"], ", input: json, timeout: 20s")
    first = daemon.run("helloü", session_id="s")
    given = json.loads(first.json["content"])
    assert 10 < given.pop("timeout") <= 20
    assert given == {"run_id": first.json["run_id"], "session_id": "s", "input": "helloü", "attempt": 1,
                     "source": "http"}
    second = daemon.run("again", session_id="s", user_id="u", metadata={"a": [1, None, {"b": "ü"}]}).json
    given = json.loads(second["content"])
    assert given["history"] == [{"role": "user", "content": "helloü"},
                                {"role": "assistant", "content": first.json["content"]}]
    assert (given["user_id"], given["metadata"]) == ("u", {"a": [1, None, {"b": "ü"}]})


def test_environment(program):
    """Promise: PATH and LANG, the run's ids, and what env says, which comes before PATH and LANG; nothing
    else of agentd's."""
    daemon = program(["env"], ', env: { LANG: de_DE.UTF-8, "MY_KEY": "a b=c" }')
    body = daemon.run("x", session_id="s", user_id="u").json
    assert dict(line.split("=", 1) for line in body["content"].splitlines()) == {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "de_DE.UTF-8", "MY_KEY": "a b=c",
        "AGENTD_RUN_ID": body["run_id"], "AGENTD_SESSION_ID": "s", "AGENTD_USER_ID": "u"}


def script(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


def test_where_a_program_is_found(agentd, tmp_path):
    """Promise: a name is looked up in the PATH that the program gets, a path with a slash counts from cwd."""
    script(tmp_path / "there" / "tool", 'echo "$0 in $(pwd)"')
    daemon = agentd(f"""
        agents:
          path: {{ plugin: PLUGIN(exec), command: [ tool ], env: {{ PATH: "/nowhere:{tmp_path}/there:/bin" }} }}
          slash: {{ plugin: PLUGIN(exec), command: [ ./tool ], cwd: there }}
          below: {{ plugin: PLUGIN(exec), command: [ there/tool ] }}
    """).wait_ready()
    assert daemon.run("x", agent="path").json["content"] == f"{tmp_path}/there/tool in {tmp_path}"
    assert daemon.run("x", agent="slash").json["content"] == f"./tool in {tmp_path}/there"
    assert daemon.run("x", agent="below").json["content"] == f"there/tool in {tmp_path}"


def test_paths_are_relative_to_the_file_that_says_them(agentd, tmp_path):
    """Promise: wherever agentd was started, as all paths of a config; an included file counts for what it says."""
    script(tmp_path / "there" / "tool", "pwd")
    script(tmp_path / "there" / "more" / "tool", "pwd")
    (tmp_path / "there" / "agent.conf").write_text(f"""
        include: [ more/*.conf ]
        http: {{ listen: [ "127.0.0.1:0" ] }}
        agents: {{ one: {{ plugin: {plugin("exec")}, command: [ ./tool ] }} }}
    """)
    (tmp_path / "there" / "more" / "two.conf").write_text(
        f"agents: {{ two: {{ plugin: {plugin('exec')}, command: [ ./tool ] }} }}")
    daemon = agentd(arguments=["-c", "there/agent.conf"]).wait_ready()
    assert daemon.run("x", agent="one").json["content"] == f"{tmp_path}/there"
    assert daemon.run("x", agent="two").json["content"] == f"{tmp_path}/there/more"


def test_no_descriptor_and_no_signal_is_inherited(program):
    """Promise: a program has its three pipes and nothing else of the host's, and all signals are as usual."""
    daemon = program([sys.executable, "-c", """if True:
        import os
        print([fd for fd in range(3, 1000) if os.path.exists(f"/proc/self/fd/{fd}")])
        print(open("/proc/self/status").read())
    """])
    said = daemon.run("x").json["content"]
    assert said.startswith("[]\n")
    assert re.search(r"SigBlk:\s+0+\n", said)
    ignored = int(re.search(r"SigIgn:\s+(\w+)", said)[1], 16)
    own = 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)  # Python's
    libc = 1 << 31 | 1 << 32  # 32 and 33, which nobody can set; a shell in the background may ignore them
    assert ignored & ~(own | libc) == 0
    assert daemon.run("x").status == 200


BAD = {  # the options: what agentd says
    "command: []": r"command: is empty; it must name a program",
    'command: [ "" ]': r"command: is empty; it must name a program",
    "command: [ no-such-program ]": r'command: cannot execute "no-such-program" from PATH \(/usr/\S+\): No such file',
    "command: [ /no/such/program ]": r'command: cannot execute "/no/such/program": No such file or directory',
    "command: [ ./agent.conf ]": r'command: cannot execute "\./agent.conf" in /\S+: Permission denied',
    "command: ls -l": r'command: cannot execute "ls -l" from PATH .*; arguments are items of their own, as in \[ ls, -l \]',
    "command: [ /tmp ]": r'command: cannot execute "/tmp": Permission denied',
    "command: [ cat ], cwd: no/such/folder": r'cwd: cannot enter "no/such/folder": No such file or directory',
    'command: [ cat ], env: { "A=B": c }': r'env: "A=B" cannot be a variable',
}


@pytest.mark.parametrize("mode", ["oneshot", "worker"])
def test_bad_settings_are_seen_at_the_start(agentd, mode):
    """Promise: a setting that cannot work is said in one line, with its name, and the agent stays down."""
    rows = "".join(f"  a{n}: {{ plugin: PLUGIN(exec), mode: {mode}, {options} }}\n" for n, options in enumerate(BAD))
    daemon = agentd("agents:\n" + rows)
    for n, why in enumerate(BAD.values()):
        agent = wait_state(daemon, f"a{n}", "failed")
        assert re.search(why, agent["last_exit"]["reason"])
        daemon.wait_log(f"agent a{n}: {why}.*; not started again")


def test_a_file_that_is_no_program(agentd, tmp_path):
    """Promise: what only exec can tell is told as clearly: by the run, or by the worker's start."""
    (tmp_path / "text").write_text("echo hello\n")
    (tmp_path / "text").chmod(0o755)
    daemon = agentd("""
        agents:
          a: { plugin: PLUGIN(exec), command: [ ./text ] }
          b: { plugin: PLUGIN(exec), command: [ ./text ], mode: worker }
    """).wait_ready("a")
    body = assert_problem(daemon.run("x", agent="a"), 502, "agent_failed")
    assert body["detail"] == "the program could not be executed: Exec format error"
    assert "Exec format error" in wait_state(daemon, "b", "failed")["last_exit"]["reason"]


# Failure.


@pytest.mark.parametrize("death, why", [
    ("exit 3", "exited with code 3"), ("kill -SEGV $$", "was killed by SIGSEGV"),
    ("kill -40 $$", "was killed by signal 40")])
def test_a_program_that_fails(shell, death, why):
    """Promise: the client reads how it ended, and the log has the last lines of stderr, with the run's id."""
    daemon = shell(f"echo partly; echo first >&2; printf 'and last' >&2; {death}")
    events = list(daemon.stream("x"))
    assert deltas(events) == "partly" and events[-1].name == "run.failed"
    assert (events[-1].data["code"], events[-1].data["detail"]) == ("agent_failed", f"the program {why}")
    run = events[0].data["run_id"]
    line = daemon.wait_log(rf"^the program {why}: first \| and last$")
    assert (line["level"], line["from"], line["run_id"]) == ("warn", "agent a", run)
    assert daemon.run("x").status == 502
    assert daemon.agent("a")["restarts"] == 0


def test_a_program_that_fails_without_a_word(shell):
    """Promise: then agentd's own line of the failed run is the only one: the plugin's would say the same."""
    daemon = shell("exit 3")
    run = daemon.run("x").json["run_id"]
    daemon.wait_log("^run failed: the program exited with code 3$")
    assert [line["message"] for line in daemon.log if line.get("run_id") == run and line["level"] == "warn"] == [
        "run failed: the program exited with code 3"]


def test_stderr_is_in_the_log_line_by_line(shell):
    """Promise: what a run that goes well writes to stderr is logged, once; long lines are cut."""
    daemon = shell("echo 'first line' >&2; echo answer; "
                   "head -c 3000 /dev/zero | tr '\\0' x >&2; echo >&2; echo last >&2")
    body = daemon.run("x").json
    assert body["content"] == "answer"
    daemon.wait_log("last$")
    said = [line for line in daemon.log if line.get("from") == "agent a" and line.get("run_id") == body["run_id"]]
    assert [line["level"] for line in said] == ["info"] * 3
    assert [line["message"] for line in said] == ["first line", "x" * 800 + " (cut)", "last"]


def test_the_last_lines_of_stderr_are_bounded(shell):
    """Promise: of many lines a failure repeats the last 20."""
    daemon = shell("for i in $(seq 1 60); do echo line $i >&2; done; exit 1")
    daemon.run("x")
    last = daemon.wait_log("^the program exited with code 1")["message"].split(": ", 1)[1]
    assert last == " | ".join(f"line {n}" for n in range(41, 61))


def memory(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def test_a_program_that_chatters(shell):
    """Promise: of endless lines on stderr a few are logged, and the rest counted; what matters is not lost."""
    daemon = shell("yes chatter | head -n 300000 >&2; exit 3")
    assert daemon.run("x").json["detail"] == "the program exited with code 3"
    daemon.wait_log("the program exited with code 3: chatter")
    daemon.wait_log(r"^\d+ lines of the program left out \(more than 45 a second\)")
    assert 45 <= sum(m == "chatter" for m in daemon.messages()) < 500
    assert not [m for m in daemon.messages() if "lines of output left out" in m]


def test_worker_that_chatters(agentd):
    """Bug: a worker that says nothing but nonsense, and that without end, filled the host's memory with
    lines for the log, behind which its answers to pings waited."""
    daemon = agentd("""
        agents: { a: { plugin: PLUGIN(exec), mode: worker, command: [ "yes" ] } }
        supervision: { drain: 100ms }
    """).wait_ready()
    assert daemon.run("x", timeout=0.6).status == 504
    daemon.wait_log("lines of the program left out")
    assert daemon.agent("a")["restarts"] == 0
    assert SANITIZED or memory(daemon.pid_of("a")) < 16 * MB


# Cancel, and other ends.

FAMILY = "echo $$ >> pids; sleep 60 & echo $! >> pids; "


def test_a_client_that_leaves_ends_the_whole_group(shell, work):
    """Promise: cancel is SIGTERM for the program and its children; the place is free when they are gone."""
    daemon = shell("trap 'echo cleaned > mark; exit' TERM; " + FAMILY + "wait")
    connection = daemon.start_run("x")
    pids = numbers_in(work / "pids", 2)
    connection.close()
    wait_dead(*pids)
    wait_for("its place to be free", lambda: daemon.load("a") == (0, 0))
    assert (work / "mark").read_text().startswith("cleaned\n")


def test_who_ignores_sigterm_is_killed(shell, work):
    """Promise: a second after SIGTERM comes SIGKILL; the client has had its answer long before."""
    daemon = shell("trap '' TERM; " + FAMILY + "while :; do sleep 1; done")
    begun = daemon.start_run("x", timeout=0.3)
    pids = numbers_in(work / "pids", 2)
    status, body, _ = answer(begun)
    assert (status, body["code"]) == (504, "timeout")
    assert alive(pids[0]) and daemon.load("a") == (1, 0)
    wait_dead(*pids)
    wait_for("its place to be free", lambda: daemon.load("a") == (0, 0))


def test_a_cancelled_program_that_writes_on_is_no_deadlock(shell, work):
    """Bug class: a program that cannot end since nobody reads what it still has to say, here after its
    reader has paused."""
    daemon = shell("read -r act; [ $act != clock ] || exec sleep 0.5; trap 'head -c 2000000 /dev/zero; "
                   "echo over > mark; exit' TERM; echo $$ > pids; head -c 12000000 /dev/zero")
    stream = slow_stream(daemon, "flood\n")
    assert daemon.run("clock\n").status == 200
    pid, = numbers_in(work / "pids")
    stream.close()
    wait_dead(pid)
    assert (work / "mark").read_text() == "over\n"


@pytest.mark.parametrize("mode", ["oneshot", "worker"])
def test_a_host_that_is_killed_leaves_nothing(shell, work, mode):
    """Promise: with the host go its programs and their children, whatever killed it."""
    daemon = shell(FAMILY + "wait", f", mode: {mode}", "supervision: { backoff_min: 20s }")
    connection = daemon.start_run("x")
    pids = numbers_in(work / "pids", 2)
    os.kill(daemon.pid_of("a"), signal.SIGKILL)
    wait_dead(*pids)
    assert answer(connection)[1]["code"] == "agent_crashed"


@pytest.mark.parametrize("mode", ["oneshot", "worker"])
def test_programs_end_with_the_daemon(shell, work, mode):
    """Promise: a daemon that stops asks its programs to end, and kills them soon after; they may clean up."""
    daemon = shell("trap 'echo cleaned >> mark' TERM; " + FAMILY + "while :; do wait; done", f", mode: {mode}",
                   "supervision: { drain: 100ms }")
    daemon.start_run("x")
    pids = numbers_in(work / "pids", 2)
    daemon.terminate()
    assert daemon.wait() == 0
    assert not any(map(alive, pids))
    assert (work / "mark").read_text().startswith("cleaned\n")


@pytest.mark.parametrize("mode", ["oneshot", "worker"])
def test_programs_do_not_outlive_a_daemon_that_is_killed(shell, work, mode):
    """Promise: SIGKILL of the daemon is the end of every program that was started by exec."""
    daemon = shell("echo $$ >> pids; exec sleep 60", f", mode: {mode}")
    daemon.start_run("x")
    pids = numbers_in(work / "pids")
    daemon.process.kill()
    daemon.wait()
    wait_dead(*pids)


# Readers that are slow.


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


FLOOD = """
import sys, time
act = sys.stdin.read()
if act == "clock":
    time.sleep(0.5)
else:
    for n in range(int(act) // 4096):
        sys.stdout.write(f"{n:4095}\\n")
    open("done", "w").close()
"""


def test_a_reader_that_pauses_holds_up_the_program(program, work):
    """Promise: back pressure reaches the program, memory stays small, and nothing is lost."""
    daemon = program([sys.executable, "-c", FLOOD])
    stream = slow_stream(daemon, str(12 * MB))
    assert next(iter(stream)).name == "run.started"
    daemon.run("clock")  # in which a flood that nobody holds up would be over
    assert not (work / "done").exists() and daemon.agent("a")["running"] == 1
    spent = cpu_seconds(daemon.pid_of("a"))
    daemon.run("clock")
    assert cpu_seconds(daemon.pid_of("a")) - spent < 0.2  # it waits, and does not ask again and again
    assert SANITIZED or memory(daemon.pid_of("a")) < 8 * MB
    events = list(stream)
    expected = "".join(f"{n:4095}\n" for n in range(12 * MB // 4096))[:-1]
    assert names(events) == ["delta", "finished"]
    assert deltas(events) == events[-1].data["content"] == expected


def test_a_reader_that_leaves_frees_the_program_that_it_held_up(program, work):
    """Promise: cancel works while the program is held up."""
    daemon = program([sys.executable, "-c", FLOOD])
    stream = slow_stream(daemon, str(12 * MB))
    daemon.run("clock")
    assert daemon.agent("a")["running"] == 1
    stream.close()
    wait_for("its place to be free", lambda: daemon.load("a") == (0, 0))
    assert not (work / "done").exists()


FILL = """
import os, select, sys
size, text = 0, b"".join(b"%7d\\n" % n for n in range(512))
os.set_blocking(1, False)
while select.select([], [1], [], 0.3)[1]:
    size += os.write(1, text)
open("done", "w").write(f"{size}\\n")
"""


def test_a_program_may_end_before_its_answer_is_read(program, work):
    """Promise: a run whose reader pauses outlives its program, and nothing is lost."""
    daemon = program([sys.executable, "-c", FILL])
    stream = slow_stream(daemon, "x")
    size, = numbers_in(work / "done")
    wait_for("the program to end", lambda: not children(daemon.pid_of("a")))
    assert daemon.load("a") == (1, 0)
    events = list(stream)
    assert deltas(events) == "".join(f"{n % 512:7}\n" for n in range(size // 8))[:-1]
    assert events[-1].name == "run.finished"


def test_a_reader_that_leaves_after_the_program(program, work):
    """Promise: cancel of a run that outlives its program frees its place."""
    daemon = program([sys.executable, "-c", FILL])
    stream = slow_stream(daemon, "x")
    numbers_in(work / "done")
    wait_for("the program to end", lambda: not children(daemon.pid_of("a")))
    stream.close()
    wait_for("its place to be free", lambda: daemon.load("a") == (0, 0))


# Many.


def test_many_runs_leave_nothing(program):
    """Promise: no zombie, and no descriptor, of a thousand runs."""
    daemon = program(["/bin/cat"], ", concurrency: 32")
    host = daemon.pid_of("a")
    readable = os.access(f"/proc/{host}/fd", os.R_OK)

    def fds():
        return len(os.listdir(f"/proc/{host}/fd")) if readable else 0

    def client(count):
        connection = daemon.connect()
        for n in range(count):
            connection.request("POST", "/run", json.dumps({"input": f"run {n}"}))
            assert Reply(connection.getresponse()).json["content"] == f"run {n}"
        connection.close()
        return count

    assert daemon.run("warm").status == 200
    before = fds()
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(client, [(200 if SANITIZED else 1000) // 32 + 1] * 32)) >= 200
    wait_for("all children to be gone", lambda: children(host) == [])
    assert fds() == before
    assert (daemon.pid_of("a"), daemon.agent("a")["restarts"]) == (host, 0)


def test_the_default_limits_fit(shell):
    """Promise: limits.files is enough for as many runs at once as the default concurrency allows."""
    daemon = shell("cat > /dev/null; sleep 0.3; echo ok")
    runs = [daemon.start_run("x" * 200_000) for _ in range(64)]
    assert [Reply(run.getresponse()).json["content"] for run in runs] == ["ok"] * 64


def test_too_few_descriptors_fail_the_run(shell):
    """Promise: a run that cannot be started for want of descriptors fails, with what to do in the log."""
    daemon = shell("read -r x; sleep 60", ", limits: { files: 24 }, timeout: 500ms")
    runs = [daemon.start_run("x") for _ in range(16)]
    answers = [answer(run)[1] for run in runs]
    refused = [body for body in answers if body["code"] == "agent_failed"]
    assert refused and all(b["detail"] == "the program could not be started: Too many open files" for b in refused)
    assert len(refused) < 16
    daemon.wait_log("Too many open files; limits.files must be higher, or concurrency lower")


# One process for all: what is said, and heard.


def test_worker_request(worker):
    """Promise: a worker gets each run as one line, with all that the run brings."""
    daemon = worker()
    daemon.run("say hello", session_id="s")
    body = daemon.run("request", session_id="s", user_id="u", metadata={"a": 1}).json
    given = json.loads(body["content"])
    assert 100 < given.pop("timeout") <= 120
    assert given == {"type": "run", "id": body["run_id"], "run_id": body["run_id"], "input": "request",
                     "session_id": "s", "user_id": "u", "metadata": {"a": 1}, "attempt": 1, "source": "http",
                     "history": [{"role": "user", "content": "say hello"}, {"role": "assistant", "content": "hello"}]}


def test_worker_runs_at_once(worker):
    """Promise: many runs are in a worker at once; what it says goes to the run that it names."""
    daemon = worker()
    held = [daemon.start_run("hold", stream=True) for _ in range(5)]
    wait_running(daemon, "a", 5)
    assert daemon.run("release").status == 200
    assert {Reply(run.getresponse()).body.count(b"event: run.delta") for run in held} == {2}
    assert daemon.agent("a")["restarts"] == 0


def test_worker_stream(worker):
    """Promise: deltas are streamed as they come, and are the answer of a finish without content."""
    events = list(worker().stream("deltas one two ü"))
    assert [e.data["text"] for e in events if e.name == "run.delta"] == ["one", "two", "ü"]
    assert events[-1].data["content"] == "onetwoü"


@pytest.mark.parametrize("fields, status, shown", [
    ({"content": "all"}, 200, {"content": "all"}),
    ({"content": ""}, 200, {"content": ""}),
    ({"content": None, "error": None}, 200, {"content": ""}),
    ({"content": "x", "usage": {"tokens": 7}}, 200, {"usage": {"tokens": 7}}),
    ({"error": "no\nway"}, 502, {"code": "agent_failed", "detail": "no\nway"}),
    ({"error": ""}, 502, {"code": "agent_failed"}),
    ({"status": "cancelled"}, 409, {"code": "run_cancelled"}),
    ({"content": 42}, 502, {"detail": "the program finished with a content, error or status that is no text"}),
])
def test_worker_finish(worker, fields, status, shown):
    """Promise: content, error, status and usage of a finish are the answer's."""
    reply = worker().run("finish " + json.dumps(fields))
    assert reply.status == status
    assert shown.items() <= reply.json.items()


def test_worker_messages(worker):
    """Promise: the messages of a finish are what the session remembers."""
    messages = [{"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "args": {"x": 1}}]},
                {"role": "tool", "content": "42", "tool_call_id": "c1"}, {"role": "assistant", "content": "it is 42"}]
    daemon = worker()
    daemon.run("finish " + json.dumps({"content": "42", "messages": messages}), session_id="s")
    given = json.loads(daemon.run("request", session_id="s").json["content"])
    assert given["history"][1:] == messages


def test_attachments_of_a_request(program, worker):
    """Promise: a program gets what came along: its path or URL, and what is known of it."""
    picture = {"type": "image", "url": "https://example.com/a.png", "name": "a.png", "mime_type": "image/png"}
    note = {"data": base64.b64encode(b"a note").decode(), "name": "note.txt"}
    daemon = worker()
    given = json.loads(daemon.run("request", attachments=[picture, note]).json["content"])["attachments"]
    path = given[1].pop("path")
    assert given == [picture, {"type": "file", "name": "note.txt", "bytes": 6}] and os.path.isabs(path)
    assert daemon.run("read", attachments=[note, note]).json["content"] == "a notea note"


def test_attachments_of_an_answer(worker):
    """Promise: files and URLs of a finish go along with the answer; what is neither, or lies elsewhere, is left out."""
    line = Line()
    daemon = worker(more=f"interfaces: {{ tel: {line.config('agent: a', 'open: true', 'auto: false')} }}")
    line.wait("UP")
    line.message("file note.txt some words")
    sent = line.wait("SEND")[0]
    note, picture, _ = sent[6].split(";")
    kind, name, path = note.split(":")
    assert (kind, name, open(path).read(), picture) == ("0", "note.txt", "some words", "1::https://example.com/a.png")
    line.sent(sent[1])
    odd = [{"path": "/etc/passwd"}, {}, 1, {"type": 7, "url": 8}, {"type": "novel", "url": "https://example.com/b"}]
    shown = daemon.run("finish " + json.dumps({"content": "x", "attachments": odd})).json["attachments"]
    assert shown == [{"type": "file", "url": "https://example.com/b"}]
    daemon.wait_log("attachments? .*left out")
    assert daemon.run("finish " + json.dumps({"content": "x", "attachments": 1})).json["content"] == "x"
    line.close()


def test_worker_event(worker):
    """Promise: an event is reported as it is; one without data has none."""
    daemon = worker()
    for data in ({"n": [1, {"ü": None}]}, None):
        line = json.dumps({"type": "event", "id": "ID", "name": "tool_call", **({"data": data} if data else {})})
        events = list(daemon.stream("line " + line))
        assert [e.data for e in events if e.name == "run.event"] == [{"type": "tool_call", **(data or {})}]


def test_worker_event_that_is_too_long(worker):
    """Promise: an event beyond limits.event is left out and logged; the run goes on."""
    daemon = worker(", limits: { event: 1K }")
    line = json.dumps({"type": "event", "id": "ID", "name": "big", "data": {"x": "y" * 2000}})
    events = list(daemon.stream("line " + line))
    assert names(events) == ["started", "delta", "finished"]
    assert daemon.wait_log("^an event is left out: Message too long")["run_id"] == events[0].data["run_id"]


def test_worker_requests_queue_up(worker):
    """Promise: requests of any length wait for a worker that is busy, and none is lost or mixed up."""
    daemon = worker(more="http: { listen: [ '127.0.0.1:0' ], max_body: 4M }")
    texts = [f"{n}" * 900_000 for n in range(8)]
    runs = [daemon.start_run("say " + text) for text in texts]
    for run, text in zip(runs, texts):
        assert answer(run)[1]["content"] == text


@pytest.mark.parametrize("size, limit", [(MB, ""), (200_000, ", limits: { delta: 1K }")])
def test_worker_big_delta(worker, size, limit):
    """Promise: a delta may have any length: agentd's is not the program's concern."""
    assert worker(limit).run(f"big {size}").json["content"] == "x" * size


@pytest.mark.parametrize("line", [
    "no JSON at all \x1b[31m", "{", "[1]", "7", '{"id":"ID"}', '{"type":"shout","id":"ID"}',
    '{"type":"delta","id":"ID","text":7}', '{"type":"event","id":"ID"}'])
def test_worker_garbage(worker, line):
    """Promise: a line that makes no sense is logged and ignored."""
    daemon = worker()
    assert daemon.run("line " + line).json["content"] == "ok"
    log = daemon.wait_log("a line of the program makes no sense: ")
    assert log["level"] == "warn" and log["message"].split(": ", 1)[1][:5] == line[:5]
    assert daemon.agent("a")["restarts"] == 0


def test_worker_words_for_nobody(worker):
    """Promise: what is said of a run that is unknown is ignored, at level debug; so are empty lines."""
    daemon = worker(more="log: { level: debug }")
    for line in ("", '{"type":"delta","id":"x","text":"y"}', '{"type":"finish"}'):
        assert daemon.run("line " + line).json["content"] == "ok"
    assert daemon.wait_log("about a run that is over, or never was: x")["level"] == "debug"
    assert not [line for line in daemon.log if line["level"] == "warn"]


def test_worker_stderr(worker):
    """Promise: a worker's stderr is in the log, at level info."""
    daemon = worker()
    daemon.run("print a \"line\"")
    assert daemon.wait_log('^a "line"$')["level"] == "info"


# Another agent, whose run takes the time in which a flood that nobody holds up would be over.
CLOCK = "default_agent: a\nagents: { clock: { plugin: PLUGIN(exec), command: [ sleep, '0.5' ] }, a: %s }"


@pytest.fixture
def held_up(agentd):
    """(a daemon whose worker is held up by a reader that pauses, that reader's stream)"""
    daemon = agentd(CLOCK % f"{{ plugin: PLUGIN(exec), mode: worker, command: {json.dumps(WORKER)} }}").wait_ready()
    stream = slow_stream(daemon, f"flood {12 * MB}")
    assert daemon.run("x", agent="clock").status == 200
    assert daemon.load("a") == (1, 0)
    return daemon, stream


def test_worker_reader_that_pauses(held_up):
    """Promise: a reader that pauses holds up the worker, and nothing is lost; what came meanwhile follows."""
    daemon, stream = held_up
    other = daemon.start_run("say hello")
    wait_running(daemon, "a", 2)
    spent = cpu_seconds(daemon.pid_of("a"))
    daemon.run("x", agent="clock")
    assert cpu_seconds(daemon.pid_of("a")) - spent < 0.2
    events = list(stream)
    assert names(events) == ["started", "delta", "finished"]
    assert deltas(events) == "x" * 12 * MB
    assert answer(other)[1]["content"] == "hello"


def test_worker_reader_that_leaves(held_up):
    """Promise: when a reader that held up the worker leaves, the others go on."""
    daemon, stream = held_up
    other = daemon.start_run("say hello")
    wait_running(daemon, "a", 2)
    stream.close()
    assert answer(other)[1]["content"] == "hello"


# Cancel of a worker's run.


def test_worker_cancel(worker):
    """Promise: a worker is told of a cancel, and goes on with its other runs."""
    daemon = worker()
    other, connection = daemon.start_run("hold"), daemon.start_run("hang")
    wait_running(daemon, "a", 2)
    connection.close()
    wait_running(daemon, "a", 1)
    daemon.run("release")
    assert answer(other)[0] == 200
    assert daemon.agent("a")["restarts"] == 0


def test_worker_that_ignores_cancel(worker):
    """Promise: the place of a run that a worker does not give up is free after 4 s; late words do no harm."""
    daemon = worker(more="log: { level: debug }")
    assert daemon.run("ignore", timeout=0.1).status == 504
    assert daemon.load("a") == (1, 0)
    wait_for("its place to be free", lambda: daemon.load("a") == (0, 0))
    assert daemon.run("late").json["content"] == "ok"
    daemon.wait_log("about a run that is over")


# The death of a worker.


@pytest.mark.parametrize("death, why", [
    ("exit 3", "exited with code 3"), ("exit 0", "exited with code 0"), ("die", "was killed by SIGKILL")])
def test_worker_that_dies(worker, death, why):
    """Promise: its runs fail with how it ended, it is started again, and what came meanwhile is answered."""
    daemon = worker()
    host = daemon.pid_of("a")
    daemon.run("print last words")
    lost = [daemon.start_run("hang") for _ in range(3)]
    wait_running(daemon, "a", 3)
    for status, body in [(r := daemon.run(death)).status, r.json], *[answer(run)[:2] for run in lost]:
        assert (status, body["code"], body["detail"]) == (502, "agent_failed", f"the program {why}")
    assert daemon.run("say back").json["content"] == "back"
    assert daemon.wait_log(f"the program {why}: last words; restart in 0.1 s")["level"] == "warn"
    assert (daemon.pid_of("a"), daemon.agent("a")["restarts"]) == (host, 0)
    assert len(children(host)) == 1


def test_worker_that_dies_after_its_answer(worker):
    """Promise: what a worker has said before it died counts, also a last line without a newline."""
    daemon = worker()
    lost = daemon.start_run("hold")
    wait_running(daemon, "a")
    assert daemon.run("farewell done").json["content"] == "done"
    assert answer(lost)[1]["detail"] == "the program exited with code 0"


def test_worker_cancel_while_it_is_down(agentd):
    """Promise: a run that waits for a worker to come back can be cancelled at once."""
    daemon = agentd("""
        agents: { a: { plugin: PLUGIN(exec), mode: worker, command: [ "false" ] } }
        supervision: { kill: 20s }
    """).wait_ready()
    daemon.wait_log("restart in 0.4 s")
    assert daemon.run("x", timeout=0.1).status == 504
    wait_for("its place to be free", lambda: daemon.load("a") == (0, 0))
    assert not [m for m in daemon.messages() if "restart in 0.8 s" in m]


def test_worker_that_answers_is_never_given_up(worker):
    """Promise: only deaths in a row count: who has answered a run begins with the shortest delay."""
    daemon = worker()
    for n in range(6):
        assert daemon.run(f"say {n}").json["content"] == str(n)
        assert daemon.run("exit 1").status == 502
    assert daemon.agent("a")["restarts"] == 0
    delays = [m.rsplit("restart in ", 1)[1] for m in daemon.messages() if "restart in" in m]
    assert delays == ["0.1 s"] * 6


def test_worker_that_only_dies_is_given_up(agentd):
    """Promise: five deaths in a row without an answer end the host: agentd's backoff takes over, and
    /agents says why: its last line of stderr to admins only, since it may be about anybody's run."""
    daemon = agentd(HTTP + AUTH + """
agents: { a: { plugin: PLUGIN(exec), mode: worker, command: [ /bin/sh, -c, "echo x >&2; echo no key >&2; exit 4" ] } }
supervision: { backoff_min: 20s }
""")
    bob, root = as_(daemon, "bob"), as_(daemon, "root")
    why = "the program exited with code 4, 5 times without an answer"
    assert wait_state(root, "a", "backoff")["last_exit"]["reason"] == why + ": no key"
    assert bob.agent("a")["last_exit"]["reason"] == why
    daemon.wait_log(r"the program exited with code 4: x \| no key; restart in 0.8 s")
    daemon.wait_log(r"the program exited with code 4: x \| no key; given up")
    daemon.wait_log(f"^agent a: {why}: no key; restart 1 in ")
    assert assert_problem(bob.run("x"), 503, "agent_unavailable")["detail"].endswith(why)
    assert assert_problem(root.run("x"), 503, "agent_unavailable")["detail"].endswith(why + ": no key")


def test_worker_that_dies_leaves_nothing(worker):
    """Promise: what a worker has started ends with it."""
    daemon = worker()
    pid = int(daemon.run("fork").json["content"])
    assert alive(pid)
    daemon.run("exit 0")
    wait_dead(pid)


@pytest.mark.parametrize("act", ["close", "deaf"])
def test_worker_that_cannot_be_talked_to(worker, act):
    """Promise: a worker that has closed its stdin or stdout, and does not end, is killed and started again."""
    daemon = worker()
    lost = daemon.start_run(act)
    wait_running(daemon, "a")
    if act == "deaf":  # found out by the next line
        daemon.start_run("say hello")
    assert answer(lost)[1]["detail"] == "the program was killed by SIGKILL"
    assert daemon.run("say back").json["content"] == "back"


def test_worker_that_says_good_bye(worker):
    """Bug class: the patience with a worker that has closed its stdout, and ends, is left to the next one."""
    daemon = worker()
    daemon.start_run("leave")
    daemon.wait_log("restart in 0.1 s")
    assert daemon.run("sleep 0.5").json["content"] == "ok"
    assert len([m for m in daemon.messages() if "restart in" in m]) == 1


def test_worker_line_that_does_not_end(worker):
    """Promise: a line has a bound: a worker that goes beyond it is killed, and started again."""
    daemon = worker()
    assert daemon.run(f"endless {33 * MB}").json["detail"] == "the program was killed by SIGKILL"
    daemon.wait_log("a line of more than 33554432 bytes")
    assert daemon.run("say back").json["content"] == "back"


# The agents of the documentation.

FAILED = {"shout": "the program exited with code 1", "title": "I was told to fail", "lower": "I was told to fail"}
ANSWERS = {"shout": "HELLO,\nWORLD", "title": "Hello, World ", "lower": "hello, world "}


@pytest.fixture(scope="module", params=ANSWERS)
def documented(request):
    """The name of an agent of docs/agents-in-any-language.md."""
    if request.param == "lower" and not shutil.which("node", path="/usr/local/bin:/usr/bin:/bin"):
        pytest.skip("no node")
    return request.param


@pytest.fixture
def documentation(agentd, tmp_path):
    """A daemon with the agents of docs/agents-in-any-language.md, made from nothing but that page."""
    text = (ROOT / "docs" / "agents-in-any-language.md").read_text()
    files = {name: code for name, code in re.findall(r"```\w+ (\S+)\n(.*?)```", text, re.S)}
    assert set(files) == {"programs/shout.sh", "programs/title.py", "programs/lower.mjs", "agent.conf"}
    (tmp_path / "programs").mkdir()
    for name, code in files.items():
        (tmp_path / name).write_text(code)
    (tmp_path / "programs" / "shout.sh").chmod(0o755)
    return agentd(files["agent.conf"])


def test_documented_agents(documentation, documented):
    """Promise: the page's agents answer, stream, fail and are cancelled as it says."""
    daemon = documentation.wait_ready(documented)
    assert daemon.run("heLLo, woRLd", agent=documented).json["content"] == ANSWERS[documented]
    events = list(daemon.stream("heLLo, woRLd", agent=documented))
    assert sum(e.name == "run.delta" for e in events) == 2
    assert deltas(events) == events[-1].data["content"] == ANSWERS[documented]
    body = assert_problem(daemon.run("fail", agent=documented), 502, "agent_failed")
    assert body["detail"] == FAILED[documented]
    stream = daemon.stream("word " * 1000, agent=documented)
    assert [event.name for event, _ in zip(stream, range(2))] == ["run.started", "run.delta"]
    stream.close()
    wait_for("its place to be free", lambda: daemon.load(documented) == (0, 0), 3)
    assert daemon.agent(documented)["restarts"] == 0
