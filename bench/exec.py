"""What exec adds to a program: the median time of a /run through a oneshot, against that of the same
program started from here. Both alternate, so that what else the machine does meets both.

    /usr/bin/python3 bench/exec.py [--build build] [--runs 300]
"""
import argparse
import http.client
import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ["/bin/cat"]
TEXT = b"hello there, how are you today"
MUST_MS = 3.0

parser = argparse.ArgumentParser()
parser.add_argument("--build", default=str(ROOT / "build"))
parser.add_argument("--runs", type=int, default=300)
options = parser.parse_args()


def spawn_directly():
    """The program with three pipes, from its start to its end."""
    pipes = [os.pipe() for _ in range(3)]
    ours = pipes[0][1], pipes[1][0], pipes[2][0]
    theirs = pipes[0][0], pipes[1][1], pipes[2][1]
    pid = os.posix_spawn(PROGRAM[0], PROGRAM, {"PATH": "/bin"},
                         file_actions=[(os.POSIX_SPAWN_DUP2, fd, n) for n, fd in enumerate(theirs)])
    for fd in theirs:
        os.close(fd)
    os.write(ours[0], TEXT)
    os.close(ours[0])
    said = b"".join(iter(lambda: os.read(ours[1], 65536), b""))
    os.waitpid(pid, 0)
    os.close(ours[1])
    os.close(ours[2])
    assert said == TEXT


def run_through_agentd(connection):
    connection.request("POST", "/run", json.dumps({"input": TEXT.decode()}))
    reply = json.loads(connection.getresponse().read())
    assert reply["content"] == TEXT.decode(), reply


def timed(what, *arguments):
    """Milliseconds."""
    begun = time.monotonic()
    what(*arguments)
    return (time.monotonic() - begun) * 1e3


def main():
    with tempfile.TemporaryDirectory(prefix="agentd-bench-") as folder:
        (Path(folder) / "agent.conf").write_text(
            'http: { listen: [ "127.0.0.1:0" ] }\nlog: { access: false, format: text }\n'
            f"agents: {{ cat: {{ plugin: exec, command: {json.dumps(PROGRAM)} }} }}\n")
        daemon = subprocess.Popen([f"{Path(options.build).resolve()}/agentd", "-c", "agent.conf"], cwd=folder,
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            address = next(m[1] for m in (re.search(r"listening on http://(\S+)", line) for line in daemon.stderr) if m)
            connection = http.client.HTTPConnection(address, timeout=10)
            run_through_agentd(connection)  # its host is ready now
            rows = [(timed(spawn_directly), timed(run_through_agentd, connection)) for _ in range(options.runs)]
        finally:
            daemon.terminate()
            daemon.wait()
    direct, through = (statistics.median(column) for column in zip(*rows))
    adds = statistics.median(b - a for a, b in rows)
    print(f"{' '.join(PROGRAM)}, spawned directly: median {direct:.2f} ms")
    print(f"{' '.join(PROGRAM)}, as a /run:        median {through:.2f} ms")
    print(f"exec adds {adds:.2f} ms   must {MUST_MS} ms   {'ok' if adds <= MUST_MS else 'MISSED'}")


main()
