"""What a store of a million runs costs: start-up, lists, look-ups, memory, retention, and the check after
a crash. Everything is compared with an empty store, on the same machine, in the same run.

    store_scale.py [--rows N] [--build DIR] [--keep DIR] [PART…]     parts: plans start lists memory crash reader retention

With --keep the database is made once, in that folder, and used again.
"""
import argparse
import http.client
import json
import re
import shutil
import signal
import sqlite3
import statistics
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from process import free_port, pss_kib

ROOT = Path(__file__).resolve().parents[1]
RARE = 1000      # one run in so many has failed
SESSION = 4      # runs of a session, mostly
LONG = 2000      # runs of the long session
AGENTS = ("echo", "other")  # the second has one run in a hundred
HOUR = 3600 * 1000

parser = argparse.ArgumentParser()
parser.add_argument("--rows", type=int, default=1_000_000)
parser.add_argument("--build", default=str(ROOT / "build"))
parser.add_argument("--keep")
parser.add_argument("parts", nargs="*")
options = parser.parse_args()
build = Path(options.build)
folder = Path(tempfile.mkdtemp(prefix="agentd-scale-", dir=options.keep and Path(options.keep).parent))


class Daemon:
    """agentd on a store; `started_ms` from exec to its first 200 of /run."""

    def __init__(self, db, more=""):
        self.port = free_port()
        config = folder / f"agent-{self.port}.conf"
        config.write_text(f'http: {{ listen: [ "127.0.0.1:{self.port}" ] }}\ndefault_agent: echo\n'
                          f"agents: {{ echo: {{ plugin: echo }}, other: {{ plugin: echo }} }}\n"
                          f"store: {{ path: {db} {more} }}\nlog: {{ access: false, level: warn }}\n")
        begun = time.monotonic()
        self.process = subprocess.Popen([str(build / "agentd"), "-c", str(config)], stdin=subprocess.DEVNULL)
        while True:
            try:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                self.connection.connect()
                break
            except ConnectionRefusedError:
                assert self.process.poll() is None and time.monotonic() < begun + 60
                time.sleep(0.0005)
        self.run()
        self.started_ms = (time.monotonic() - begun) * 1e3

    def request(self, method, path, body=None):
        self.connection.request(method, path, body and json.dumps(body))
        reply = self.connection.getresponse()
        text = reply.read()
        assert reply.status == 200, (path, reply.status, text)
        return text

    def get(self, path):
        return json.loads(self.request("GET", path))

    def run(self, **fields):
        return self.request("POST", "/run", {"input": "hello", **fields})

    def pss(self):
        """KiB, of the daemon alone and with its children."""
        return pss_kib(self.process.pid)

    def stop(self, number=signal.SIGTERM):
        """Ends it; how long that took, in ms."""
        begun = time.monotonic()
        self.process.send_signal(number)
        self.process.wait()
        return (time.monotonic() - begun) * 1e3


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def show(what, value, must="", good=True):
    print(f"{what:<62} {value:>24}   {('must ' + must) if must else '':<18} {'' if good else 'MISSED'}", flush=True)


def timed(call, times):
    """p50, p99 and max of a call, in ms."""
    took = []
    for i in range(times):
        begun = time.monotonic()
        call(i)
        took.append((time.monotonic() - begun) * 1e3)
    return statistics.median(took), percentile(took, 0.99), max(took)


# Making the store.

def run_id(i):
    return f"0{i:07x}-0000-7000-8000-{i:012x}"


def turn_of(example, text, answer):
    """The messages of a turn (daemon/store/turn.c): as in the one that the daemon wrote for "hello", each text
    with its u32 length before it."""
    for said in (text, answer):
        example = example.replace(struct.pack("<I", 5) + b"hello", struct.pack("<I", len(said)) + said.encode(), 1)
    return example


def session_of(i):
    return "long" if i % (options.rows // LONG or 1) == 0 else f"s{i // SESSION}"


def rows(now, example):
    usage = '{"input_tokens":412,"output_tokens":96}'
    for i in range(1, options.rows + 1):
        created = now - 29 * 24 * HOUR + i * (28 * 24 * HOUR) // options.rows
        failed = i % RARE == 7
        text, answer = f"question {i} " + "x" * 60, f"answer {i} " + "y" * 200
        yield (i, run_id(i), AGENTS[i % 100 == 50], session_of(i), "", "http", 3 if failed else 2, 0, 1, 30000,
               created, created + 1, created + 900, "agent_failed" if failed else None, "no" if failed else None,
               usage, None, text, None if failed else answer,
               None if failed else turn_of(example, text, answer), None)


def make(db):
    begun = time.monotonic()
    daemon = Daemon(db)
    daemon.stop()
    base = sqlite3.connect(db, isolation_level=None)
    base.execute("PRAGMA synchronous = OFF")
    base.execute("BEGIN")
    example = base.execute("SELECT messages FROM runs").fetchone()[0]
    base.execute("DELETE FROM runs")
    base.execute("DELETE FROM sessions")
    columns = "seq id agent session_id user source status durable attempts timeout_ms created started finished" \
              " code error usage metadata input content messages events".split()
    base.executemany(f"INSERT INTO runs ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
                     rows(int(time.time() * 1000), example))
    base.execute("UPDATE runs SET turn = seq WHERE messages IS NOT NULL")
    base.execute("INSERT INTO sessions SELECT session_id, agent, user, min(created), max(finished), max(seq)"
                 " FROM runs WHERE messages IS NOT NULL GROUP BY session_id")
    base.execute("COMMIT")
    base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    base.close()
    print(f"  {options.rows} runs in {Path(db).stat().st_size >> 20} MiB, made in {time.monotonic() - begun:.0f} s",
          flush=True)


def full():
    """The path of the full database."""
    kept = Path(options.keep or folder) / f"full-{options.rows}.db"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        make(kept)
    return kept


def copy(db):
    """A copy to spoil."""
    copied = folder / "copy.db"
    for end in ("", "-wal", "-shm"):
        Path(f"{copied}{end}").unlink(missing_ok=True)
    shutil.copyfile(db, copied)
    return copied


# The parts.

def plans():
    """No statement may read the whole table, or sort it."""
    text = (ROOT / "daemon/store/db.c").read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)

    def literals(code, macros=True):
        out = ""
        for literal, word in re.findall(r'"((?:[^"\\]|\\.)*)"|\b([A-Z_]{4,})\b', code):
            out += literal or (literals(defines[word]) if macros and word in defines else "")
        return out
    defines = {}
    for name, body in re.findall(r"#define (\w+)(?:\(\w+\))?((?:.*\\\n)*.*)", text):
        defines[name] = body.replace("\\\n", " ")
    base = sqlite3.connect(full())
    for name, body in re.findall(r"\[(DB_\w+)\] =\s*(.*?),\n(?=\t\[|\};)", text, re.S):
        where = re.match(r'LIST\("(.*?)"\)', body, re.S)
        statement = literals(defines["LIST"].replace("where", f'"{where[1]}"')) if where else literals(body)
        if not re.match("SELECT|INSERT|UPDATE|DELETE", statement):
            continue
        plan = [row[3] for row in base.execute("EXPLAIN QUERY PLAN " + statement, [None] * statement.count("?") and
                                               [None] * max(map(int, re.findall(r"\?(\d+)", statement) or [0])))]
        bad = any(re.match(r"SCAN (?!.*(LIMIT|CONSTANT))", step) or "TEMP B-TREE" in step for step in plan)
        print(f"  {name:<24} {'; '.join(plan)}{'   <- look' if bad else ''}")
    base.close()


def start():
    empty, db = folder / "empty.db", full()
    Daemon(empty).stop()
    Daemon(db).stop()
    times = {empty: [], db: []}
    for _ in range(15):
        for path, took in times.items():
            daemon = Daemon(path)
            took.append(daemon.started_ms)
            daemon.stop()
    none, many = (statistics.median(took) for took in times.values())
    show("exec to the first 200 of /run, empty store", f"{none:.1f} ms", "25 ms", none <= 25)
    show(f"  with {options.rows} runs", f"{many:.1f} ms ({many / none:.2f}x)", "2x the empty", many <= 2 * none)


def lists():
    daemon = Daemon(full())
    rows_, step = options.rows, options.rows // 200

    def deep(i):
        return f"&cursor={max(60, rows_ - i * step)}"
    failing, latest = options.rows // RARE * RARE - RARE + 7, session_of(rows_ - 1)
    for what, call in {
        "GET /runs?limit=50": lambda i: "/runs?limit=50",
        "  deep cursors": lambda i: "/runs?limit=50" + deep(i),
        "  limit=1000": lambda i: "/runs?limit=1000" + deep(i),
        "  agent=echo (most)": lambda i: "/runs?limit=50&agent=echo" + deep(i),
        "  agent=other (1 %)": lambda i: "/runs?limit=50&agent=other" + deep(i),
        "  status=failed (0.1 %)": lambda i: "/runs?limit=50&status=failed" + deep(i),
        "  status=succeeded": lambda i: "/runs?limit=50&status=succeeded" + deep(i),
        "  status=cancelled (none)": lambda i: "/runs?limit=50&status=cancelled",
        "  status=queued (none)": lambda i: "/runs?limit=50&status=queued",
        "  status=failed&agent=other (none)": lambda i: "/runs?limit=50&status=failed&agent=other",
        "  status=succeeded&agent=other": lambda i: "/runs?limit=50&status=succeeded&agent=other" + deep(i),
        "  agent=nobody": lambda i: "/runs?limit=50&agent=nobody",
        "  session_id of a short one": lambda i: f"/runs?limit=50&session_id=s{(i * step + 8) // SESSION}",
        "  session_id of a long one": lambda i: "/runs?limit=50&session_id=long" + deep(i),
        "  session_id of a long one, failed (none)": lambda i: "/runs?limit=50&session_id=long&status=cancelled",
        "GET /runs/{id}": lambda i: f"/runs/{run_id(max(1, i * step))}",
        "GET /runs/{id} of a failed one": lambda i: f"/runs/{run_id(failing)}",
        "GET /sessions/{id}, short": lambda i: f"/sessions/s{(i * step + 8) // SESSION}",
        f"GET /sessions/{{id}}, {LONG} turns": lambda i: "/sessions/long",
        "GET /sessions?limit=50": lambda i: "/sessions?limit=50",
        "  deep cursors of sessions": lambda i: "/sessions?limit=50" + deep(i),
        "  agent=other": lambda i: "/sessions?limit=50&agent=other",
        "  agent=nobody of sessions": lambda i: "/sessions?limit=50&agent=nobody",
    }.items():
        # One that has to be waited for is not asked for so often.
        begun = time.monotonic()
        daemon.request("GET", call(1))
        p50, p99, worst = timed(lambda i: daemon.request("GET", call(i % 200)), 400 if time.monotonic() - begun < 0.1 else 10)
        must = "20 ms p99" if "limit=1000" not in what else ""
        show(what, f"{p50:.2f} / {p99:.2f} / {worst:.2f} ms", must, not must or p99 <= 20)
    assert daemon.get(f"/sessions/{latest}")["messages"]

    stop, took = threading.Event(), []
    other = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)

    def browse():
        while not stop.is_set():
            other.request("GET", "/sessions/long")
            other.getresponse().read()
    thread = threading.Thread(target=browse)
    thread.start()
    begun = time.monotonic()
    while time.monotonic() < begun + 4:
        before = time.monotonic()
        daemon.run()
        took.append((time.monotonic() - before) * 1e3)
    stop.set()
    thread.join()
    show(f"POST /run while somebody reads {LONG} turns on and on, p50 / p99 / max",
         f"{statistics.median(took):.2f} / {percentile(took, 0.99):.2f} / {max(took):.2f} ms")
    daemon.stop()


def memory():
    figures = []
    for db in (folder / "empty.db", full()):
        daemon = Daemon(db)
        time.sleep(0.5)
        idle = daemon.pss()
        for i in range(500):
            daemon.request("GET", f"/runs?limit=50&cursor={options.rows - i * 1000 if options.rows > 500000 else 100}")
        used = daemon.pss()
        figures.append((idle[0], used[0]))
        daemon.stop()
    for i, when in enumerate(("idle", "after 500 lists")):
        none, many = figures[0][i], figures[1][i]
        show(f"PSS of the daemon, {when}: empty, full", f"{none / 1024:.2f}, {many / 1024:.2f} MiB")


def under_way(daemon, seconds, until=lambda: False):
    """p50, p99, max of /run, one client, for so long."""
    took, begun = [], time.monotonic()
    while time.monotonic() < begun + seconds and not until():
        before = time.monotonic()
        daemon.run()
        took.append((time.monotonic() - before) * 1e3)
    return f"{statistics.median(took):.2f} / {percentile(took, 0.99):.2f} / {max(took):.2f} ms"


def crash():
    """After a SIGKILL the store is checked; nobody may have to wait for it."""
    db = copy(full())
    Daemon(db).stop(signal.SIGKILL)
    subprocess.run(["sh", "-c", "sync; echo 3 > /proc/sys/vm/drop_caches"], stderr=subprocess.DEVNULL, check=False)
    daemon = Daemon(db)
    show("after SIGKILL, cold: exec to the first 200 of /run", f"{daemon.started_ms:.1f} ms")
    show("  /run while it is checked, p50 / p99 / max", under_way(daemon, 1))
    took = daemon.stop()
    show("  TERM while it is checked: until it is gone", f"{took:.0f} ms", "1000 ms", took <= 1000)
    Daemon(db).stop(signal.SIGKILL)
    daemon = Daemon(db)
    show("after SIGKILL, warm: exec to the first 200 of /run", f"{daemon.started_ms:.1f} ms")
    took = daemon.stop()
    show("  TERM while it is checked: until it is gone", f"{took:.0f} ms", "1000 ms", took <= 1000)
    Daemon(db).stop(signal.SIGKILL)
    daemon = Daemon(db)
    flood("  8 clients with 20 KB each while it is checked, 15 s: max", daemon, db, 15)
    daemon.stop(signal.SIGKILL)
    size = Path(f"{db}-wal").stat().st_size >> 20
    daemon = Daemon(db)
    show(f"after SIGKILL with a log of {size} MiB: exec to the first 200", f"{daemon.started_ms:.1f} ms")
    daemon.stop()


def flood(what, daemon, db, seconds):
    """Shows how long the longest /run took, and how large the log became."""
    end = time.monotonic() + seconds

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
        worst = 0
        while time.monotonic() < end:
            before = time.monotonic()
            connection.request("POST", "/run", json.dumps({"input": "z" * 20000}))
            connection.getresponse().read()
            worst = max(worst, time.monotonic() - before)
        worsts.append(worst * 1e3)
    worsts, threads, biggest = [], [threading.Thread(target=client) for _ in range(8)], 0
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.1)
        biggest = max(biggest, Path(f"{db}-wal").stat().st_size)
    show(what, f"{max(worsts):.0f} ms", "1000 ms", max(worsts) <= 1000)
    show("  the log grew to", f"{biggest >> 20} MiB")


def reader():
    """Somebody looks into the file with a tool, or copies it, and takes his time: the log cannot begin anew."""
    db = copy(full())
    daemon = Daemon(db)
    base = sqlite3.connect(db, isolation_level=None)
    base.execute("BEGIN")
    base.execute("SELECT count(*) FROM meta").fetchone()
    flood("8 clients with 20 KB each beside a long reader, 15 s: max", daemon, db, 15)
    base.close()
    flood("  when it has gone, 5 s: max", daemon, db, 5)
    daemon.stop()
    daemon = Daemon(db := copy(full()), f", max_size: {(db.stat().st_size >> 20) - 2}M")
    base = sqlite3.connect(db, isolation_level=None)
    base.execute("BEGIN")
    base.execute("SELECT count(*) FROM meta").fetchone()
    time.sleep(10)
    left = daemon_rows(db)
    show("max_size 2 MiB too small beside a long reader: runs left", f"{left}", "95 %", left > options.rows * 0.95)
    base.close()
    daemon.stop()


def retention():
    """Everything is too old: it goes a piece at a time, beside the runs."""
    db = copy(full())
    before = db.stat().st_size >> 20
    daemon = Daemon(db, ", retention: 1s")
    begun, marks = time.monotonic(), []

    def done():
        left = daemon_rows(db)
        if not marks or time.monotonic() > marks[-1][0] + 10:
            marks.append((time.monotonic(), left))
            size = db.stat().st_size >> 20
            log = Path(f"{db}-wal").stat().st_size >> 20
            print(f"    {time.monotonic() - begun:5.0f} s: {left} runs, {size} MiB, log {log} MiB", flush=True)
        return left < 1000 and db.stat().st_size < 8 << 20
    took = []
    while time.monotonic() < begun + 180 and not done():
        slice_end = time.monotonic() + 1
        while time.monotonic() < slice_end:
            at = time.monotonic()
            daemon.run()
            took.append((time.monotonic() - at) * 1e3)
    show("retention: /run meanwhile, p50 / p99 / max",
         f"{statistics.median(took):.2f} / {percentile(took, 0.99):.2f} / {max(took):.2f} ms")
    show(f"  {before} MiB and {options.rows} runs after {time.monotonic() - begun:.0f} s",
         f"{db.stat().st_size >> 20} MiB, {daemon_rows(db)} runs")
    took = daemon.stop()
    show("  TERM: until it is gone", f"{took:.0f} ms")


def daemon_rows(db):
    """About how many runs there are: they go from the lowest seq on."""
    base = sqlite3.connect(f"file:{db}?mode=ro", uri=True)
    try:
        low, high = base.execute("SELECT (SELECT min(seq) FROM runs), (SELECT max(seq) FROM runs)").fetchone()
        return (high or 0) - (low or 0) + 1
    finally:
        base.close()


parts = {f.__name__: f for f in (plans, start, lists, memory, crash, reader, retention)}
try:
    for part in options.parts or parts:
        print(f"{part}:")
        parts[part]()
finally:
    shutil.rmtree(folder, ignore_errors=True)
