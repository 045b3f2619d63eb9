"""agentctl: every command against the real daemon, its exit codes, its JSON, and what it does under Ctrl-C."""
import base64
import fcntl
import hashlib
import http.server
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import termios
import threading

import pytest

from conftest import BUILD, ROOT, SANITIZED, SLOW, plugin, wait_for
from line import Line
from stored import database, execute

CTL = str(BUILD / "agentctl")
OK, REFUSED, USAGE, UNAVAILABLE, INTERRUPTED = 0, 1, 64, 69, 130


def environment(tmp_path, daemon=None, **more):
    env = {k: v for k, v in os.environ.items() if not k.startswith("AGENTD_") and k != "NO_COLOR"}
    env.update(XDG_STATE_HOME=str(tmp_path / "client"), XDG_RUNTIME_DIR=str(tmp_path), LC_ALL="C.UTF-8")
    if daemon:
        env["AGENTD_URL"] = "http://%s:%d" % daemon.address
    return {**env, **more}


@pytest.fixture
def ctl(tmp_path, actor):
    """agentctl("run", "say hi") against a daemon with the actor: the CompletedProcess, with text."""
    def run(*arguments, input="", env=None, daemon=actor, timeout=30):
        done = subprocess.run([CTL, *arguments], input=input, capture_output=True, text=True, cwd=tmp_path,
                              env=environment(tmp_path, daemon, **(env or {})), timeout=timeout * SLOW)
        assert "Sanitizer" not in done.stderr and "runtime error:" not in done.stderr, done.stderr
        return done
    run.actor = actor
    return run


@pytest.fixture
def local(tmp_path):
    """The same without a daemon."""
    def run(*arguments, input="", env=None, timeout=60):
        done = subprocess.run([CTL, *arguments], input=input, capture_output=True, text=True, cwd=tmp_path,
                              env=environment(tmp_path, **(env or {})), timeout=timeout * SLOW)
        assert "Sanitizer" not in done.stderr and "runtime error:" not in done.stderr, done.stderr
        return done
    return run


class Terminal:
    """A program on a terminal of its own. `text` is what it showed so far."""

    def __init__(self, command, env, cwd):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvpe(command[0], command, {**env, "TERM": "xterm"})
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.raw, self.code = b"", None

    @property
    def text(self):
        text = re.sub(r"[^\n]*\r\x1b\[K", "", self.raw.decode(errors="replace"))  # a line that was taken back
        return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", text).replace("\r", "")

    def _read(self):
        if select.select([self.fd], [], [], 0.02)[0]:
            try:
                self.raw += os.read(self.fd, 65536)
            except OSError:
                pass

    def wait_text(self, pattern, seconds=10):
        def probe():
            self._read()
            return re.search(pattern, self.text)
        return wait_for(f"/{pattern}/ on the terminal, which shows:\n{self.text}", probe, seconds)

    def send(self, text):
        os.write(self.fd, text.encode())

    def say(self, text):
        """Once it prompts: types a line. What was shown before is forgotten."""
        self.wait_text(r"> $")
        self.raw = b""
        self.send(text + "\r")

    def wait(self, seconds=10):
        def probe():
            self._read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            return pid
        wait_for(f"the end of it; it shows:\n{self.text}", probe, seconds)
        return self.code

    def close(self):
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminal(tmp_path):
    """Starts agentctl on a terminal: terminal("chat", daemon=actor)."""
    started = []

    def start(*arguments, daemon=None, **env):
        started.append(Terminal([CTL, *arguments], environment(tmp_path, daemon, **env), tmp_path))
        return started[-1]
    yield start
    for one in started:
        one.close()


def one_run(daemon, status=None):
    """The only run there is, once it has that status."""
    def probe():
        runs = daemon.get("/runs").json["runs"]
        return runs and (not status or runs[0]["status"] == status) and runs[0]
    return wait_for(f"a run that is {status}", probe)


# What all commands have in common.

def test_json_is_one_document(agentd, tmp_path):
    """--json: every command that succeeds prints one JSON document, and nothing else, on stdout."""
    line = Line()
    daemon = agentd("""
        agents: { actor: { plugin: PLUGIN(actor) } }
        supervision: { drain: 200ms, kill: 200ms }
        events: { e: { input: "say x" } }
        cron: { c: { schedule: "0 0 29 2 *", input: "say x" } }
        interfaces: { tel: %s }
    """ % line.config("agent: actor", "open: true", "auto: false")).wait_ready()
    line.wait("UP")
    for chat in ("c1", "c2"):
        line.message("say x", chat=chat)
    line.wait("SEND", 2)
    done = set()

    def ask(*arguments, input=""):
        result = subprocess.run([CTL, *arguments, "--json"], input=input, capture_output=True, text=True, cwd=tmp_path,
                                env=environment(tmp_path, daemon), timeout=30 * SLOW)
        assert result.returncode == OK, (arguments, result)
        document = json.loads(result.stdout)
        assert isinstance(document, dict), arguments
        done.add(max((name for name in names if " ".join(arguments).startswith(name)), key=len, default=None))
        return document
    names = []
    names = [command["name"] for command in ask("help")["commands"]]
    run = ask("run", "say hi", "--session", "s")
    assert run["content"] == "hi" and run["status"] == "succeeded"
    hangs = ask("run", "--background", "hang")["run_id"]
    for arguments in (["status"], ["runs"], ["runs", "show", run["run_id"]], ["runs", "events", run["run_id"]], ["cancel", hangs],
                      ["sessions"], ["sessions", "show", "s"], ["sessions", "delete", "s", "--yes"], ["triggers"],
                      ["cron", "next", "@daily"], ["cron", "run", "c"], ["cron", "pause", "c"], ["cron", "resume", "c"],
                      ["emit", "e"], ["reload"], ["restart", "actor"], ["key", "new"], ["new", "agent", "fresh"],
                      ["new", "interface", "fresh_i"], ["new", "hook", "fresh_h"], ["outbox"], ["outbox", "retry", "1"],
                      ["outbox", "delete", "2", "--yes"], ["identities"], ["link", "ann", "line:1"], ["unlink", "line:1"],
                      ["try", plugin("echo"), "x"], ["doctor"], ["completion", "bash"], ["help", "run"]):
        ask(*arguments)
    assert ask("key", "hash", input="x")["hash"].startswith("sha256:")
    assert ask("--version")
    assert set(names) - done == {"chat"}  # which is for people, and says so
    line.close()


def test_json_of_what_goes_wrong(ctl, local):
    """--json: a refusal is the server's problem, anything else {"error"}; the line on stderr stays."""
    done = ctl("--json", "runs", "show", "nothing")
    assert (done.returncode, json.loads(done.stdout)["code"]) == (REFUSED, "not_found")
    assert done.stderr.startswith("agentctl: Not Found: ")
    done = ctl("run", "--json", "fail no")
    assert (done.returncode, json.loads(done.stdout)["code"]) == (REFUSED, "agent_failed")
    done = local("--json", "status", "-s", "/nowhere")
    assert done.returncode == UNAVAILABLE and "cannot connect" in json.loads(done.stdout)["error"]
    done = local("--json", "runz")
    assert done.returncode == USAGE and '"run"' in json.loads(done.stdout)["error"]


@pytest.mark.parametrize("arguments, said", [
    ([], "what shall it do?"),
    (["statsu"], 'did you mean "status"?'),
    (["key"], '"agentctl key new", "agentctl key hash"'),
    (["runs", "sho"], 'did you mean "runs show"?'),
    (["session", "show", "x"], 'did you mean "sessions show"?'),
    (["status", "--jsno"], "did you mean --json?"),
    (["runs", "--limit"], "--limit needs a value"),
    (["runs", "--limit", "many"], "--limit takes a number"),
    (["runs", "-x"], "there is no option -x"),
    (["runs", "show"], "runs show needs RUN"),
    (["run", "a", "b", "c"], "put quotes around the text"),
    (["-s", "/x", "-u", "http://x", "status"], "exclude each other"),
    (["completion", "fish"], 'not "fish"'),
    (["new", "agent", "../x"], "is no name for an agent"),
    (["key", "new", "--name", "a, admin: true"], "letters, digits"),
    (["chat", "--json"], "a chat is for people"),
])
def test_a_wrong_command_line(local, arguments, said):
    """Exit code 64, one line that names the mistake and what was meant, and one that points to help."""
    done = local(*arguments)
    assert done.returncode == USAGE
    lines = done.stderr.splitlines()
    assert said in lines[0] and len(lines) == 2 and lines[1].startswith("Try: agentctl help")


@pytest.mark.parametrize("arguments", ["key new", "status --json", "run request", "completion bash", "help", "-v"])
def test_what_cannot_be_written(ctl, tmp_path, arguments):
    """On a full disk it is said, and no success: a key would be lost, a list cut."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([CTL, *arguments.split()], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True,
                              env=environment(tmp_path, ctl.actor))
    assert (done.returncode, "cannot write to standard output: " in done.stderr) == (74, True), done


def test_agentd_cannot_be_reached(local, tmp_path):
    """Exit code 69, and a line that says what to do."""
    done = local("status")  # no socket anywhere, unless this machine runs one
    assert done.returncode == UNAVAILABLE or os.path.exists("/run/agentd/agentd.sock")
    done = local("status", "-s", str(tmp_path / "none"))
    assert done.returncode == UNAVAILABLE
    assert "No such file or directory; is agentd running? name its socket with --socket" in done.stderr
    done = local("status", env={"AGENTD_URL": "127.0.0.1:1"})
    assert done.returncode == UNAVAILABLE and "http://127.0.0.1:1: Connection refused" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_socket_that_is_not_for_us(local, tmp_path):
    """Permission denied comes with the name of the setting that would help."""
    (tmp_path / "sock").touch(mode=0)
    assert "control.admins" in local("status", "-s", str(tmp_path / "sock")).stderr
    advice = local("doctor", "-s", str(tmp_path / "sock")).stdout.partition("→ ")[2]
    assert "group" in advice and "sudo" in advice and "start it" not in advice


def test_where_agentd_is(agentd, local, tmp_path):
    """The socket by option, by AGENTD_SOCKET, by XDG_RUNTIME_DIR; before AGENTD_URL."""
    (tmp_path / "agentd").mkdir()
    path = str(tmp_path / "agentd" / "agentd.sock")
    agentd(f'''
        http: {{ listen: [ "127.0.0.1:0", "unix:{path}" ] }}
        agents: {{ hello: {{ plugin: echo }} }}
    ''')
    assert path in local("status").stdout
    assert path in local("status", env={"AGENTD_SOCKET": path, "AGENTD_URL": "http://127.0.0.1:1"}).stdout
    assert path in local("-s", path, "status", env={"AGENTD_SOCKET": "/nowhere"}).stdout
    assert path in local("status", "--socket", "unix:" + path).stdout


@pytest.mark.parametrize("status, body", [(200, b"<html>"), (404, b"<html>"), (404, b'{"detail":"Not Found"}'), (501, b""),
                                          (302, b""), (422, b"x"), (502, b"<html>")])
def test_it_is_no_agentd(local, status, body):
    """Something else that speaks HTTP is told from agentd, whatever it says: exit code 76. Bug: 1, for one that says no."""
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        do_POST = do_GET

        def log_message(self, *_):
            pass
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = "127.0.0.1:%d" % server.server_port
        done = [local("-u", url, *words) for words in (["status"], ["run", "x"], ["run", "--no-stream", "x"], ["reload"],
                                                       ["restart", "x"], ["runs", "events", "x"])]
        server.shutdown()
    for one in done:
        assert one.returncode == 76 and f"does not answer as agentd does (status {status})" in one.stderr, one
    assert all(("a proxy" in one.stderr) == (status == 502) for one in done)


def heads(tmp_path, arguments, **env):
    """The head of the request that a command makes, lower case."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10 * SLOW)
        url = "http://127.0.0.1:%d" % listener.getsockname()[1]
        process = subprocess.Popen([CTL, "-u", url, *arguments], env=environment(tmp_path, **env),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        connection, _ = listener.accept()
        head = connection.recv(65536).decode()
        connection.close()
    process.wait(10 * SLOW)
    return head


def test_the_api_key(tmp_path):
    """A key and a JWT go along as a bearer token, which is taken whatever `header` says; from the environment or a file,
    never argv."""
    (tmp_path / "key").write_text("agentd_file\n")
    assert "Authorization: Bearer agentd_env\r\n" in heads(tmp_path, ["status"], AGENTD_API_KEY="agentd_env")
    assert "Authorization: Bearer a.b.c\r\n" in heads(tmp_path, ["status"], AGENTD_API_KEY="a.b.c")
    head = heads(tmp_path, ["status", "--key-file", str(tmp_path / "key")], AGENTD_API_KEY="agentd_env")
    assert "Authorization: Bearer agentd_file\r\n" in head
    done = subprocess.run([CTL, "status"], env=environment(tmp_path, AGENTD_API_KEY="a\r\nHost: b"),
                          capture_output=True, text=True)
    assert done.returncode == 65 and "control character" in done.stderr
    done = subprocess.run([CTL, "status", "--key-file", str(tmp_path)], env=environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 66 and "Is a directory" in done.stderr


def test_terminal_escapes_are_harmless(ctl):
    """What an agent says cannot move a cursor, nor look as if it went the other way; --json is exact."""
    evil = "bytes 1b5b324a 07 c29b 0d e280ae 0a 09"
    done = ctl("run", evil, "--session", "s")
    assert done.stdout == "\\x1b[2J\\x07\\u009b\\x0d\\u202e\n\t\n"
    assert ctl("run", evil, "--stream").stdout == done.stdout
    assert json.loads(ctl("run", evil, "--json").stdout)["content"] == "\x1b[2J\x07\x9b\r\u202e\n\t"
    ctl("run", "fail \x1b[31mred\x1b]0;title\x07")
    ctl("run", "say x", "--session", "\u202eevil")
    for arguments in (["runs"], ["sessions"], ["sessions", "show", "s"], ["status"]):
        shown = ctl(*arguments)
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", shown.stdout + shown.stderr), arguments
    error = ctl("run", "fail \x1b[31mred").stderr
    assert "\x1b" not in error and "\\x1b[31mred" in error


def test_colours_are_for_terminals(terminal, ctl):
    """Colour on a terminal, none with NO_COLOR, none in a pipe."""
    for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        shown = terminal("status", daemon=ctl.actor, **env)
        assert shown.wait() == 0
        assert (b"\x1b[" in shown.raw) == coloured
    assert "\x1b" not in ctl("status").stdout


# The commands.

def test_status(ctl):
    """A line for agentd, a row for each agent: state, pid, memory, and after a crash its last end."""
    pid = ctl.actor.pid_of("actor")
    lines = ctl("status").stdout.splitlines()
    assert re.match(r"agentd \d\S* at http://127.0.0.1:\d+: ready$", lines[0])
    assert lines[2].split() == ["AGENT", "STATE", "PIDS", "MEMORY", "RESTARTS", "RUNNING", "QUEUED"]
    row = lines[3].split()
    assert row[:3] == ["actor", "ready", str(pid)] and re.match(r"[\d.]+[KMG]$", row[3])
    ctl.actor.run("print no flux")
    ctl.actor.run("crash")
    wait_for("the restart", lambda: ctl.actor.agent("actor")["restarts"] == 1)
    assert "killed by SIGSEGV: no flux" in ctl("status").stdout
    found = json.loads(ctl("status", "--json").stdout)
    assert found["server"]["status"] and found["agents"][0]["last_exit"]["signal"] == "SIGSEGV"
    assert found["server"]["store_error"] is None


def test_status_of_a_store_that_cannot_write(ctl, tmp_path):
    """Bug: it said "ready" while no run could succeed."""
    execute(database(tmp_path), "ALTER TABLE meta RENAME TO other", "ALTER TABLE runs RENAME TO others")
    assert ctl("run", "say x").returncode == 1
    lines = ctl("status").stdout.splitlines()
    assert lines[0].endswith(": not ready: store")
    assert lines[1] == "the store cannot write: Input/output error; until it can, runs are answered with 503, or wait"
    assert json.loads(ctl("status", "--json").stdout)["server"]["store_error"] == "Input/output error"
    assert "it cannot write: Input/output error" in ctl("doctor").stdout


def test_run(ctl):
    """The answer alone on stdout; the text from the command line or from stdin; the agent by name."""
    assert ctl("run", "say hello").stdout == "hello\n"
    assert ctl("run", "actor", "say hello").stdout == "hello\n"
    assert ctl("run", "actor", "-", input="say from stdin\n").stdout == "from stdin\n"
    assert ctl("run", input="say two\nlines\n").stdout == "two\nlines\n"
    assert ctl("run", "--stream", "deltas a b").stdout == "ab\n"
    assert ctl("run", input="").returncode == USAGE
    done = ctl("run", "nobody", "hi")
    assert done.returncode == REFUSED and 'there is no agent "nobody"' in done.stderr


def test_run_that_fails(ctl):
    """Exit code 1, nothing on stdout, the reason and the run's id on stderr."""
    done = ctl("run", "fail out of ideas")
    assert (done.returncode, done.stdout) == (REFUSED, "")
    assert re.fullmatch(r"agentctl: Agent Failed: out of ideas \(run [0-9a-f-]{36}\)\n", done.stderr)
    done = ctl("run", "--timeout", "0.1", "hang")
    assert done.returncode == REFUSED and "Timeout" in done.stderr


def test_run_in_a_session(ctl):
    """--session goes on with a session."""
    ctl("run", "--session", "s", "say one")
    assert ctl("run", "--session", "s", "history").stdout.startswith("2\nuser:say one:")


def test_run_in_the_background(ctl):
    """--background prints the run's id, whose events can be followed."""
    done = ctl("run", "--background", "deltas x y")
    id = done.stdout.strip()
    lines = ctl("runs", "events", id).stdout.splitlines()
    assert [line.split()[1] for line in lines] == ["run.started", "run.delta", "run.delta", "run.finished"]


def test_run_with_files(ctl, tmp_path):
    """--attach sends files along, by their base names, in their order, with what their endings say of them."""
    (tmp_path / "folder").mkdir()
    for name in ("note.TXT", "folder/cat.jpeg", "song.mp3", "film.webm", "none", "ä b.bin"):
        (tmp_path / name).write_text(f"in {name}")
    (tmp_path / b"\xff.md".decode(errors="surrogateescape")).write_text("x")
    names = ["note.TXT", "folder/cat.jpeg", str(tmp_path / "song.mp3"), "film.webm", "none", "ä b.bin", "./\udcff.md"]
    done = ctl("run", *(word for name in names for word in ("--attach", name)), "attached")
    assert done.stdout.splitlines() == [
        "7", "0:note.TXT:text/plain:in note.TXT", "1:cat.jpeg:image/jpeg:in folder/cat.jpeg",
        "2:song.mp3:audio/mpeg:in song.mp3", "3:film.webm:video/webm:in film.webm", "0:none::in none",
        "0:ä b.bin::in ä b.bin", "0:\ufffd.md:text/markdown:x"], done
    id = ctl("run", "--background", "--attach", "none", "attached").stdout.strip()
    wait_for("the run", lambda: ctl.actor.get(f"/runs/{id}").json["content"] == "1\n0:none::in none\n")


def test_run_with_files_that_cannot_be(ctl, tmp_path):
    """What cannot be read, or not be sent, is named, and no run is made."""
    (tmp_path / "empty").write_text("")
    (tmp_path / "large").write_bytes(b"x" * ((32 << 20) + 1))
    (tmp_path / "over").write_bytes(b"x" * (1 << 20))
    (tmp_path / "a\nb").write_text("x")
    for name, why in [("nothing", "cannot open nothing: No such file"), (".", "cannot read .: Is a directory"),
                      ("empty", "empty is empty"), ("large", "large is longer than 32 MiB")]:
        done = ctl("run", "--attach", name, "attached")
        assert (done.returncode, done.stdout) == (66, "") and why in done.stderr
    for name, why in [("over", "larger than http.max_body"), ("a\nb", '"attachments[0].name" must be')]:
        done = ctl("run", "--attach", name, "attached")
        assert (done.returncode, done.stdout) == (REFUSED, "") and why in done.stderr, done
    assert ctl("run", "--attach").returncode == USAGE
    assert ctl.actor.get("/runs").json["runs"] == []


def test_pieces_arrive_before_the_end(agentd, tmp_path):
    """--stream prints each piece when it comes, long before the run is over."""
    daemon = agentd("agents: { slow: { plugin: echo, chunk: 1, interval: 200ms } }").wait_ready()
    process = subprocess.Popen([CTL, "run", "--stream", "abcdefgh"], stdout=subprocess.PIPE,
                               env=environment(tmp_path, daemon))
    assert os.read(process.stdout.fileno(), 100) in (b"a", b"ab")
    assert one_run(daemon)["status"] == "running"
    assert process.stdout.read().endswith(b"h\n") and process.wait(20 * SLOW) == 0


@pytest.mark.parametrize("stream", ["--stream", "--no-stream", "--json"])
def test_interrupting_run(ctl, tmp_path, stream):
    """Ctrl-C cancels the run on the server, and the exit code is 130."""
    process = subprocess.Popen([CTL, "run", stream, "hang"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=environment(tmp_path, ctl.actor), text=True)
    wait_for("the run", lambda: ctl.actor.load("actor") == (1, 0))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10 * SLOW)
    assert process.returncode == INTERRUPTED and err == "agentctl: cancelled\n"
    run = one_run(ctl.actor, "cancelled")
    assert run["error"] == "it was cancelled by request"
    assert stream != "--json" or json.loads(out)["code"] == "run_cancelled"


def test_a_second_interrupt_does_not_wait(ctl, tmp_path):
    """An agent that ignores cancel does not hold agentctl: its run is over for whoever asked."""
    process = subprocess.Popen([CTL, "run", "ignore"], stderr=subprocess.PIPE,
                               env=environment(tmp_path, ctl.actor))
    wait_for("the run", lambda: ctl.actor.load("actor") == (1, 0))
    process.send_signal(signal.SIGINT)
    assert process.wait(10 * SLOW) == INTERRUPTED


def test_runs(ctl):
    """A table, newest first, filtered; one run with all of it; ids that are none are refused."""
    assert ctl("runs").stdout.startswith("There are no runs")
    ctl("run", "say one", "--session", "a")
    ctl("run", "fail two", "--session", "b")
    lines = ctl("runs").stdout.splitlines()
    assert lines[0].split()[:4] == ["RUN", "STATUS", "AGENT", "AGE"] and lines[0].endswith("  INPUT, OR ERROR")
    assert "failed" in lines[1] and "succeeded" in lines[2]
    assert len(ctl("runs", "--status", "failed").stdout.splitlines()) == 2
    assert len(ctl("runs", "--session", "a").stdout.splitlines()) == 2
    assert len(ctl("runs", "-n", "1", "--agent", "actor").stdout.splitlines()) == 2
    assert ctl("runs", "--agent", "nobody").stdout == "There are no such runs.\n"
    shown = ctl("runs", "show", lines[1].split()[0]).stdout
    assert "\nerror:       two\n" in shown and "\ninput\nfail two\n" in shown
    assert ctl("runs", "show", "x").returncode == REFUSED
    assert ctl("runs", "events", "x").returncode == REFUSED


def test_emit(ctl, agentd):
    """An event makes runs, whose ids are printed; JSON, a text, stdin or nothing is its body."""
    daemon = agentd("""
        http: { listen: [ "127.0.0.1:0" ] }
        agents: { a: { plugin: PLUGIN(actor) } }
        events: { e: { input: "{{ body }}" } }
    """).wait_ready()
    for words, stdin, input in [(['{"a":1}'], "", '{"a":1}'), (["say hi"], "", '{"data":"say hi"}'), ([], "", "{}"),
                                (["-"], "[1]", '{"data":[1]}')]:
        done = ctl("emit", "e", *words, input=stdin, daemon=daemon)
        assert done.returncode == 0, done.stderr
        assert daemon.get(f"/runs/{done.stdout.strip()}").json["input"] == input
    assert json.loads(ctl("emit", "e", "--json", daemon=daemon).stdout)["event"] == "e"
    none = ctl("emit", "other", daemon=daemon)
    assert "nothing waits" in none.stderr and none.returncode == REFUSED
    assert ctl("triggers", daemon=daemon).stdout.splitlines()[1].split() == ["event(e)", "e", "a"]
    assert json.loads(ctl("triggers", "--json", daemon=daemon).stdout)["events"][0]["agent"] == "a"
    assert ctl("triggers").stdout == "There are no triggers.\n"


def test_events_go_on_after_a_cut(agentd, tmp_path):
    """`runs events` outlives agentd: it comes back with Last-Event-ID, and shows the second attempt."""
    path = tmp_path / "agentd.sock"
    config = f'''
        http: {{ listen: [ "127.0.0.1:0", "unix:{path}" ] }}
        agents: {{ actor: {{ plugin: PLUGIN(actor) }} }}
    '''
    daemon = agentd(config).wait_ready()
    run_id = daemon.run("attempt", background=True).json["run_id"]
    process = subprocess.Popen([CTL, "-s", str(path), "runs", "events", run_id, "--json"], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(tmp_path))
    assert process.stdout.readline() == '{"events":[\n' and "run.started" in process.stdout.readline()
    daemon.process.kill()
    daemon.process.wait()
    agentd(config).wait_ready()
    out, err = process.communicate(timeout=30 * SLOW)
    names = re.findall(r'"event":"([a-z.]+)"', out)
    assert process.returncode == 0, err
    assert "run.started" not in names and "run.restarted" in names and names[-1] == "run.finished"


def test_cancel(ctl):
    """`cancel` ends a run; one that is over cannot be cancelled."""
    id = ctl("run", "--background", "hang").stdout.strip()
    wait_for("the run", lambda: ctl.actor.load("actor") == (1, 0))
    assert ctl("cancel", id).stdout == f"{id}: cancelled\n"
    wait_for("its end", lambda: ctl.actor.get(f"/runs/{id}").json["status"] == "cancelled")
    done = ctl("cancel", id)
    assert done.returncode == REFUSED and "Run Over" in done.stderr


def test_sessions(ctl, terminal):
    """Listed, shown as a conversation, deleted with --yes or a yes on a terminal."""
    ctl("run", "--session", "s", "say one\ntwo")
    ctl("run", "--session", "a b/c"[:3], "messages")
    assert ctl("sessions").stdout.splitlines()[0].split() == ["SESSION", "AGENT", "USED", "MADE"]
    assert ctl("sessions", "show", "s").stdout == "user\n  say one\n  two\nassistant\n  one\n  two\n"
    assert '[{"id":"c1"}]' in ctl("sessions", "show", "a b").stdout
    assert ctl("sessions", "delete", "s").returncode == USAGE
    asked = terminal("sessions", "delete", "s", daemon=ctl.actor)
    asked.wait_text(r"\[y/N\] ")
    asked.send("n\r")
    assert asked.wait() == REFUSED
    assert ctl("sessions", "delete", "s", "--yes").returncode == OK
    assert ctl("sessions", "show", "s").returncode == REFUSED


def test_restart(ctl):
    """`restart` asks for it, and takes what the server says."""
    before = ctl.actor.agent("actor")["generation"]
    done = ctl("restart", "actor")
    assert (done.returncode, done.stdout) == (OK, "actor: restarting\n")
    wait_for("new processes", lambda: ctl.actor.agent("actor")["generation"] == before + 1)
    assert ctl("restart", "nobody").returncode == REFUSED


# Chat.

def test_chat(ctl, terminal, tmp_path):
    """One session with its history; words with /; errors do not end it; how to go on is said at the end."""
    chat = terminal("chat", daemon=ctl.actor)
    chat.say("say grüß dich")
    chat.wait_text(r"\ngrüß dich\n")
    chat.say("fail no")
    chat.wait_text("agentctl: Agent Failed: no")
    chat.say("history")
    chat.wait_text(r"2\nuser:say grüß dich:")
    chat.say('event tool_call {"name":"look"}')
    chat.wait_text("· tool_call name=look\n")
    assert b"\x1b[2m" in chat.raw
    chat.say("/hepl")
    chat.wait_text("did you mean /help")
    chat.say("/help")
    chat.wait_text("/session  show the session's id")
    chat.say("/se")
    chat.wait_text(r"\n[0-9a-f-]{36}\n")
    chat.say("bytes 1b5b324a")
    chat.wait_text(r"\n\\x1b\[2J\n")
    chat.wait_text(r"> $")
    chat.send("\x04")
    session = chat.wait_text(r"agentctl chat --session ([0-9a-f-]{36})").group(1)
    assert chat.wait() == 0
    history = tmp_path / "client" / "agentctl" / "history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600 and "hist" in history.read_text()

    where = ["--url", "http://%s:%d" % ctl.actor.address]  # as it was said, so that the line works as it stands
    again = terminal(*where, "chat", "--session", session)
    again.wait_text("say grüß dich")
    again.say("say x")
    again.wait_text(r"\nx\n> $")
    again.send("\x04")
    again.wait_text(re.escape(f"Go on with: agentctl {' '.join(where)} chat --session {session}"))
    assert again.wait() == 0
    again = terminal("chat", "--session", session, daemon=ctl.actor)
    again.wait_text("say x")
    again.say("/new")
    again.say("history")
    again.wait_text(r"\n0\n")
    again.say("/quit")
    assert again.wait() == 0


def test_chat_shows_that_it_waits(ctl, terminal):
    """A silent agent is not mistaken for a dead terminal; the sign goes with the first word, or with Ctrl-C."""
    chat = terminal("chat", daemon=ctl.actor)
    chat.say("hang")
    chat.wait_text(r"hang\n…$")
    wait_for("the run", lambda: ctl.actor.load("actor") == (1, 0))
    chat.send("\x03")
    chat.wait_text(r"hang\nagentctl: cancelled\n> $")
    chat.say("say hello")
    chat.wait_text(r"say hello\nhello\n> $")
    chat.say("/quit")
    plain = terminal("chat", daemon=ctl.actor, NO_COLOR="1")
    plain.say("say hello")
    plain.wait_text(r"say hello\nhello\n> $")
    assert "…" not in plain.raw.decode()


def test_chat_says_on_a_line_of_its_own_that_agentd_is_gone(ctl, terminal):
    """Bug: that stood behind the last word of the answer, as if the agent had said it."""
    chat = terminal("chat", daemon=ctl.actor)
    chat.say("hang")
    wait_for("the run", lambda: ctl.actor.load("actor") == (1, 0))
    ctl.actor.process.kill()
    chat.wait_text(r"hang\nagentctl: .*; trying again\n")


def test_chat_takes_what_is_pasted_as_one_text(ctl, terminal):
    """Bug: each line of what was pasted was said on its own. Now Enter says all of it, and the history has it whole."""
    text = "say one\n\tand two\nthree"
    chat = terminal("chat", daemon=ctl.actor)
    chat.wait_text(r"> $")
    assert b"\x1b[?2004h" in chat.raw  # the terminal is to say what is pasted
    chat.send(f"\x1b[200~{text}\x1b[201~")
    chat.wait_text(r"three$")
    assert ctl.actor.get("/runs").json["runs"] == []
    chat.send("\r")
    assert one_run(ctl.actor, "succeeded")["input"] == text
    chat.wait_text(r"> $")
    chat.send("\x1b[A\r")
    wait_for("it to be said again", lambda: [run["input"] for run in ctl.actor.get("/runs").json["runs"]] == [text, text])
    chat.say("/quit")
    assert chat.wait() == 0 and b"\x1b[?2004l" in chat.raw


def test_interrupting_chat(ctl, terminal):
    """Ctrl-C during an answer cancels the run and comes back to the prompt, where it clears the line."""
    chat = terminal("chat", "actor", daemon=ctl.actor)
    chat.say("hang")
    run = one_run(ctl.actor, "running")
    wait_for("the run", lambda: ctl.actor.load("actor") == (1, 0))
    chat.send("\x03")
    chat.wait_text("agentctl: cancelled")
    assert one_run(ctl.actor, "cancelled")["run_id"] == run["run_id"]
    chat.wait_text(r"> $")
    chat.send("say not th")
    chat.wait_text("say not th$")
    chat.send("\x03")
    chat.wait_text(r"\n> $")
    chat.say("say this")
    chat.wait_text(r"\nthis\n")
    chat.say("/quit")
    assert chat.wait() == 0
    assert len(ctl.actor.get("/runs").json["runs"]) == 2


def test_chat_shows_a_restart(agentd, terminal):
    """An agent that dies and begins again is said; the session goes on."""
    daemon = agentd("agents: { actor: { plugin: PLUGIN(actor) } }\n"
                    "supervision: { backoff_min: 50ms, backoff_max: 50ms }").wait_ready()
    chat = terminal("chat", daemon=daemon)
    chat.say("crash")
    chat.wait_text("agentctl: Agent Crashed: .*SIGSEGV")
    daemon.wait_ready()
    chat.say("say alive")
    chat.wait_text(r"\nalive\n")


def test_chat_through_a_pipe(ctl):
    """Lines in, answers out: no prompt, no colour, one session; the exit code is that of the last."""
    done = ctl("chat", input="say one\n\nfail two\nhistory\n")
    assert done.stdout == "one\n2\nuser:say one::\nassistant:one::\n"
    assert "Agent Failed: two" in done.stderr and done.returncode == OK
    assert ctl("chat", input="fail x").returncode == REFUSED
    assert ctl("chat", "nobody", input="x\n").returncode == REFUSED
    assert ctl("chat", "--session", "nothing", input="x\n").returncode == REFUSED


def test_chat_needs_to_know_with_whom(agentd, tmp_path):
    """Several agents and no default: it lists them."""
    daemon = agentd("agents: { one: { plugin: echo }, two: { plugin: echo } }").wait_ready()
    done = subprocess.run([CTL, "chat"], input="hi", capture_output=True, text=True, env=environment(tmp_path, daemon))
    assert done.returncode == USAGE and "name an agent: one, two" in done.stderr
    assert daemon.run("x", agent="two", session_id="s").status == 200
    for agent, code in (("one", REFUSED), ("two", OK)):
        done = subprocess.run([CTL, "chat", agent, "--session", "s"], input="hi", capture_output=True, text=True,
                              env=environment(tmp_path, daemon))
        assert (done.returncode, "one with two" in done.stderr) == (code, code == REFUSED), done.stderr


# Without a server.

def test_key_new(local):
    """43 characters of base64url from 32 bytes, never the same; the hash is SHA-256 of the whole text."""
    done = local("key", "new", "--name", "ci", "--admin", "--agent", "a", "--agent", "b")
    key = done.stdout.splitlines()[0]
    assert re.fullmatch(r"agentd_[A-Za-z0-9_-]{43}", key)
    assert len(base64.urlsafe_b64decode(key[7:] + "=")) == 32
    digest = hashlib.sha256(key.encode()).hexdigest()
    assert f"  - {{ name: ci, hash: sha256:{digest}, admin: true, agents: [ a, b ] }}\n" in done.stdout
    assert local("key", "hash", input=key + "\n").stdout == f"sha256:{digest}\n"
    assert local("key", "new").stdout.splitlines()[0] != key
    assert local("key", "hash", input="").returncode != OK
    done = local("key", "hash", input="k" * 1025)  # agentd would not know it
    assert done.returncode == 65 and "1024" in done.stderr and not done.stdout
    assert local("key", "hash", input="k" * 1024).returncode == OK


def test_key_hash_on_a_terminal(terminal):
    """What is typed is not shown."""
    asked = terminal("key", "hash")
    asked.wait_text("Key: $")
    wait_for("echo to be off", lambda: not termios.tcgetattr(asked.fd)[3] & termios.ECHO)
    asked.send("secret\r")
    assert asked.wait() == 0
    assert "secret" not in asked.text and hashlib.sha256(b"secret").hexdigest() in asked.text


def test_key_hash_is_given_up(terminal):
    """Ctrl-C gives the terminal back as it was: what is typed next is seen."""
    asked = terminal("key", "hash")
    asked.wait_text("Key: $")
    wait_for("echo to be off", lambda: not termios.tcgetattr(asked.fd)[3] & termios.ECHO)
    slave = os.open(os.readlink(f"/proc/{asked.pid}/fd/0"), os.O_RDWR | os.O_NOCTTY)  # the settings outlive the program
    try:
        asked.send("sec\x03")
        assert asked.wait() == -signal.SIGINT
        assert termios.tcgetattr(slave)[3] & termios.ECHO
    finally:
        os.close(slave)


@pytest.mark.skipif(SANITIZED, reason="a plugin without the sanitizer")
def test_new_agent(local, tmp_path):
    """The folder builds without a warning against what make install puts in place, and its agent answers."""
    quiet = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    done = local("new", "agent", "my-agent")
    assert done.returncode == OK, done.stderr
    assert sorted(p.name for p in (tmp_path / "my-agent").iterdir()) == ["Makefile", "README.md", "my-agent.c"]
    (tmp_path / "agentd.pc").write_text(f"Name: agentd\nDescription: x\nVersion: 0\nCflags: -I{ROOT}/include\n")
    built = subprocess.run(["make", "-C", "my-agent", "CFLAGS=-Werror"], cwd=tmp_path, capture_output=True, text=True,
                           env={**quiet, "PKG_CONFIG_PATH": str(tmp_path)})
    assert built.returncode == 0, built.stderr
    assert local("try", "my-agent/my-agent.so", "hello world").stdout == "You said: hello world\n"
    if BUILD.parent == ROOT:  # what is not installed finds the header of its source folder
        built = subprocess.run(["make", "-B", "-C", "my-agent"], cwd=tmp_path, capture_output=True, text=True,
                               env={**quiet, "PKG_CONFIG_LIBDIR": str(tmp_path / "none")})
        assert built.returncode == 0, built.stderr
    again = local("new", "agent", "my-agent")
    assert again.returncode == 73 and "nothing was changed" in again.stderr
    assert local("new", "agent", "3po", "--dir", "my-agent").returncode == OK
    built = subprocess.run(["make", "-C", "my-agent/3po", f"AGENTD={ROOT}"], cwd=tmp_path, capture_output=True,
                           text=True, env={**quiet, "PKG_CONFIG_PATH": str(tmp_path)})
    assert built.returncode == 0, built.stderr


def is_clean(folder):
    """No folder of a trial is left, and no process that has it in its command line."""
    left = [p for p in folder.iterdir() if p.name.startswith("agentctl-")]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if str(folder).encode() in file.read():
                    left.append(pid)
        except OSError:
            pass
    return not left


@pytest.fixture
def trial(local, tmp_path):
    """agentctl try, with a TMPDIR that must be empty afterwards."""
    (tmp_path / "t").mkdir()
    yield lambda *arguments, **more: local("try", *arguments, env={"TMPDIR": str(tmp_path / "t")}, **more)
    assert is_clean(tmp_path / "t")


def test_try(trial):
    """A plugin answers without a config; its warnings come along; nothing is left behind."""
    done = trial(plugin("actor"), "say hello")
    assert (done.returncode, done.stdout, done.stderr) == (OK, "hello\n", "")
    assert trial(plugin("actor"), input="say from stdin").stdout == "from stdin\n"
    assert trial("echo", "a plugin that ships").stdout == "a plugin that ships\n"
    done = trial(plugin("actor"), "crash")
    assert done.returncode == REFUSED and "agentd warn" in done.stderr and "SIGSEGV" in done.stderr


@pytest.mark.parametrize("text, says", [("log hello", "hello"), ("print hello", "hello"), ("stdout hello", "hello")])
def test_try_shows_what_a_plugin_says(trial, text, says):
    """Bug: what a plugin logs and prints was hidden by the tool for those who write one. It is on stderr, so that the answer
    alone is on stdout."""
    done = trial(plugin("actor"), text)
    assert done.returncode == OK and done.stderr == f"agent actor: {says}\n" and says not in done.stdout


def test_try_on_a_terminal(terminal, tmp_path):
    """There it is dim, and never behind a piece of the answer."""
    (tmp_path / "noisy.c").write_text('''
        #include <stdio.h>
        #include <unistd.h>
        #include <agentd/plugin.h>
        static const struct agentd_host *host;
        static int self;
        static int noisy_open(const struct agentd_host *given, const struct agentd_options *options, void **ret)
        {
            host = given;
            *ret = &self;
            return 0;
        }
        static int noisy_run(void *self, struct agentd_run *run, const struct agentd_request *request)
        {
            host->delta(run, agentd_text("one ", 4));
            sleep(1);
            fprintf(stderr, "between\\n");
            sleep(1);
            host->delta(run, agentd_text("two", 3));
            struct agentd_result result = { .size = sizeof(result) };
            host->finish(run, &result);
            return 0;
        }
        static const struct agentd_agent_ops ops = { .size = sizeof(ops), .open = noisy_open, .run = noisy_run };
        const struct agentd_plugin agentd_plugin = { AGENTD_PLUGIN_HEAD, .kind = AGENTD_AGENT, .name = "noisy", .flags = AGENTD_BLOCKING,
            .version = "1", .summary = "x", .agent = &ops };
    ''')
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{ROOT}/include", "-o", "noisy.so", "noisy.c"], cwd=tmp_path, check=True)
    shown = terminal("try", "./noisy.so", "x")
    assert shown.wait(30) == 0
    assert shown.text == "one \nagent noisy: between\ntwo\n" and b"\x1b[2magent noisy: between\x1b[0m" in shown.raw


def test_try_what_is_broken(trial, tmp_path):
    """A file that is no plugin, none at all, and one whose open fails: why, and exit code."""
    (tmp_path / "text.so").write_text("no")
    done = trial("./text.so", "x")
    assert done.returncode == REFUSED and "cannot be loaded" in done.stderr
    assert trial("./none.so", "x").returncode == 66
    done = trial("exec", "x")
    assert done.returncode == REFUSED and "exec needs options" in done.stderr and '"command" is missing' in done.stderr
    (tmp_path / "bad.c").write_text('''
        #include <agentd/plugin.h>
        static int bad_open(const struct agentd_host *host, const struct agentd_options *options, void **self)
        {
            host->log(host, AGENTD_LOG_INFO, "about to fail");
            return -5;
        }
        static int bad_run(void *self, struct agentd_run *run, const struct agentd_request *request) { return -5; }
        static const struct agentd_agent_ops ops = { .size = sizeof(ops), .open = bad_open, .run = bad_run };
        const struct agentd_plugin agentd_plugin = { AGENTD_PLUGIN_HEAD, .kind = AGENTD_AGENT, .name = "bad",
            .version = "1", .summary = "x", .agent = &ops };
    ''')
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{ROOT}/include", "-o", "bad.so", "bad.c"], cwd=tmp_path, check=True)
    done = trial("./bad.so", "x")
    assert done.returncode == REFUSED
    assert "the plugin does not start: its open failed" in done.stderr and "about to fail" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_try_that_is_ended(tmp_path, number):
    """However agentctl ends, its agentd ends too; unless it is killed, so does the folder."""
    (tmp_path / "t").mkdir()
    process = subprocess.Popen([CTL, "try", plugin("actor"), "--", "hang"], stderr=subprocess.DEVNULL,
                               env=environment(tmp_path, TMPDIR=str(tmp_path / "t")))
    path = wait_for("its agentd", lambda: list((tmp_path / "t").glob("*/agentd.sock")))[0]

    def running():
        done = subprocess.run([CTL, "-s", str(path), "status", "--json"], capture_output=True, text=True,
                              env=environment(tmp_path))
        return done.returncode == 0 and json.loads(done.stdout)["agents"][0]["running"] == 1
    wait_for("the run", running)
    process.send_signal(number)
    process.wait(30 * SLOW)
    if number == signal.SIGKILL:
        wait_for("agentd to end", lambda: subprocess.run(
            [CTL, "-s", str(path), "status"], capture_output=True, env=environment(tmp_path)).returncode == 69, 40)
        shutil.rmtree(path.parent)
    wait_for("nothing to be left", lambda: is_clean(tmp_path / "t"))


def test_try_as_a_chat(terminal, tmp_path):
    """Without a text, on a terminal: a chat, which ends with its agentd."""
    (tmp_path / "t").mkdir()
    chat = terminal("try", plugin("echo"), TMPDIR=str(tmp_path / "t"))
    chat.say("hello there")
    chat.wait_text(r"\nhello there\n")
    chat.say("/quit")
    assert chat.wait(30) == 0
    assert "--session" not in chat.text and is_clean(tmp_path / "t")


def verdicts(done):
    return {(c["check"], c["verdict"]): c for c in json.loads(done.stdout)["checks"]}


def test_doctor(ctl, local, tmp_path):
    """All is well with a good daemon; a stopped one, a broken config and a failed agent are failures."""
    done = ctl("doctor", "-c", "agent.conf", "--json")
    found = verdicts(done)
    assert done.returncode == OK and ("server", "ok") in found and ("config", "ok") in found
    assert "can make no files right in" in found["config", "ok"]["text"]  # its last word on that
    assert ("agent", "ok") in found and "left" in found["store", "ok"]["text"]
    assert ctl("doctor").stdout.splitlines()[-1] in ("All is well.", "Nothing is wrong, but see the warnings.")

    ctl.actor.run("fatal no money")
    wait_for("its end", lambda: ctl.actor.agent("actor")["state"] == "failed")
    done = ctl("doctor", "--json")
    assert done.returncode == REFUSED and "no money" in verdicts(done)["agent", "fail"]["text"]

    (tmp_path / "bad.conf").write_text("agents: { a: { plugin: echo, timeuot: 3s } }\n")
    done = local("doctor", "-c", "bad.conf", "-s", str(tmp_path / "none"))
    assert done.returncode == REFUSED and re.search(r"fail +config +bad.conf:1: .*timeuot", done.stdout), done.stdout
    assert re.search(r"fail +server +cannot connect to", done.stdout) and "→ start it" in done.stdout
    assert done.stdout.endswith("Something is wrong.\n")


@pytest.mark.parametrize("body, says, advises", [
    (b'{"title":"Forbidden","code":"forbidden","detail":"not among control.admins"}', "not among control.admins", False),
    (b"<html>", "it answered with status 403", True)])
def test_doctor_who_is_refused(local, body, says, advises):
    """A server that lets nobody in says why; only of what is no agentd the doctor asks what it is."""
    class Refuses(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(403)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = local("doctor", "-u", "127.0.0.1:%d" % server.server_port)
        server.shutdown()
    assert done.returncode == REFUSED and re.search(f"fail +server +http://.*: .*{says}", done.stdout), done.stdout
    assert ("is it agentd that listens there?" in done.stdout) == advises


def test_doctor_minds_the_plugins_folder(local, tmp_path):
    """A plugin, or a folder of plugins, that others may write is a failure: it runs what they like."""
    (tmp_path / "drop").mkdir()
    os.chmod(tmp_path / "drop", 0o777)
    (tmp_path / "agent.conf").write_text("plugins: { dir: drop, path: [ %s ] }\nagents: { a: { plugin: echo } }\n"
                                         % (BUILD / "plugins"))
    done = local("doctor", "-c", str(tmp_path / "agent.conf"), "--json")
    assert "drop" in verdicts(done)["plugins", "fail"]["text"]
    assert str(BUILD / "plugins") in verdicts(done)["plugins", "ok"]["text"]


# Shells, and the manual.

def complete_in_bash(tmp_path, daemon, *words):
    """What bash offers for the last of the words."""
    script = 'source <("$0" completion bash); COMP_WORDS=("$0" "$@"); COMP_CWORD=$#; _agentctl; ' \
             'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", script, CTL, *words], capture_output=True, text=True,
                          env=environment(tmp_path, daemon))
    assert done.stderr == ""
    return done.stdout.split()


def test_completion_in_bash(ctl, tmp_path):
    """Commands, their second words, options, and the server's names; no name that a shell might run."""
    ctl("run", "say x", "--session", "plain")
    ctl("run", "say x", "--session", "$(touch ran)")
    run_id = json.loads(ctl("runs", "-n", "1", "--json").stdout)["runs"][0]["run_id"]
    going = ctl("run", "--background", "hang").stdout.strip()

    def offered(*words):
        return complete_in_bash(tmp_path, ctl.actor, *words)
    assert offered("sta") == ["status"]
    assert offered("runs", "") == ["show", "events"]
    assert offered("restart", "a") == ["actor"]
    assert offered("sessions", "show", "") == ["plain"]
    assert run_id in offered("runs", "show", "") and offered("cancel", "") == [going]
    assert offered("run", "--str") == ["--stream"]
    assert offered("--json", "runs", "--status", "f") == ["failed"]
    assert offered("help", "ke") == ["key"]
    assert offered("complete", "x") == [] and offered("nothing", "") == []
    assert complete_in_bash(tmp_path, None, "restart", "") == []
    assert not (tmp_path / "ran").exists()


def test_completion_knows_schedules_and_events(agentd, tmp_path):
    """The names that cron run, pause and resume take, and the events that a trigger waits for."""
    daemon = agentd("""
        agents: { a: { plugin: PLUGIN(actor) } }
        cron: { nightly: { schedule: "@daily", input: x } }
        events: { w: { event: signup, input: x } }
    """).wait_ready()
    for words, names in ((["cron", "run", ""], ["nightly"]), (["cron", "pause", "n"], ["nightly"]), (["cron", "resume", ""], ["nightly"]),
                         (["emit", ""], ["signup"]), (["emit", "signup", ""], []), (["cron", "next", ""], [])):
        assert complete_in_bash(tmp_path, daemon, *words) == names


def test_completion_asks_the_agentd_that_is_meant(ctl, tmp_path):
    """As it is typed: bash cuts a word at its colons, and all options that say which agentd it is count."""
    (tmp_path / "key").write_text("unknown")
    ctl("link", "ann", "tel:12345")
    (tmp_path / "rc").write_text("PS1='> '\nsource <(agentctl completion bash)\nprintf 'set''up\\n'\n")
    host, port = ctl.actor.address
    shell = Terminal(["bash", "--rcfile", "rc", "-i"], environment(tmp_path, PATH=f"{BUILD}:{os.environ['PATH']}"), tmp_path)
    try:
        shell.wait_text(r"setup\n[^>]*> $")
        for typed, shown in ((f"agentctl --url http://{host}:{port} --key-file key restart act\t", "restart actor $"),
                             (f"\x15agentctl --key-file=key --url=http://{host}:{port} restart act\t", "restart actor $"),
                             (f"\x15agentctl -u http://{host}:{port} unlink tel:12\t", "unlink tel:12345 $")):
            shell.raw = b""
            shell.send(typed)
            shell.wait_text(shown)
    finally:
        shell.close()


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_scripts_are_good(local, tmp_path, shell):
    """The shell itself accepts the script."""
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    (tmp_path / "script").write_text(local("completion", shell).stdout)
    done = subprocess.run([shell, "-n", "script"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh here")
def test_completion_in_zsh(ctl, local, tmp_path):
    """A Tab completes a command and an agent's name."""
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "_agentctl").write_text(local("completion", "zsh").stdout)
    shell = Terminal(["zsh", "-f", "-i"], environment(tmp_path, ctl.actor, PATH=f"{BUILD}:{os.environ['PATH']}"), tmp_path)
    shell.send("PS1='> '; fpath=($PWD/functions $fpath); autoload -U compinit; compinit -u -d d; print set''up\r")
    shell.wait_text(r"\nsetup\n[^>]*> $")
    for typed, shown in (("agentctl rest", "rest$"), ("\t", "restart $"), ("a", "a$"), ("\t", "a.*ctor $")):
        shell.send(typed)  # one by one: zsh takes a Tab that comes with other input for text
        shell.wait_text(shown)
    shell.close()


@pytest.mark.skipif(not shutil.which("mandoc"), reason="no mandoc here")
def test_the_manual(local, tmp_path):
    """agentctl(1) is good mdoc, and names every command and option that help names."""
    (tmp_path / "agentctl.1").write_text(local("help", "--man").stdout)
    lint = subprocess.run(["mandoc", "-Tlint", "-Wstyle", "agentctl.1"], cwd=tmp_path, capture_output=True, text=True)
    assert lint.stdout + lint.stderr == ""
    text = subprocess.run(["mandoc", "-Tutf8", "agentctl.1"], cwd=tmp_path, capture_output=True, text=True).stdout
    text = re.sub(r".\x08", "", text)
    for command in json.loads(local("help", "--json").stdout)["commands"]:
        assert re.search(rf"^ +{command['name']}\b", text, re.M), command["name"]
        for option in command["options"]:
            assert f"--{option['name']}" in text


def test_help_of_each_command(local):
    """help COMMAND and COMMAND -h say the same, for every command; lines fit a terminal."""
    commands = json.loads(local("help", "--json").stdout)["commands"]
    assert len(commands) >= 18
    for command in commands:
        shown = local("help", *command["name"].split()).stdout
        assert shown == local(*command["name"].split(), "-h").stdout
        assert shown.startswith(f"usage: agentctl {command['name']}") and command["summary"] in shown
        assert all(len(line) <= 100 for line in shown.splitlines())
