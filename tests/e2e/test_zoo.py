"""The zoo: a plugin for every bad thing that a plugin can do (tests/zoo), each beside two good neighbours.

Whatever it does, the daemon serves on, the neighbours notice nothing, the client of the animal gets the
right answer, /agents and the log say what has happened, and nothing is left of it afterwards.
"""
import itertools
import json
import os
import re
import shutil
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import BUILD, ROOT, SANITIZED, SLOW, run_agentd, wait_for
from test_sandbox import LANDLOCK
from test_stream import slow_stream

FOLDER = BUILD / "tests" / "zoo"
SECONDS = float(os.environ.get("AGENTD_ZOO_SECONDS", 8))
GOOD = ("good", "other")  # the neighbours


@dataclass(frozen=True)
class Animal:
    """What must come of it. What is said is a regex, and so is the rest that is text."""
    status: int
    says: str  # the content of a 200, else "code: detail"
    state: str = "ready"  # of the agent, in the end
    reason: str = ""  # of its last exit; "": it has not ended
    log: str = ""
    never: str = ""  # must not be in the log
    options: str = ""
    supervision: str = ""
    input: str = "go"  # FOLDER is the test's, GOOD the pid of a neighbour
    name: str = ""  # of the file, if it is not the row's


def answers(says, **more):
    return Animal(200, says, **more)


def fails(detail, **more):
    return Animal(502, f"agent_failed: .*{detail}", **more)


def crashes(reason, log="", last="", **more):
    """`last`: what it printed last. That is for operators, whose run it was nobody knows."""
    whole = f"{reason}: {last}" if last else reason
    return Animal(502, f"agent_crashed: .*{reason}{'$' if last else ''}", reason=whole,
                  log=log or f"{whole}.*; restart 1 in ", **more)


def gets_stuck():
    return crashes(PINGS, supervision=QUICK_PINGS)


def times_out(log="run failed: no answer within", **more):
    return Animal(504, "timeout: no answer within", log=log, options=f"timeout: {200 * SLOW}ms", **more)


def outstays(log="does not heed its end: it is replaced"):
    return times_out(log, reason=REPLACED)


def is_not_there(reason, ready=20_000):
    return Animal(503, f"agent_unavailable: .*{reason}", "backoff", reason, f"{reason}.*; restart 1 in",
                  supervision=f"ready: {ready * SLOW}ms, backoff_min: 20s, backoff_max: 20s")


def is_refused(*calls, **more):
    return answers("".join(rf"{call} refused \((EPERM|EACCES|ENOSYS|EAFNOSUPPORT)\)\n" for call in calls), **more)


def is_allowed(*calls):
    return answers("".join(f"{call} ALLOWED\n" for call in calls))


REPLACED = "replaced, since a run in it did not end"
PINGS = "did not answer three pings"
QUICK_PINGS = f"ping: {100 * SLOW}ms"
NONSENSE = "sent a frame that makes no sense"
CLOSED = "closed its socket to agentd"

ZOO = {
    # In `open`, and before.
    "abort_in_open": is_not_there("SIGABRT"),
    "hang_in_open": is_not_there("was not ready in time", ready=300),
    "never_ready": is_not_there("was not ready in time", ready=300),
    "forged_hello": is_not_there("describes itself|agentd sent|code 70"),
    "fickle": is_not_there("describes itself in a way that does not fit its first start"),
    "fork_in_constructor": answers("tame"),
    # Ways to die.
    "abort_in_run": crashes("killed by SIGABRT"),
    "abort_in_thread": crashes("killed by SIGABRT"),
    "null_pointer": crashes("killed by SIGSEGV"),
    "stack_overflow": crashes("killed by SIGSEGV"),
    "double_free": crashes("killed by SIGABRT", last="free.*double free"),
    "scribble": crashes("killed by SIG"),
    "lying_result": crashes("killed by SIG(SEGV|BUS)"),
    "exit_0": crashes("exited with code 0"),
    "exit_78": crashes("exited with code 78", state="failed", log="exited with code 78; not started again"),
    "exit_in_atexit": crashes("exited with code 5"),
    "hang_in_atexit": gets_stuck(),
    "finish_then_die": answers("my last words", reason="killed by SIGABRT", log="SIGABRT; restart 1 in"),
    "last_words": crashes("killed by SIGABRT", last="caf\ufffd \x1b\\[2J \ufffd$", log="^caf\ufffd \x1b\\[2J \ufffd$"),
    "exec_other": crashes(CLOSED),
    # Ways to hang.
    "never_finish": times_out(),
    "hang_ignoring_cancel": outstays(),
    "restless_timer": outstays(),
    "hang_in_thread": outstays(),
    "end_pool_thread": outstays(),
    "block_loop": gets_stuck(),
    "stop_itself": gets_stuck(),
    "leader_exits": gets_stuck(),
    "hang_in_close": answers("tame"),
    "fork_in_close": answers("tame"),
    "signal_mask": answers("tame"),
    # Slips.
    "finish_twice": answers("first", log="called finish after the run was finished"),
    "delta_after_finish": answers("whole", log="called delta after the run was finished"),
    "finish_unknown_status": fails("finished with an unknown status, 77"),
    "finish_race": answers("(noise)?one of many|(noise)+"),
    "bad_utf8": answers("caf\ufffd \ufffd\ufffd", log="bad words: caf\ufffd \ufffd"),
    "bad_json": answers("words", log="usage is not a JSON object"),
    "deep_json": answers("deep", log="an event's JSON is not an object"),
    "bad_role": fails("a message of its result has no known role"),
    "huge_result": fails("content of 17825792 bytes; at most 16777216"),
    "huge_error": Animal(502, "agent_failed: x{100,4096}(…|\\.\\.\\.)?$"),
    "huge_usage": answers("done$", log=r"\busage\b"),
    "message_flood": fails("messages"),
    # Floods.
    "delta_flood": fails("longer than limits.content", options="limits: { content: 64K }", reason=REPLACED),
    "delta_flood_in_thread": fails("longer than limits.content", options="limits: { content: 64K }", reason=REPLACED),
    "delta_flood_in_loop": gets_stuck(),
    "event_flood": outstays(),
    "heavy_events": outstays(),
    "log_flood": outstays(r"^\d{3,} lines of output left out"),
    "print_flood": outstays(r"^\d{3,} lines of output left out"),
    "pong_flood": outstays(),
    "emit_flood": outstays('its event "sky_falling" is dropped: nothing waits for it'),
    # The socket.
    "close_fd3": crashes(CLOSED),
    "close_all_fds": crashes(f"exited with code 70|{CLOSED}"),
    "shutdown_fd3": crashes("exited with code 0"),
    "garbage_frames": crashes(NONSENSE),
    "length_4gib": crashes(NONSENSE),
    "unknown_frame": crashes(NONSENSE),
    "ready_again": crashes(NONSENSE),
    "second_hello": crashes(NONSENSE),
    "half_frame": gets_stuck(),
    "frame_for_other_run": answers("mine"),
    "forged_input": crashes(NONSENSE),
    "forged_emit": crashes(NONSENSE),
    "agent_as_others": crashes(NONSENSE),
    "spend_more_credit": fails("longer than limits.content", options="limits: { content: 64K }",
                               reason=f"{PINGS}|{REPLACED}", supervision=QUICK_PINGS),
    "leaving_lie": crashes(re.escape('"\\ '), log=re.escape(': \x1b[2J \ufffd {"state":"ready"} xxx')),
    "send_fds": answers("sent"),
    "out_of_band": answers("urgent"),
    # Processes and threads.
    "forked_grandchild": crashes("killed by SIGABRT", log="ended 1 process that it left behind"),
    "setsid_daemon": crashes("exited with code 0", log="ended 1 process that it left behind"),
    "grandchild_flood": crashes("killed by SIGABRT", log="ended 4 processes that it left behind"),
    "twin": answers("one of two"),
    "zombie_maker": crashes("killed by SIGABRT"),
    "deep_family": crashes("killed by SIGABRT", log="processes that it left behind"),
    "comet": crashes("killed by SIGABRT"),
    "clone_parent": crashes("killed by SIGABRT"),
    "traced_by_child": crashes("killed by SIGKILL"),
    "thread_bomb": answers("two hundred threads"),
    # Resources.
    "fd_leak": answers("EMFILE"),
    "memory_hog": crashes("killed by SIGSEGV", options="limits: { memory: 64M }"),
    # What it must not be able to do.
    "escape_limits": is_refused("files", "core", "nice"),
    "kill_parent": is_refused("kill", "kill_group", "kill_all", "tkill", "tgkill", "sigqueue", "tgsigqueue", "pidfd",
                              "prlimit_get"),
    "slow_parent": is_refused("affinity", "scheduler", "parameter", "nice", "nice_group", "nice_user", "ioprio",
                               "ioprio_group"),
    "reach_threads": is_refused("kill", "tkill", "tgkill", "sigqueue", "tgsigqueue", "limit", "look", "affinity",
                                "scheduler", "parameter", "nice", "ioprio"),
    "kill_neighbour": is_refused("kill", "kill_session", "tgkill", input="GOOD"),
    "limit_neighbour": is_refused("limit", input="GOOD"),
    "signal_by_io": answers("have I been heard", never="^state: "),
    "ptrace_parent": is_refused("seize", "read", "write", "getfd"),
    "read_parent": is_refused("mem", "environ", "maps", "auxv", "fd/0", "fd/1", "fdinfo/0", "cwd/.", "root/.", "exe"),
    "read_file": is_refused("read", "write", "truncate", "link", "replace", "move", "remove",
                            input="FOLDER/agent.conf"),
    "connect_unix": is_refused("socket", input="FOLDER/listener"),
    "connect_unix_when_allowed": answers("socket ALLOWED\nconnect ALLOWED\n", input="FOLDER/listener",
                                         options="allow: [ unix ]", name="connect_unix"),
    "mind_itself": is_allowed("setrlimit", "prlimit", "look", "look_at_child", "nice", "nice_thread", "nice_child", "ioprio",
                              "affinity", "scheduler", "tkill", "sigqueue", "kill", "wait"),
    "mount_things": is_refused("mount", "umount", "pivot_root", "chroot", "fsopen", "unshare", "unshare_user", "setns",
                               "clone3", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "keyctl",
                               "add_key", "request_key", "init_module"),
}

# Those that cannot even be loaded, and what agentd says of them.
UNLOADABLE = {
    "wrong_magic": 'a symbol "agentd_plugin" that is no descriptor',
    "wrong_abi": r"was built for plugin ABI 4711, this agentd has ABI \d+: build it again",
    "short_descriptor": r"a descriptor of \d+ bytes that says it has 12",
    "long_descriptor": "needs a newer agentd",
    "no_symbol": 'no symbol "agentd_plugin"',
    "options_nowhere": "killed by SIGSEGV",
    "abort_in_constructor": "killed by SIGABRT: no GPU here",
    "exit_in_constructor": "exited with code 0",
    "hang_in_constructor": "was not ready in time",
    "orphan_in_constructor": "killed by SIGABRT",
    "print_flood_in_constructor": "was not ready in time",
    "garbage_in_constructor": NONSENSE,
    "ready_in_constructor": NONSENSE,
}

# What agentd does not do yet, and why.
# The Landlock ABI without which a sandbox cannot refuse it all; signals to others are 6 (Linux 6.12).
NEEDS_LANDLOCK = {"read_file": 1, "kill_neighbour": 6}

# What a sanitizer does not leave to us, and why.
NOT_SANITIZED = {
    "double_free": "the sanitizer stops it first",
    "options_nowhere": "the sanitizer makes an exit of the signal",
    "scribble": "the sanitizer stops it first",
    "fd_leak": "LeakSanitizer needs a descriptor",
    "memory_hog": "shadow memory is no data of the plugin's: limits.memory is not set",
    "ptrace_parent": "LeakSanitizer needs ptrace",
    "read_parent": "LeakSanitizer needs a daemon that is dumpable",
    "traced_by_child": "LeakSanitizer needs ptrace",
}


def rows(table):
    for name in table:
        marks = []
        if SANITIZED and name in NOT_SANITIZED:
            marks = [pytest.mark.skip(reason=NOT_SANITIZED[name])]
        if LANDLOCK < NEEDS_LANDLOCK.get(name, LANDLOCK):
            marks = [pytest.mark.skip(reason="this kernel's Landlock is too old")]
        yield pytest.param(name, marks=marks)


def test_every_animal_has_its_row():
    """An animal without a row is an animal that nobody looks at."""
    files = {path.stem for path in (ROOT / "tests" / "zoo").glob("*.c")}
    from test_zoo_chats import HOOKS, INTERFACES  # which needs what is above
    named = {row.name or name for name, row in ZOO.items()} | {*UNLOADABLE, *INTERFACES, *HOOKS}
    assert files == named | {"crash_on_demand", "overwritten", "vivid"}  # these have tests of their own


# What there is of processes.


def processes():
    """pid: (parent, state, start) of all there are."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[int(path.parent.name)] = (int(fields[1]), fields[0], fields[19])
    return found


def family(pid):
    """pid: (parent, state, start) of all that descend from a process."""
    everybody, found = processes(), {}
    newest = {pid}
    while newest:
        newest = {p for p, (parent, _, _) in everybody.items() if parent in newest}
        found |= {p: everybody[p] for p in newest}
    return found


def left_of(folder, seen=None):
    """Who is left of a daemon that has ended: of those seen, and of all that began in its folder."""
    left = []
    for pid, (_, state, start) in processes().items():
        try:
            here = os.readlink(f"/proc/{pid}/cwd") == str(folder)
        except OSError:
            here = False
        if state != "Z" and (here or (seen or {}).get(pid, (0, "", ""))[2] == start):
            left.append(pid)
    return left


def fds(daemon):
    """How many descriptors the daemon has; 0 if it does not show them to this user."""
    try:
        return len(os.listdir(f"/proc/{daemon.pid}/fd"))
    except PermissionError:
        return 0


def status(daemon, field):
    """A number of /proc/PID/status: KiB, or a count."""
    return int(re.search(rf"^{field}:\s+(\d+)", Path(f"/proc/{daemon.pid}/status").read_text(), re.M).group(1))


def wait_rest(daemon):
    """Until the daemon has next to nothing to do: less than 1 ms while we look away for 10, and it does not wait for
    a processor that others have."""
    path, last = Path(f"/proc/{daemon.pid}/schedstat"), 0

    def rests():
        nonlocal last
        before, last = last, int(path.read_text().split()[0])
        return last - before < 1_000_000 and processes()[daemon.pid][1] == "S"
    wait_for("the daemon to rest", rests)


def wait_tidy(daemon):
    """Until the daemon has no children but hosts, and no zombies. What a host has made ends with it."""
    def tidy():
        children = {pid: state for pid, (parent, state, _) in processes().items() if parent == daemon.pid}
        hosts = {pid for agent in daemon.get("/agents").json["agents"] for pid in agent["pids"]}
        return set(children) == hosts and "Z" not in children.values()
    wait_for("all that is left behind to be ended and reaped", tidy, 2)


def stop(daemon, folder):
    """Ends a daemon: cleanly, and with all that it has had."""
    seen = family(daemon.pid)
    daemon.terminate()
    assert daemon.wait() == 0
    assert left_of(folder, seen) == []
    assert not [line for line in daemon.raw if re.search(r"[\x00-\x1f]", line)]


# One at a time.

TIMES = {"backoff_min": "50ms", "backoff_max": "100ms", "ready": f"{20 * SLOW}s", "ping": f"{2 * SLOW}s",
         "drain": f"{300 * SLOW}ms", "kill": f"{200 * SLOW}ms"}
CONFIG = """
http: {{ listen: [ "127.0.0.1:0" ] }}
log: {{ access: false }}
default_agent: good
supervision: {{ {supervision} }}
agents:
  good: {{ plugin: PLUGIN(actor) }}
  other: {{ plugin: PLUGIN(actor) }}
"""


@pytest.fixture
def zoo(agentd):
    """zoo({name: (file, options)}, supervision) → a daemon with these and two good agents, which are
    ready."""
    def start(animals, supervision=""):
        times = TIMES | dict(part.split(": ") for part in supervision.split(", ") if part)
        text = CONFIG.format(supervision=", ".join(f"{key}: {value}" for key, value in times.items()))
        for name, (path, options) in animals.items():
            text += f"  {name}: {{ plugin: {path}, {options} }}\n"
        return agentd(text).wait_ready(*GOOD)
    return start


def assert_served(daemon):
    assert daemon.get("/health").status == 200
    reply = daemon.run("say still here")
    assert (reply.status, reply.json["content"]) == (200, "still here")


def answer(connection):
    """(status, what it says) of a run: the content, or the error as "code: detail"."""
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    return response.status, body["content"] if response.status == 200 else f"{body['code']}: {body['detail']}"


def settled(daemon, name, row):
    """The agent, as /agents shows it, once it is in the state in which it must be in the end."""
    agent = daemon.agent(name)
    again = agent["generation"] > 1 if row.reason and row.state == "ready" else True
    return agent if agent["state"] == row.state and again and (agent["last_exit"] or not row.reason) else None


@pytest.mark.parametrize("name", rows(ZOO))
def test_an_animal_harms_nobody_else(zoo, tmp_path, name):
    """Promise: no plugin can take the daemon, or a neighbour, down; and what it did is to be seen."""
    row = ZOO[name]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "listener"))
    listener.listen()
    daemon = zoo({name: (FOLDER / f"{row.name or name}.so", row.options)}, row.supervision)
    if row.state != "backoff":
        daemon.wait_ready(name)
    before, memory = fds(daemon), status(daemon, "VmHWM")

    bystander = daemon.start_run("timer 50", agent="other")
    text = row.input.replace("FOLDER", str(tmp_path)).replace("GOOD", str(daemon.pid_of("good")))
    victim = daemon.start_run(text, agent=name)
    assert_served(daemon)
    got = answer(victim)
    assert_served(daemon)
    assert answer(bystander) == (200, "timer")

    assert got[0] == row.status and re.search(f"^({row.says})", got[1]), got
    agent = wait_for(f"{name} to be {row.state}", lambda: settled(daemon, name, row))
    if row.reason:
        assert re.search(row.reason, agent["last_exit"]["reason"])
    else:
        assert (agent["generation"], agent["last_exit"]) == (1, None)
    if row.log:
        daemon.wait_log(row.log, 2)
    assert not row.never or not [m for m in daemon.messages() if re.search(row.never, m)]
    assert_served(daemon)
    assert all(daemon.agent(neighbour)["restarts"] == 0 for neighbour in GOOD)
    wait_for("descriptors to be closed", lambda: fds(daemon) <= before)
    wait_tidy(daemon)
    if "flood" not in name:
        wait_rest(daemon)
    assert SANITIZED or status(daemon, "VmHWM") - memory < 24 << 10
    stop(daemon, tmp_path)
    listener.close()


@pytest.mark.parametrize("name", rows(UNLOADABLE))
def test_an_animal_that_cannot_be_loaded_is_a_mistake_in_the_config(tmp_path, name):
    """Promise: agentd does not start with it, exits with 78, and says where it is named and why."""
    path = FOLDER / f"{name}.so"
    (tmp_path / "agent.conf").write_text(
        f"agents:\n  {name}:\n    plugin: {path}\nsupervision: {{ ready: {500 * SLOW}ms, ping: {100 * SLOW}ms }}\n")
    result = run_agentd("-c", "agent.conf", cwd=tmp_path)
    assert result.returncode == 78, result
    [line] = [line for line in result.stderr.splitlines() if line.startswith("agent.conf:")]
    assert re.search(rf"^agent\.conf:3: agents\.{name}\.plugin: {path}: .*({UNLOADABLE[name]})", line), line
    assert left_of(tmp_path) == []


def test_an_animal_that_cannot_be_loaded_is_passed_over_in_the_drop_in_folder(agentd, tmp_path):
    """Promise: a folder full of them keeps nobody from being served, and the log has a line for each."""
    names = [name for name in UNLOADABLE if not (SANITIZED and name in NOT_SANITIZED)]
    (tmp_path / "drop").mkdir()
    for name in names:
        shutil.copy(FOLDER / f"{name}.so", tmp_path / "drop")
    daemon = agentd(CONFIG.format(supervision=f"ready: {500 * SLOW}ms") + "plugins: { dir: drop }").wait_ready()
    assert [agent["name"] for agent in daemon.get("/agents").json["agents"]] == list(GOOD)
    for name in names:
        assert daemon.wait_log(rf"/{name}\.so is not served: .*({UNLOADABLE[name]})")["level"] == "warn"
    assert_served(daemon)
    stop(daemon, tmp_path)


def test_a_file_may_be_overwritten_under_a_run(zoo, tmp_path):
    """Promise: `cp` over a plugin's file changes nothing for the host that runs, nor for its next start."""
    path = Path(shutil.copy(FOLDER / "overwritten.so", tmp_path))
    daemon = zoo({"overwritten": (path, "")}).wait_ready()
    run = daemon.start_run("go", agent="overwritten")
    wait_for("the run", lambda: daemon.agent("overwritten")["running"])
    path.write_bytes(b"\0" * path.stat().st_size)
    assert answer(run) == (200, "still here")
    os.kill(daemon.pid_of("overwritten"), 9)
    wait_for("a restart", lambda: daemon.agent("overwritten")["generation"] == 2)
    assert daemon.run("go", agent="overwritten").status == 200
    stop(daemon, tmp_path)


def test_who_spends_more_than_its_credit_is_killed(zoo, tmp_path):
    """Promise: a host that streams on to a reader that does not read costs the daemon a window, not its
    memory: it is killed for it."""
    daemon = zoo({"spend_more_credit": (FOLDER / "spend_more_credit.so", "limits: { content: 16M }")},
                 supervision=f"ping: {20 * SLOW}s").wait_ready()
    before = status(daemon, "VmRSS")
    stream = slow_stream(daemon, "go", agent="spend_more_credit")
    agent = wait_for("its end", lambda: (a := daemon.agent("spend_more_credit"))["last_exit"] and a)
    assert NONSENSE in agent["last_exit"]["reason"]
    assert SANITIZED or status(daemon, "VmRSS") - before < 8 << 10
    stream.close()
    assert_served(daemon)
    stop(daemon, tmp_path)


# All at once, and again and again.


class Callers:
    """Threads that ask over and over until they are told to stop; `failures` is what they had to say."""

    def __init__(self):
        self.over, self.threads, self.failures = threading.Event(), [], []

    def start(self, ask, count=1):
        def loop():
            while not self.over.is_set():
                try:
                    ask()
                except Exception as error:
                    self.failures.append(f"{ask.__name__}: {error!r}")
                    return
        self.threads += [threading.Thread(target=loop) for _ in range(count)]
        for thread in self.threads[-count:]:
            thread.start()

    def join(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def descriptors_of_its_own(daemon):
    """Without those of hosts (a socket, a pipe and a pidfd each), while none comes or goes."""
    def hosts():
        return [pid for agent in daemon.get("/agents").json["agents"] for pid in agent["pids"]]

    def count():
        before, now = hosts(), fds(daemon)
        return before == hosts() and (now - 3 * len(before),)
    return wait_for("the hosts to stay the same", count)[0]


def test_the_whole_zoo_at_once(zoo, tmp_path):
    """Promise: all of them together, called over and over, cost the good ones not one failed request, and
    the daemon nothing that it does not get back."""
    names = [name for name, row in ZOO.items() if not row.name
             and not (SANITIZED and name in NOT_SANITIZED)]
    options = f"timeout: {300 * SLOW}ms, queue_timeout: {300 * SLOW}ms, concurrency: 8, queue: 8"
    limits = {name: ZOO[name].options if "limits" in ZOO[name].options else "limits: { content: 64K }" for name in names}
    daemon = zoo({name: (FOLDER / f"{name}.so", f"{options}, {limits[name]}") for name in names},
                 # `stable` and `backoff_max`: who serves is soon back, who never gets there is left in peace.
                 supervision=f"ping: {500 * SLOW}ms, ready: {2 * SLOW}s, stable: 1ms, backoff_max: 60s")
    own, threads = descriptors_of_its_own(daemon), status(daemon, "Threads")
    scratch = tmp_path / "scratch"
    turn = itertools.cycle(names)
    called = dict.fromkeys(names, 0)
    callers, lock = Callers(), threading.Lock()

    def animals():
        with lock:
            name = next(turn)
            called[name] += 1
        assert daemon.run(str(scratch), agent=name).status in (200, 502, 503, 504)

    def neighbour():
        reply = daemon.run("deltas a b c", session_id=threading.current_thread().name)
        assert (reply.status, reply.json["content"]) == (200, "abc")

    def streams():
        events = list(daemon.stream("deltas a b c", agent="other", session_id="streams"))
        assert [event.data["text"] for event in events if event.name == "run.delta"] == ["a", "b", "c"]
        assert events[-1].name == "run.finished"

    def health():
        assert daemon.get("/health").status == 200

    callers.start(animals, 8)
    callers.start(neighbour, 2)
    callers.start(streams)
    callers.start(health)
    callers.over.wait(SECONDS / 2)  # the only sleeps: this is how long it lasts
    memory = status(daemon, "VmRSS")  # with its sessions and buffers, as large as the animals make them
    callers.over.wait(SECONDS / 2)
    wait_for("each to be called", lambda: callers.over.is_set() or min(called.values()) >= 1, 60)
    callers.join()

    assert callers.failures == []
    assert all(daemon.agent(name)["restarts"] == 0 for name in GOOD)
    # Two processes may have been just about to come or go; of those that have gone there are hundreds.
    wait_for("descriptors to be closed", lambda: descriptors_of_its_own(daemon) <= own + 2 * 3, 20)
    wait_tidy(daemon)
    assert SANITIZED or status(daemon, "VmRSS") - memory < 16 << 10
    assert status(daemon, "Threads") == threads
    stop(daemon, tmp_path)


def test_a_thousand_restarts_leave_nothing_behind(zoo, tmp_path):
    """Bug class: a descriptor, a thread, a zombie or memory for each of them."""
    demand = tmp_path / "demand"
    daemon = zoo({"crash_on_demand": (FOLDER / "crash_on_demand.so", f"while: {demand}")},
                 supervision="backoff_min: 1ms, backoff_max: 1ms").wait_ready()

    def crash(times):
        """So often, in a row; then it is ready again. What the daemon has then."""
        until = daemon.agent("crash_on_demand")["restarts"] + times
        demand.touch()
        assert daemon.run("go", agent="crash_on_demand").status == 502
        wait_for(f"{times} restarts", lambda: daemon.agent("crash_on_demand")["restarts"] >= until, 60)
        demand.unlink()
        daemon.wait_ready()
        wait_tidy(daemon)
        wait_rest(daemon)
        return fds(daemon), status(daemon, "Threads"), status(daemon, "VmRSS")

    warm = crash(100)
    hot = crash(100 if SANITIZED else 1000)
    assert hot[:2] == warm[:2]
    assert SANITIZED or hot[2] - warm[2] < 1 << 10
    assert len(family(daemon.pid)) == 3
    stop(daemon, tmp_path)
