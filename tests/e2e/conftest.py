"""What the end-to-end tests share: the real agentd, in a temporary folder, on port 0.

Nothing sleeps to let something happen: `wait_for` asks until a deadline.
"""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import textwrap
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("AGENTD_BUILD", ROOT / "build"))
SANITIZED = "-" in BUILD.name
SLOW = 5 if SANITIZED else 1  # how much more patience a sanitizer build needs
os.environ.setdefault("TSAN_OPTIONS", f"suppressions={ROOT / 'tests' / 'tsan.supp'}")


def wait_for(what, probe, seconds=10):
    """Calls probe until it gives something true; says what it waited for if it never does."""
    end = time.monotonic() + seconds * SLOW
    while True:
        value = probe()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds * SLOW} s for {what}"
        time.sleep(0.01)


class Reply:
    def __init__(self, response):
        self.status, self.reason = response.status, response.reason
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class Event:
    """One server-sent event."""

    def __init__(self, lines):
        fields = dict(line.split(": ", 1) for line in lines)
        self.id, self.name, self.data = int(fields["id"]), fields["event"], json.loads(fields["data"])

    def __repr__(self):
        return f"<{self.id} {self.name} {self.data}>"


class Stream:
    """A run that is streamed: iterate over it for its events. Comments are counted."""

    def __init__(self, connection, response):
        self.connection, self.response = connection, response
        self.status, self.headers, self.comments = response.status, response.headers, 0

    def __iter__(self):
        lines = []
        for raw in self.response:
            line = raw.decode().rstrip("\n")
            if line.startswith(":"):
                self.comments += 1
            elif line:
                lines.append(line)
            elif lines:
                yield Event(lines)
                lines = []

    def close(self):
        self.response.close()
        self.connection.close()


class Agentd:
    """A running daemon. `log` has its lines so far (parsed JSON), `address` is (host, port)."""

    def __init__(self, command, cwd, env=None):
        self.process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env={**os.environ, **(env or {})})
        self.cwd, self.raw, self.address = cwd, [], None
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.raw.append(line.decode(errors="replace").rstrip("\n"))

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        lines = []
        for line in list(self.raw):
            try:
                lines.append(json.loads(line))
            except ValueError:
                lines.append({"level": "raw", "message": line})
        return lines

    def messages(self):
        return [line["message"] for line in self.log]

    def wait_log(self, pattern, seconds=10):
        """The first log line whose message matches."""
        def probe():
            for line in self.log:
                if re.search(pattern, line["message"]):
                    return line
            return None
        return wait_for(f"log line /{pattern}/, have:\n" + "\n".join(self.raw), probe, seconds)

    def wait_listening(self):
        def probe():
            assert self.process.poll() is None, "agentd ended:\n" + "\n".join(self.raw)
            for line in self.log:
                found = re.search(r"listening on http://([\d.]+):(\d+)", line["message"])
                if found:
                    return found.group(1), int(found.group(2))
            return None
        self.address = wait_for("agentd to listen", probe)
        return self

    def wait_ready(self, *names):
        """Until the agents named (or all) are READY."""
        def probe():
            states = {a["name"]: a["state"] for a in self.get("/agents").json["agents"]}
            return all(states[n] == "ready" for n in names or states)
        wait_for("agents to be ready", probe)
        return self

    def connect(self, timeout=30):
        return http.client.HTTPConnection(*self.address, timeout=timeout * SLOW)

    def socket(self):
        return socket.create_connection(self.address, timeout=10 * SLOW)

    def request(self, method, path, body=None, headers=None):
        connection = self.connect()
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            connection.request(method, path, body, headers or {})
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def run(self, input, agent=None, **fields):
        """POST /run; the reply."""
        body = {"input": input, **fields}
        if agent:
            body["agent"] = agent
        return self.request("POST", "/run", body)

    def stream(self, input, **fields):
        """POST /run with "stream": the Stream."""
        connection = self.connect()
        connection.request("POST", "/run", json.dumps({"input": input, "stream": True, **fields}))
        return Stream(connection, connection.getresponse())

    def start_run(self, input, **fields):
        """POST /run without waiting: a connection whose getresponse() gives the answer."""
        connection = self.connect()
        connection.request("POST", "/run", json.dumps({"input": input, **fields}))
        return connection

    def agent(self, name):
        return self.get(f"/agents/{name}").json

    def load(self, name):
        """How many runs of an agent run, and how many wait."""
        agent = self.agent(name)
        return agent["running"], agent["queued"]

    def pid_of(self, name):
        return self.agent(name)["pids"][0]

    def terminate(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=10):
        """The exit code."""
        code = self.process.wait(seconds * SLOW)
        self.reader.join(5)
        return code

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15 * SLOW)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.reader.join(5)
        reports = [line for line in self.raw if "Sanitizer" in line or "runtime error:" in line]
        assert not reports, "\n".join(self.raw)


def plugin(name):
    """The path of a plugin that ships, or of one for the tests."""
    for folder in (BUILD / "plugins", BUILD / "tests" / "plugins"):
        if (folder / f"{name}.so").exists():
            return str(folder / f"{name}.so")
    raise FileNotFoundError(name)


HEAD = """\
http: { listen: [ "127.0.0.1:0" ] }
"""


@pytest.fixture
def agentd(tmp_path):
    """Starts daemons: agentd(config) → a listening Agentd. `PLUGIN(name)` in the config is the path
    of that plugin. A config without "http:" listens on port 0. All are stopped, and checked for
    sanitizer reports, when the test ends."""
    started = []

    def start(config=None, arguments=None, env=None, listening=True):
        command = [str(BUILD / "agentd")]
        if config is not None:
            text = textwrap.dedent(config)
            if not re.search(r"(?m)^\s*http:", text):
                text = HEAD + text
            text = re.sub(r"PLUGIN\((\w+)\)", lambda m: plugin(m.group(1)), text)
            (tmp_path / "agent.conf").write_text(text)
            command += ["-c", "agent.conf"]
        # One store for all that run one after the other, and one each for those that run beside each other.
        running = sum(daemon.process.poll() is None for daemon in started)
        state = tmp_path / ("state" if running == 0 else f"state{running}")
        runtime = tmp_path / state.name.replace("state", "run")
        daemon = Agentd(command + (arguments or []), tmp_path,
                        {"XDG_STATE_HOME": str(state), "RUNTIME_DIRECTORY": str(runtime), **(env or {})})
        daemon.control = str(runtime / "agentd.sock")
        started.append(daemon)
        return daemon.wait_listening() if listening else daemon

    yield start
    for daemon in started:
        daemon.stop()


@pytest.fixture
def actor(agentd):
    """A daemon with one agent, "actor" (tests/plugins/actor.c), ready."""
    return agentd("""
        agents:
          actor: { plugin: PLUGIN(actor) }
        supervision: { backoff_min: 100ms, backoff_max: 400ms }
    """).wait_ready()


def assert_problem(reply, status, code):
    """An error as all of them are (RFC 9457, with the original's `error`); its body."""
    assert reply.status == status, reply.body
    assert reply.headers["Content-Type"] == "application/problem+json"
    body = reply.json
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] and body["title"] and body["error"] == body["title"]
    return body


def run_agentd(*arguments, cwd, env=None, timeout=20):
    """agentd to its end: the CompletedProcess, with text."""
    return subprocess.run([str(BUILD / "agentd"), *arguments], cwd=cwd, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=timeout * SLOW,
                          env={**os.environ, "XDG_STATE_HOME": str(Path(cwd) / "state"),
                               "RUNTIME_DIRECTORY": str(Path(cwd) / "run"), **(env or {})})


@pytest.fixture
def check(tmp_path):
    """check(config, arguments) → agentd's end, by default of `-t`. Further files by their names."""
    def run(config, *arguments, env=None, **files):
        arguments = arguments or ["-t"]
        for name, text in {"agent.conf": config, **files}.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            text = re.sub(r"PLUGIN\((\w+)\)", lambda m: plugin(m.group(1)), textwrap.dedent(text))
            (tmp_path / name).write_text(text)
        (tmp_path / "agent.conf").chmod(0o600)  # as one with secrets should be
        return run_agentd("-c", "agent.conf", *filter(None, arguments), cwd=tmp_path, env=env)
    return run


def errors(result):
    """The lines of a refusal; there is nothing else, and the exit code is right."""
    assert (result.returncode, result.stdout) == (78, ""), result
    return result.stderr.splitlines()
