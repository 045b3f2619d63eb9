"""What was acknowledged is not lost, and has exactly one recorded result: SIGKILL for the daemon and for
hosts, at random moments, under load, many times over on one store.

Every input carries a mark that is used once, so each turn of a session can be traced to the request it came
from. AGENTD_CHAOS_ROUNDS says how often to kill (`make chaos`: 500), AGENTD_CHAOS_SEED repeats the choices
of a run, though not its timing.
"""
import http.client
import itertools
import json
import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from pathlib import Path

from conftest import SANITIZED, SLOW, Event, Reply, wait_for

ROUNDS = int(os.environ.get("AGENTD_CHAOS_ROUNDS", 10 if SANITIZED else 50))
SEED = int(os.environ.get("AGENTD_CHAOS_SEED", 0)) or random.randrange(1, 1 << 32)
LOAD = (0.25, 0.45)  # seconds between two kills
FINAL = ("succeeded", "failed", "cancelled")
GIVEN_UP = ("interrupted", "draining", "overloaded", "agent_unavailable", "session_busy")
HISTORY_MAX = 4      # such acts in one session: each repeats all that the session has

CONFIG = """
    http: {{ listen: [ "127.0.0.1:{port}" ] }}
    default_agent: actor
    agents:
      actor: {{ plugin: PLUGIN(actor), history: 10000 }}
      pair: {{ plugin: PLUGIN(actor), history: 10000, workers: 2, concurrency: 8 }}
    supervision: {{ backoff_min: 20ms, backoff_max: 60ms }}
    log: {{ access: false }}
"""


class Request:
    """One POST of a run, and all that its client came to know: times are of the client's clock."""

    def __init__(self, agent, session, mark, input, content, way, key):
        self.agent, self.session, self.mark, self.input = agent, session, mark, input
        self.content, self.way, self.key = content, way, key  # content: what it must be; None: any
        self.sent = time.monotonic()  # first; with a key it may be sent again
        self.acked = None             # since when its place among the session's turns is settled
        self.run_id = None            # of an acknowledged one
        self.answer = None            # the status that was told
        self.told = None              # the content that was told

    def __repr__(self):
        return f"<{self.way} {self.input!r} of {self.session}, run {self.run_id}, told {self.answer}>"


class Load:
    """Clients that post until they are stopped, through all that happens to the daemon."""

    def __init__(self, port, seed):
        self.port, self.stopping = port, threading.Event()
        self.requests, self.marks = [], itertools.count()
        self.histories = Counter()
        self.shared = ["shared-0", "shared-1"]  # sessions that several clients post to
        self.failure = None
        ways = [("alone", "whole"), ("alone", "stream"), ("alone", "background"), ("alone", "mixed"),
                ("shared", "whole"), ("shared", "mixed"), ("shared", "mixed"), ("shared", "stream")]
        self.threads = [threading.Thread(target=self._client, args=(i, *way, random.Random(f"{seed}/{i}")))
                        for i, way in enumerate(ways)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60 * SLOW)
            assert not thread.is_alive(), "a client still waits for its answer"

    def _client(self, number, place, way, chance):
        try:
            for i in itertools.count():
                if self.stopping.is_set():
                    return
                session = chance.choice(self.shared) if place == "shared" else f"alone-{number}-{i // 12}"
                agent = "pair" if session[-1] in "13579" else "actor"
                one = chance.choice(("whole", "stream", "background")) if way == "mixed" else way
                self._post(self._choose(agent, session, one, chance), chance)
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = self.failure or failure
            raise

    def _choose(self, agent, session, way, chance):
        mark = f"m{next(self.marks)}"
        acts = [(f"say {mark}", mark), (f"say {mark}", mark), (f"deltas a {mark}", "a" + mark),
                (f"thread {mark}", "from " + mark), (f"timer {chance.choice((1, 5, 30, 150))} {mark}", "timer"),
                (f"fail {mark}", None)]
        if self.histories[session] < HISTORY_MAX:
            acts.append((f"history {mark}", None))
        input, content = chance.choice(acts)
        if way == "background" and chance.random() < 0.05:
            input, content = f"attempt request {mark}", None  # hangs, until something dies or its time is over
        self.histories[session] += input.startswith("history")
        request = Request(agent, session, mark, input, content, way, chance.random() < 0.4)
        self.requests.append(request)
        return request

    def _post(self, request, chance):
        """With a key it is sent again until there is an answer; without one nobody could know."""
        while not self.stopping.is_set():
            try:
                status = self._send(request)
            except (OSError, http.client.HTTPException):
                status = None
            if status in (None, 202, 503):  # it came at once: a breath
                self.stopping.wait(chance.uniform(0, 0.02))
            if status is not None and status != 503 or not request.key:
                return

    def _send(self, request):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60 * SLOW)
        try:
            body = {"input": request.input, "session_id": request.session, "agent": request.agent,
                    "timeout": 2 * SLOW}
            if request.way != "whole":
                body[request.way] = True
            connection.request("POST", "/run", json.dumps(body), {"Idempotency-Key": request.mark} if request.key else {})
            response = connection.getresponse()
            if request.way == "stream" and response.status == 200:
                self._read_stream(request, response)
                return 200
            answer = json.loads(response.read())  # IncompleteRead is an HTTPException
            if response.status in (200, 202):
                request.acked, request.run_id = time.monotonic(), answer["run_id"]
                request.answer, request.told = answer["status"], answer.get("content")
                assert answer["session_id"] == request.session, answer
            return response.status
        finally:
            connection.close()

    @staticmethod
    def _read_stream(request, response):
        lines = []
        for raw in response:
            line = raw.decode().rstrip("\n")
            if line and not line.startswith(":"):
                lines.append(line)
            if line or not lines:
                continue
            event, lines = Event(lines), []
            if event.name == "run.started":
                request.run_id = event.data["run_id"]
            elif event.name in ("run.finished", "run.failed", "run.cancelled"):
                request.acked = time.monotonic()
                request.answer = event.name.replace("run.", "").replace("finished", "succeeded")
                request.told = event.data.get("content")
                return
        raise http.client.IncompleteRead(b"")


def children(pid):
    try:
        return [int(child) for task in Path(f"/proc/{pid}/task").iterdir()
                for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def kill(chance, daemon):
    """SIGKILL for the daemon, or for one of its hosts; which it was."""
    hosts = children(daemon.pid)
    if chance.random() < 0.5 and hosts:
        try:
            os.kill(chance.choice(hosts), signal.SIGKILL)
        except ProcessLookupError:
            pass  # it was on its way out
        return "host"
    daemon.process.kill()
    daemon.process.wait()
    return "daemon"


class Reader:
    """GETs on one connection: they are many."""

    def __init__(self, daemon):
        self.connection = daemon.connect()

    def get(self, path):
        self.connection.request("GET", path)
        return Reply(self.connection.getresponse())


def list_all(reader, path, name, limit=97):
    """A list, page by page, newest first."""
    found, cursor = [], ""
    while True:
        page = reader.get(f"{path}?limit={limit}{cursor}").json
        found += page[name]
        if page["next_cursor"] is None:
            return found
        assert len(page[name]) == limit
        cursor = f"&cursor={page['next_cursor']}"


def check_run(run, requests, problems):
    """One record of the store against what its client was told."""
    request = requests.get(run["input"].split()[-1])
    if not request or run["input"] != request.input or run["session_id"] != request.session:
        problems.append(f"nobody asked for {run}")
        return
    if run["status"] not in FINAL or not run["finished_at"]:
        problems.append(f"not over: {run}")
    if run["status"] == "succeeded" and request.content is not None and run["content"] != request.content:
        problems.append(f"{request} is stored with another content: {run}")
    if run["status"] == "failed":
        durable = request.way == "background"
        explained = {
            "agent_failed": run["input"].startswith("fail "),
            "agent_crashed": not durable or run["attempts"] >= 2,
            "interrupted": not durable or run["attempts"] >= 3,
            "timeout": run["input"].startswith("attempt ") and run["attempts"] == 1,
            "agent_unavailable": not durable,
        }
        if not explained.get(run["code"]):
            problems.append(f"failed without a reason: {run}")


def check_acknowledged(reader, requests, runs, problems):
    """Who was told of a run finds it, over, with the result that was told."""
    for request in requests.values():
        if not request.run_id:
            continue
        reply = reader.get(f"/runs/{request.run_id}")
        if reply.status != 200:
            problems.append(f"lost ({reply.status}): {request}")
            continue
        run = reply.json
        if run != runs.get(request.run_id):
            problems.append(f"listed otherwise than it is: {run} {runs.get(request.run_id)}")
        if request.answer in FINAL and run["status"] != request.answer:
            problems.append(f"{request} is stored as {run['status']} {run['code']}")
        if request.answer == "succeeded" and request.way != "background" and run["content"] != request.told:
            problems.append(f"{request} was told {request.told!r}, stored is {run['content']!r}")


def check_marks(requests, runs, problems):
    """One request makes one run; with a key, one more for each that agentd gave up."""
    made = {}
    for run in runs.values():
        made.setdefault(run["input"].split()[-1], []).append(run)
    for mark, several in made.items():
        if mark in requests and requests[mark].key:
            several = [run for run in several if run["code"] not in GIVEN_UP]
        if len(several) > 1:
            problems.append(f"made twice: {requests.get(mark)} {several}")


def check_session(session, messages, runs, requests, problems):
    """A session is the turns of its runs that succeeded, each once, in their order: one that was asked for
    after another was settled comes after it, and each run was shown what comes before its own turn."""
    want = {run["run_id"] for run in runs.values() if run["session_id"] == session and run["status"] == "succeeded"}
    turns = [message["run_id"] for message in messages[::2]]
    for extra in set(turns) - want:
        problems.append(f"{session} has a turn of {runs.get(extra, extra)}")
    for missing in want - set(turns):
        problems.append(f"{session} has no turn of {runs[missing]}")
    problems += [f"{session} has {n} turns of {runs.get(id, id)}" for id, n in Counter(turns).items() if n > 1]
    latest, seen = 0, []
    for user, assistant in zip(messages[::2], messages[1::2]):
        run = runs.get(user["run_id"])
        if not run or (user["role"], assistant["role"], assistant["run_id"]) != ("user", "assistant", run["run_id"]) \
                or (user["content"], assistant["content"]) != (run["input"], run["content"]):
            problems.append(f"{session} has a turn that is not its run's: {user} {assistant} {run}")
            continue
        request = requests[run["input"].split()[-1]]
        if request.acked and request.acked < latest:
            problems.append(f"{session}: {request} comes after one that was asked for after its end")
        latest = max(latest, request.sent)
        shown = f"{len(seen)}\n" + "".join(f"{m['role']}:{m['content']}::\n" for m in seen)
        if run["input"].startswith("history ") and run["content"] != shown:
            problems.append(f"{session}: {request} was shown\n{run['content']}\nbut before it comes\n{shown}")
        seen += [user, assistant]
    if len(messages) % 2:
        problems.append(f"{session} has half a turn: {messages[-1]}")


def check_everything(reader, load):
    listed = list_all(reader, "/runs", "runs")
    runs = {run["run_id"]: run for run in listed}
    problems = [f"listed {n} times: {id}" for id, n in Counter(run["run_id"] for run in listed).items() if n > 1]
    requests = {request.mark: request for request in load.requests}
    for run in runs.values():
        check_run(run, requests, problems)
    check_marks(requests, runs, problems)
    check_acknowledged(reader, requests, runs, problems)
    sessions = [s["session_id"] for s in list_all(reader, "/sessions", "sessions")]
    problems += [f"session listed {n} times: {id}" for id, n in Counter(sessions).items() if n > 1]
    with_turns = {run["session_id"] for run in runs.values() if run["status"] == "succeeded"}
    if with_turns != set(sessions):
        problems.append(f"sessions listed wrongly: {with_turns ^ set(sessions)}")
    for session in sessions:
        check_session(session, reader.get(f"/sessions/{session}").json["messages"], runs, requests, problems)
    return listed, problems


def test_kill_9(agentd, capsys):
    """SIGKILL of the daemon and of hosts under load: every run that was acknowledged has one final record,
    which is what its client was told; every session has each turn once and in order; a key makes one run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config, chance, killed = CONFIG.format(port=port), random.Random(SEED), Counter()
    started, slowest = agentd(config).wait_ready(), 0
    with Load(port, SEED) as load:
        for i in range(ROUNDS):
            if i % 4 == 0:  # a session of several clients lives through some crashes
                load.shared = [f"shared-{i}", f"shared-{i + 1}"]
            load.stopping.wait(chance.uniform(*LOAD))
            what = kill(chance, started)
            killed[what] += 1
            if what == "daemon":
                started.stop()
                begun = time.monotonic()
                started = agentd(config)
                slowest = max(slowest, time.monotonic() - begun)
            assert started.process.poll() is None and load.failure is None, (started.raw[-20:], load.failure)

    def over():
        return not any(started.get(f"/runs?status={s}").json["runs"] for s in ("queued", "running"))
    wait_for("the runs to end", over, 30)
    listed, problems = check_everything(Reader(started), load)
    counts = Counter(f"{run['status']} {run['code'] or ''}".strip() for run in listed)
    with capsys.disabled():
        print(f"\nchaos: seed {SEED}, killed {dict(killed)}, slowest restart {slowest:.2f} s; {len(load.requests)} "
              f"requests, {sum(1 for r in load.requests if r.run_id)} acknowledged, runs {dict(counts)}")
    assert not problems, f"seed {SEED}: {len(problems)} problems\n" + "\n".join(map(str, problems[:20]))

    started.terminate()
    assert started.wait() == 0
    again = agentd(config)
    assert list_all(Reader(again), "/runs", "runs") == listed
