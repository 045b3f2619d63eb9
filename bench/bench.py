"""The figures of agentd against its floors, as ratios.

Programs are measured in one run, in slices of a second, in turn, the order reversed every round; what
counts is the median of the rounds. Throughput is requests per CPU-second of the server and all its
children (utime + stime), which is steady where wall time is not.

    bench.py [--rounds N] [--build DIR] [PART…]
    parts: throughput durable commit latency stream memory start restart reload cron

The store is off but where a row says otherwise; bench/store_scale.py has the figures of a large one.
"""
import argparse
import collections
import hashlib
import json
import os
import re
import resource
import signal
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path

from process import TICK, cpu_seconds, family, free_port, pss_kib

ROOT = Path(__file__).resolve().parents[1]
RUN_BODY = json.dumps({"input": "hello there, how are you today"})
KEY = "agentd_" + "x" * 43  # all features are on, so every run is asked for with a key
AUTH = ("auth: {{ keys: {{ type: api_key, rate: 1000000/s, keys: [ sha256:{} ] }} }}\n"
        .format(hashlib.sha256(KEY.encode()).hexdigest()))
RUN_HEAD = f"POST /run HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n"
WRK_RUN = f"wrk.method='POST'; wrk.body='{RUN_BODY}'; wrk.headers['Content-Type']='application/json' wrk.headers['X-API-Key']='{KEY}'\n"

parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=9)
parser.add_argument("--build", default=str(ROOT / "build"))
parser.add_argument("parts", nargs="*")
options = parser.parse_args()
build = Path(options.build)
folder = Path(tempfile.mkdtemp(prefix="agentd-bench-"))
(folder / "run.lua").write_text(WRK_RUN)


class Server:
    def __init__(self, name, command, port):
        self.name, self.port = name, port
        self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.01)
        raise SystemExit(f"{name} does not listen")

    def cpu(self):
        """CPU-seconds so far, children included."""
        return cpu_seconds(self.process.pid)

    def pss(self):
        """KiB, children included."""
        return pss_kib(self.process.pid)[1]

    def stop(self):
        self.process.terminate()
        self.process.wait()


def agentd(config="", echo="", store=False):
    port = free_port()
    path = folder / f"agent-{port}.conf"
    path.write_text(f'http: {{ listen: [ "127.0.0.1:{port}" ], max_connections: 20000, auth: keys }}\n{AUTH}'
                    f"agents: {{ echo: {{ plugin: echo, concurrency: 4096 {echo} }} }}\n"
                    f"control: {{ socket: none }}\nstore: {{ {f'path: {folder}/{port}.db' if store else 'enabled: false'} }}\n{config}")
    return Server("agentd", [str(build / "agentd"), "-c", str(path)], port)


def bare():
    port = free_port()
    return Server("bare evhttp", [str(build / "bench" / "bare"), str(port)], port)


def bare_stream():
    port = free_port()
    command = [str(build / "bench" / "bare_stream"), str(port), str(STREAMS), str(EVENTS)]
    return Server("bare stream", command, port)


def original():
    port = free_port()
    return Server("original", ["/usr/bin/python3", str(ROOT / "bench" / "original.py"), str(port)], port)


def wrk(server, path, connections, seconds=1):
    """Requests, requests a second, p50 in µs."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    if path == "/run":
        command += ["-s", str(folder / "run.lua")]
    text = subprocess.run([*command, f"http://127.0.0.1:{server.port}{path}"], capture_output=True, text=True,
                          check=True).stdout
    assert "Non-2xx" not in text and "Socket errors" not in text, text
    value, unit = re.search(r"50% +([\d.]+)(us|ms|s)", text).groups()
    return (int(re.search(r"(\d+) requests in", text)[1]), float(re.search(r"Requests/sec: +([\d.]+)", text)[1]),
            float(value) * {"us": 1, "ms": 1e3, "s": 1e6}[unit])


def slices(servers, path, connections):
    """For each server, a row for each round: requests per CPU-second, requests per second, p50."""
    rows = {server.name: [] for server in servers}
    for server in servers:
        wrk(server, path, connections)  # warm
    for i in range(options.rounds):
        for server in servers if i % 2 == 0 else reversed(servers):
            before = server.cpu()
            requests, per_second, p50 = wrk(server, path, connections)
            rows[server.name].append((requests / max(server.cpu() - before, 1 / TICK), per_second, p50))
    return rows


def ratio(rows, other, column):
    return statistics.median(a[column] / b[column] for a, b in zip(rows["agentd"], rows[other]))


def show(what, value, must, aim, good):
    print(f"{what:<58} {value:>12}   must {must:<10} aim {aim:<10} {'ok' if good else 'MISSED'}", flush=True)


def throughput():
    servers = [agentd(), bare(), original()]
    for path, must, aim in (("/health", 0.90, 1.25), ("/run", 0.80, 1.0)):
        rows = slices(servers, path, 64)
        for name, row in rows.items():
            print(f"  {path} {name}: {statistics.median(r[0] for r in row):.0f} per CPU-s, "
                  f"{statistics.median(r[1] for r in row):.0f} req/s")
        value = ratio(rows, "bare evhttp", 0)
        show(f"{path} against bare evhttp, per CPU-second", f"{value:.2f}x", f"{must}x", f"{aim}x", value >= must)
        if path == "/run":
            value = ratio(rows, "original", 0)
            show("/run against the original, per CPU-second", f"{value:.2f}x", "2.5x", "4x", value >= 2.5)
            value = ratio(rows, "original", 1)
            show("/run against the original, req/s", f"{value:.2f}x", "3x", "5x", value >= 3)
    for server in servers:
        server.stop()


def durable():
    """Each run a session of its own, whose first turn is on the disk before the reply."""
    servers = [agentd(store=True), bare(), original()]
    rows = slices(servers, "/run", 64)
    for name, row in rows.items():
        print(f"  /run {name}{', store on' if name == 'agentd' else ''}: {statistics.median(r[0] for r in row):.0f} "
              f"per CPU-s, {statistics.median(r[1] for r in row):.0f} req/s")
    value = ratio(rows, "bare evhttp", 0)
    show("durable /run against bare evhttp, per CPU-second", f"{value:.2f}x", "0.4x", "0.6x", value >= 0.4)
    value = ratio(rows, "original", 0)
    show("durable /run against the original, per CPU-second", f"{value:.2f}x", "1.2x", "2x", value >= 1.2)
    for server in servers:
        server.stop()


def paced(server, clients, each, seconds):
    """Begin and end of every /run of so many clients with so many runs a second each."""
    request = f"{RUN_HEAD}Content-Length: {len(RUN_BODY)}\r\n\r\n{RUN_BODY}".encode()
    spans = []

    def client(number):
        s = socket.create_connection(("127.0.0.1", server.port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start = time.monotonic() + number / clients / each
        for i in range(int(seconds * each)):
            time.sleep(max(0, start + i / each - time.monotonic()))
            begun = time.monotonic()
            s.sendall(request)
            assert s.recv(4096).startswith(b"HTTP/1.1 200")
            spans.append((begun, time.monotonic()))
        s.close()
    threads = [threading.Thread(target=client, args=(i,)) for i in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return spans


def spread(spans):
    took = sorted((end - begun) * 1e3 for begun, end in spans)
    return f"{statistics.median(took):.2f} / {took[int(len(took) * 0.99)]:.2f} / {took[-1]:.2f} ms" if took else "none"


def commit():
    """Checkpoints show as changes of the database file: commits write the log beside it."""
    for store in (False, True):
        server = agentd(store=store)
        file, writes, over = folder / f"{server.port}.db", [], threading.Event()

        def watch():
            last, before = file.stat().st_mtime_ns, time.monotonic()
            while not over.wait(0.002):
                now = time.monotonic()
                if file.stat().st_mtime_ns != last:
                    last = file.stat().st_mtime_ns
                    writes.append((before - 0.005, now))
                before = now
        watcher = threading.Thread(target=watch)
        paced(server, 4, 100, 1)
        if store:
            watcher.start()
        spans = paced(server, 4, 100, 25)
        over.set()
        print(f"  /run, 4 clients with 100 a second each, 25 s, store {'on' if store else 'off'}: "
              f"p50 / p99 / max {spread(spans)}", flush=True)
        if store:
            watcher.join()
            during = [s for s in spans if any(b < s[1] and s[0] < e for b, e in writes)]
            rest = [s for s in spans if s not in set(during)]
            print(f"    {len(during)} of {len(spans)} beside a checkpoint {spread(during)}, the others {spread(rest)}")
        server.stop()


def latency():
    servers = [agentd(), bare()]
    rows = slices(servers, "/run", 1)
    extra = statistics.median(a[2] - b[2] for a, b in zip(rows["agentd"], rows["bare evhttp"]))
    show("one connection, p50 of /run: bare evhttp and", f"+{extra:.0f} us", "+50 us", "+25 us", extra <= 50)
    for server in servers:
        server.stop()


def stream_socket(server, text):
    s = socket.create_connection(("127.0.0.1", server.port))
    body = json.dumps({"input": text, "stream": True})
    s.sendall(f"{RUN_HEAD}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    return s


STREAMS, EVENTS = 32, 500


def stream_cost(server):
    """CPU µs for an event."""
    before = server.cpu()
    sockets = [stream_socket(server, "12345678" * EVENTS) for _ in range(STREAMS)]

    def drain(s):
        tail = b""
        while b"event: run.finished" not in tail:
            tail = tail[-64:] + s.recv(65536)
        s.close()
    threads = [threading.Thread(target=drain, args=(s,)) for s in sockets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (server.cpu() - before) * 1e6 / (EVENTS * STREAMS)


def stream():
    servers = [agentd(echo=", chunk: 8, interval: 1ms"), bare_stream()]
    costs = {server.name: [] for server in servers}
    for i in range(options.rounds):
        for server in servers if i % 2 == 0 else reversed(servers):
            costs[server.name].append(stream_cost(server))
    cost, least = (statistics.median(costs[server.name]) for server in servers)
    show("SSE, one write per delta: CPU per event", f"{cost:.1f} us", "10 us", "6 us", cost <= 10)
    print(f"  of which what the kernel wants for its send(), alone {least:19.1f} us")
    for server in servers:
        server.stop()


def memory():
    server = agentd(echo=", delay: 10m")
    time.sleep(0.5)
    idle = server.pss()
    show("idle memory, daemon and one echo host (PSS)", f"{idle / 1024:.2f} MiB", "6 MiB", "4 MiB", idle <= 6144)
    with_store = agentd(store=True)
    paced(with_store, 1, 100, 1)
    time.sleep(0.5)
    value = with_store.pss()
    show("  with the store, after 100 runs", f"{value / 1024:.2f} MiB", "6 MiB", "4 MiB", value <= 6144)
    with_store.stop()
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    held = []
    for _ in range(10000):
        s = socket.create_connection(("127.0.0.1", server.port))
        s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        held.append(s)
    for s in held:
        s.recv(4096)
    time.sleep(0.5)
    each = (server.pss() - idle) / len(held)
    show("memory per idle connection, 10,000 held", f"{each:.2f} KiB", "4 KiB", "2.5 KiB", each <= 4)
    worst = []
    for _ in range(500):
        start = time.monotonic()
        held[0].sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        held[0].recv(4096)
        worst.append((time.monotonic() - start) * 1e3)
    p99 = sorted(worst)[int(len(worst) * 0.99)]
    show("  with them held: p99 of /health", f"{p99:.2f} ms", "10 ms", "", p99 <= 10)
    for s in held:
        s.close()
    server.stop()

    server = agentd(echo=", delay: 10m, timeout: 20m")
    time.sleep(0.5)
    idle = server.pss()
    held = [stream_socket(server, "hi") for _ in range(2000)]
    for s in held:
        assert b"run.started" in s.recv(4096) or b"run.started" in s.recv(4096)
    time.sleep(0.5)
    each = (server.pss() - idle) / len(held)
    show("memory per open stream, 2,000 held", f"{each:.2f} KiB", "6 KiB", "4 KiB", each <= 6)
    for s in held:
        s.close()
    server.stop()


def start_ms(store):
    port = free_port()
    path = folder / "start.conf"
    path.write_text(f'http: {{ listen: [ "127.0.0.1:{port}" ], auth: keys }}\n{AUTH}control: {{ socket: none }}\nagents: {{ echo: {{ plugin: echo }} }}\n'
                    f"store: {{ {f'path: {store}' if store else 'enabled: false'} }}\n")
    begun = time.monotonic()
    process = subprocess.Popen([str(build / "agentd"), "-c", str(path)], stderr=subprocess.DEVNULL)
    while True:
        try:
            s = socket.create_connection(("127.0.0.1", port))
            break
        except ConnectionRefusedError:
            assert time.monotonic() < begun + 10
    s.sendall(f"{RUN_HEAD}Content-Length: {len(RUN_BODY)}\r\n\r\n{RUN_BODY}".encode())
    assert s.recv(4096).startswith(b"HTTP/1.1 200")
    took = (time.monotonic() - begun) * 1e3
    s.close()
    process.terminate()
    process.wait()
    return took


def start():
    rows = [(start_ms(None), start_ms(folder / "start.db"), start_ms(folder / f"new-{i}.db"))
            for i in range(max(options.rounds, 15))]
    off, on, new = (statistics.median(column) for column in zip(*rows))
    show("exec of agentd to the first 200 of /run, store off", f"{off:.1f} ms", "", "10 ms", True)
    show("  store on, which is there", f"{on:.1f} ms", "25 ms", "10 ms", on <= 25)
    show("  store on, which is made first", f"{new:.1f} ms", "25 ms", "10 ms", new <= 25)


def restart():
    server = agentd("supervision: { backoff_min: 1ms, backoff_max: 1ms }\n")
    times = []
    for _ in range(max(options.rounds, 7)):
        host = family(server.process.pid)[1]
        begun = time.monotonic()
        os.kill(host, signal.SIGKILL)
        while True:
            s = socket.create_connection(("127.0.0.1", server.port))
            s.sendall(f"{RUN_HEAD}Content-Length: {len(RUN_BODY)}\r\n\r\n{RUN_BODY}".encode())
            good = s.recv(4096).startswith(b"HTTP/1.1 200")
            s.close()
            if good and family(server.process.pid)[1:] != [host]:
                break
        times.append((time.monotonic() - begun) * 1e3)
    value = statistics.median(times)
    show("a restart after SIGKILL, first delay of 1 ms included", f"{value:.1f} ms", "50 ms", "15 ms", value <= 50)
    server.stop()


WORD = """
#include <agentd/plugin.h>
static const struct agentd_host *host;
static int word_open(const struct agentd_host *given, const struct agentd_options *options, void **ret_self)
{
	(void)options, (void)ret_self;
	host = given;
	return 0;
}
static int word_run(void *self, struct agentd_run *run, const struct agentd_request *request)
{
	(void)self, (void)request;
	host->delta(run, agentd_text(WORD, sizeof(WORD) - 1));
	host->finish(run, &(struct agentd_result){ .size = sizeof(struct agentd_result) });
	return 0;
}
static const struct agentd_agent_ops agent = { .size = sizeof(agent), .open = word_open, .run = word_run };
const struct agentd_plugin agentd_plugin = {
	AGENTD_PLUGIN_HEAD, .kind = AGENTD_AGENT, .name = "word", .version = "1", .agent = &agent
};
"""


def built(word):
    """A plugin that answers with the word."""
    path = folder / f"{word}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-fvisibility=hidden", f"-I{ROOT}/include", f'-DWORD="{word}"', "-x", "c", "-",
                    "-o", str(path)], input=WORD, text=True, check=True)
    return path.read_bytes()


def reload():
    """Dev mode: from the rename that puts another build in place to its first answer."""
    builds, times, port = {word: built(word) for word in ("tick", "tock")}, [], free_port()
    plugin = folder / "word.so"
    plugin.write_bytes(builds["tick"])
    server = Server("agentd --dev", [str(build / "agentd"), "--dev", "--listen", f"127.0.0.1:{port}", str(plugin)], port)
    for i in range(max(options.rounds, 15)):
        word = ("tock", "tick")[i % 2]
        (folder / "next.so").write_bytes(builds[word])
        begun = time.monotonic()
        (folder / "next.so").rename(plugin)
        answer = b""
        while f'"{word}"'.encode() not in answer:
            with socket.create_connection(("127.0.0.1", port)) as s:
                s.sendall(f"{RUN_HEAD}Content-Length: {len(RUN_BODY)}\r\n\r\n{RUN_BODY}".encode())
                answer = s.recv(4096)
        times.append((time.monotonic() - begun) * 1e3)
        time.sleep(0.3)
    value = statistics.median(times)
    show("from another build in place to its first answer", f"{value:.0f} ms", "500 ms", "150 ms", value <= 500)
    server.stop()


def lateness(count, schedule, seconds, moment):
    """The largest time from a due time to a moment of its run, and the counts of runs for each: from the store."""
    server = agentd("cron:\n" + "".join(f'  c{i}: {{ schedule: "{schedule}", input: hello }}\n' for i in range(count)), store=True)
    time.sleep(seconds)
    server.stop()
    with sqlite3.connect(folder / f"{server.port}.db") as db:
        rows = db.execute(f"SELECT {moment}, metadata ->> 'due' FROM runs WHERE source LIKE 'cron%'").fetchall()
    dues = [datetime.fromisoformat(due).timestamp() * 1000 for _, due in rows]
    return max(row[0] - due for row, due in zip(rows, dues)), collections.Counter(dues).values()


def cron():
    late, counts = lateness(1, "* * * * * *", 10, "created")
    show(f"from a due time to its run, one at a time, largest of {len(counts)}", f"{late:.0f} ms", "50 ms", "", late <= 50)
    late, counts = lateness(1000, "*/3 * * * * *", 12, "started")
    show(f"  until it begins, 1,000 at once, {len(counts)} times, largest", f"{late:.0f} ms", "1000 ms", "",
         late <= 1000 and set(counts) == {1000})


parts = {f.__name__: f for f in (throughput, durable, commit, latency, stream, memory, start, restart, reload, cron)}
for part in options.parts or parts:
    parts[part]()
