"""agentctl and chats: interfaces and hooks in status, restart and doctor; the outbox; who is who; new plugins of these
kinds."""
import json
import os
import re
import socket
import subprocess

import pytest

from conftest import BUILD, ROOT, SANITIZED, SLOW, plugin, wait_for
from credentials import Control
from line import Line
from test_agentctl import OK, REFUSED, USAGE, complete_in_bash, environment, local, terminal, verdicts  # noqa: F401

CONFIG = """
agents: { bot: { plugin: PLUGIN(actor) } }
interfaces: { tel: INTERFACE }
hooks: { gate: { plugin: PLUGIN(gate) } }
identity: { boss: "line:boss" }
supervision: { backoff_min: 20s, backoff_max: 20s, drain: 1s, kill: 500ms }
"""


@pytest.fixture
def line():
    platform = Line()
    yield platform
    platform.close()


@pytest.fixture
def daemon(agentd, line):
    interface = line.config("agent: bot", "open: true", "auto: false", "hooks: [ gate ]")
    daemon = agentd(CONFIG.replace("INTERFACE", interface)).wait_ready()
    line.wait("UP")
    wait_for("all to serve", lambda: daemon.get("/ready").status == 200)
    return daemon


@pytest.fixture
def ctl(daemon, tmp_path):
    def run(*arguments, code=OK):
        done = subprocess.run(["agentctl", *arguments], executable=str(BUILD / "agentctl"), input="", capture_output=True, text=True,
                              cwd=tmp_path, env=environment(tmp_path, daemon), timeout=30 * SLOW)
        assert "Sanitizer" not in done.stderr and done.returncode == code, done
        return done
    return run


def test_status(ctl, daemon, line):
    """Interfaces and hooks have a row each: state, process, messages; one that waits says until when."""
    line.message("say x")
    line.wait("SEND")
    text = ctl("status").stdout
    assert re.search(r"^INTERFACE +STATE +PIDS +MEMORY +RESTARTS +RECEIVED +ANSWERED +FAILED +WAITING\n"
                     rf"tel +ready +{line.pids[0]} +[\d.]+[KMG] +0 +1 +0 +0 +1$", text, re.M), text
    assert re.search(r"^HOOK +STATE +PIDS +MEMORY +RESTARTS +CALLS +WAITING\ngate +ready +\d+ +[\d.]+[KMG] +0 +\d+ +0$", text, re.M), text
    line.order("crash")
    wait_for("it to wait", lambda: daemon.get("/interfaces/tel").json["state"] == "backoff")
    text = ctl("status").stdout
    assert "not ready: tel\n" in text and re.search(r"^tel +backoff +in \d\ds .*killed by SIGSEGV$", text, re.M), text
    document = json.loads(ctl("status", "--json").stdout)
    assert document["interfaces"][0]["state"] == "backoff" and document["interfaces"][0]["memory_bytes"] is None
    assert document["hooks"][0]["memory_bytes"] > 100000


def test_restart(ctl, daemon, line):
    """`restart` takes any name that the config gives to an agent, an interface or a hook."""
    assert ctl("restart", "tel").stdout == "tel: restarting\n"
    line.wait("UP", 2)
    assert ctl("restart", "gate").stdout == "gate: restarting\n"
    wait_for("the hook", lambda: daemon.get("/hooks/gate").json["generation"] == 2)
    assert ctl("restart", "bot").stdout == "bot: restarting\n"
    assert ctl("restart", "nobody", code=REFUSED).stderr.endswith('there is no agent, interface or hook "nobody"\n')
    for near, name in (("bto", "bot"), ("te", "tel"), ("gaet", "gate")):
        assert f'hook "{near}"; did you mean "{name}"?' in ctl("restart", near, code=REFUSED).stderr


def test_outbox(ctl, terminal, daemon, line):  # noqa: F811
    """What no platform has taken, with the reason; tried again, or thrown away after a yes."""
    assert ctl("outbox").stdout == "All replies have been taken.\n"
    line.message("say hello", chat="c1")
    line.sent(line.wait("SEND")[0][1], 2, error="the chat is closed")
    line.message("say later", chat="c2")
    line.sent(line.wait("SEND", 2)[1][1], 1, retry_after=50000, error="too fast")
    wait_for("both to be written", lambda: all(one["error"] for one in daemon.get("/outbox").json["replies"]))
    lines = ctl("outbox").stdout.splitlines()
    assert lines[0].split() == "REPLY INTERFACE CHAT AGE ATTEMPTS NEXT TRY ERROR, OR TEXT".split()
    assert re.match(r" *2 +tel +c2 +\w+ +0 +in [345]\ds +too fast$", lines[1]), lines
    assert re.match(r" *1 +tel +c1 +\w+ +1 +aside +the chat is closed$", lines[2]), lines
    assert len(ctl("outbox", "-n", "1").stdout.splitlines()) == 2
    assert ctl("outbox", "retry", "1").stdout == "1: retrying\n"
    line.sent(line.wait("SEND", 3)[2][1])
    assert "say --yes" in ctl("outbox", "delete", "2", code=USAGE).stderr
    asked = terminal("outbox", "delete", "2", daemon=daemon)
    asked.wait_text(r"Delete reply 2\? \[y/N\] ")
    asked.send("n\r")
    assert asked.wait() == REFUSED
    assert ctl("outbox", "delete", "2", "--yes").stdout == "2: deleted\n"
    wait_for("nothing to be left", lambda: ctl("outbox").stdout == "All replies have been taken.\n")
    assert "there is no such reply" in ctl("outbox", "retry", "2", code=REFUSED).stderr
    assert 'did you mean "outbox retry"' in ctl("outbox", "retri", "2", code=USAGE).stderr


def test_who_is_who(ctl, daemon):
    """link adds to what a user is, unlink takes away, with the user or without; what the config says stands."""
    assert [row.split() for row in ctl("identities").stdout.splitlines()] == [["USER", "IS", "LINKED"], ["boss", "line:boss", "config"]]
    assert ctl("link", "Ann A", "line:12").stdout == "line:12: linked to Ann A\n"
    assert ctl("link", "Ann A", "tele:a:b").returncode == OK and ctl("link", "Ann A", "line:12").returncode == OK
    rows = [row.split() for row in ctl("identities").stdout.splitlines()]
    assert [row[:3] for row in rows[1:3]] == [["Ann", "A", "line:12"], ["Ann", "A", "tele:a:b"]] and len(rows) == 4
    assert 'line:12 is the user "Ann A"; unlink it there first' in ctl("link", "bob", "line:12", code=REFUSED).stderr
    assert "not PLATFORM:ID" in ctl("link", "bob", "12", code=REFUSED).stderr
    assert "line:12 is linked to Ann A" in ctl("unlink", "bob", "line:12", code=REFUSED).stderr
    assert "line:13 is linked to nobody" in ctl("unlink", "line:13", code=REFUSED).stderr
    assert "by the config (identity): take it out there" in ctl("unlink", "line:boss", code=REFUSED).stderr
    assert ctl("unlink", "line:12").stdout == "line:12: no more linked to Ann A\n"
    assert [link["platform"] for link in json.loads(ctl("unlink", "Ann A", "tele:a:b", "--json").stdout)["links"]] == []
    assert [user["user_id"] for user in daemon.get("/identities").json["identities"]] == ["boss"]
    assert ctl("link", "boss", "line:2").returncode == OK and ctl("unlink", "boss", "line:2").returncode == OK


def test_an_empty_list(agentd, tmp_path):
    """Without links it says so."""
    daemon = agentd("agents: { a: { plugin: echo } }").wait_ready()
    done = subprocess.run([str(BUILD / "agentctl"), "identities"], capture_output=True, text=True, env=environment(tmp_path, daemon))
    assert done.stdout == "Nobody is linked.\n"


def test_doctor(ctl, daemon, line):
    """An interface that has failed is a failure, one that waits a warning, and so is a reply that is kept aside."""
    found = verdicts(ctl("doctor", "--json"))
    assert ("interface", "ok") in found and ("hook", "ok") in found and not [key for key in found if key[0] == "outbox"]
    line.message("say hello")
    line.sent(line.wait("SEND")[0][1], 2, error="closed")
    wait_for("it to be aside", lambda: daemon.get("/outbox").json["replies"][0]["aside"])
    found = verdicts(ctl("doctor", "--json"))
    assert found["outbox", "warn"]["text"].startswith("1 reply is kept aside")
    line.order("crash")
    wait_for("it to wait", lambda: daemon.get("/interfaces/tel").json["state"] == "backoff")
    assert "tel is in state backoff; its last end: killed by SIGSEGV" in verdicts(ctl("doctor", "--json"))["interface", "warn"]["text"]
    assert ctl("restart", "tel").returncode == OK
    line.wait("UP", 2)
    line.order("fatal")
    wait_for("its end", lambda: daemon.get("/interfaces/tel").json["state"] == "failed")
    found = verdicts(ctl("doctor", "--json", code=REFUSED))
    assert "tel has failed: " in found["interface", "fail"]["text"] and "token is refused" in found["interface", "fail"]["text"]


def test_completion(ctl, daemon, line, tmp_path):
    """Tab knows interfaces, hooks, replies, users and links."""
    ctl("link", "ann", "line:12")
    line.message("say x")
    line.wait("SEND")

    def offered(*words):
        return complete_in_bash(tmp_path, daemon, *words)
    assert offered("restart", "") == ["bot", "tel", "gate"]
    assert offered("outbox", "") == ["retry", "delete"] and offered("outbox", "retry", "") == ["1"]
    assert offered("link", "") == ["ann", "boss"]
    assert offered("unlink", "") == ["ann", "boss", "line:12", "line:boss"]
    assert offered("new", "") == ["agent", "interface", "hook"]


@pytest.mark.parametrize("name, kind, section", [("line", "an interface", "interfaces"), ("gate", "a hook", "hooks")])
def test_try_what_is_no_agent(local, name, kind, section):  # noqa: F811
    """It says what the plugin is, why that cannot be tried, and what to do instead."""
    done = local("try", plugin(name), "hello")
    assert done.returncode == REFUSED and done.stdout == ""
    said = done.stderr.splitlines()[0]
    assert f"is {kind}, which cannot be tried alone" in said and f"the section {section}" in said and "agentctl new interface" in said


def build(folder, tmp_path):
    """make, against what make install puts in place; a warning is an error."""
    quiet = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    (tmp_path / "agentd.pc").write_text(f"Name: agentd\nDescription: x\nVersion: 0\nCflags: -I{ROOT}/include\n")
    built = subprocess.run(["make", "-C", folder, "CFLAGS=-Werror -O2"], cwd=tmp_path, capture_output=True, text=True,
                           env={**quiet, "PKG_CONFIG_PATH": str(tmp_path)})
    assert built.returncode == 0, built.stderr


def talk(port, *said):
    """Says lines on a new connection, and reads as many back."""
    def connect():
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=10 * SLOW)
        except ConnectionRefusedError:
            return None
    with wait_for("the interface to listen", connect) as connection, connection.makefile("rw") as chat:
        heard = []
        for text in said:
            chat.write(text + "\n")
            chat.flush()
            heard.append(chat.readline().rstrip("\n"))
        return heard


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.skipif(SANITIZED, reason="a plugin without the sanitizer")
def test_new_interface(local, agentd, tmp_path):  # noqa: F811
    """The folder builds without a warning, its config is good, and its interface takes messages and brings answers, also
    after it was restarted."""
    done = local("new", "interface", "my-chat")
    assert "agentd -c my-chat/agent.conf" in done.stdout and done.returncode == OK
    assert sorted(p.name for p in (tmp_path / "my-chat").iterdir()) == ["Makefile", "README.md", "agent.conf", "my-chat.c"]
    build("my-chat", tmp_path)
    conf, port = tmp_path / "my-chat" / "agent.conf", free_port()
    conf.write_text(conf.read_text().replace("port: 7700", f"port: {port}"))
    daemon = agentd(arguments=["-c", str(conf)], listening=False)
    assert talk(port, "hello", "and again") == ["hello", "and again"]
    assert talk(port, "another") == ["another"]
    daemon.address = None
    control = Control(daemon)
    [interface] = control.get("/interfaces").json["interfaces"]
    assert (interface["name"], interface["platform"], interface["received"]) == ("my-chat", "my-chat", 3)
    assert control.request("POST", "/interfaces/my-chat/restart").status == 202
    wait_for("it to serve again", lambda: (lambda it: it["generation"] == 2 and it["state"] == "ready")(
        control.get("/interfaces/my-chat").json))
    assert talk(port, "after it") == ["after it"]
    wait_for("its reply to be taken", lambda: control.get("/outbox").json["replies"] == [])


@pytest.mark.skipif(SANITIZED, reason="a plugin without the sanitizer")
def test_new_hook(local, agentd, line, tmp_path):  # noqa: F811
    """The folder builds without a warning, and its hook refuses a word and puts a note under each answer."""
    done = local("new", "hook", "3rd")
    assert "3rd/README.md has the lines of the config" in done.stdout
    assert sorted(p.name for p in (tmp_path / "3rd").iterdir()) == ["3rd.c", "Makefile", "README.md"]
    build("3rd", tmp_path)
    agentd(f"""
        agents: {{ bot: {{ plugin: PLUGIN(actor) }} }}
        interfaces: {{ tel: {line.config("agent: bot", "open: true", "hooks: [ 3rd ]")} }}
        hooks: {{ 3rd: {{ plugin: ./3rd/3rd.so, word: swordfish }} }}
    """).wait_ready()
    line.wait("UP")
    line.message("say swordfish")
    line.message("say something else")
    assert line.replies() == [("c1", "something else\n(3rd)")]


@pytest.mark.parametrize("kind", ["interface", "hook"])
def test_new_refuses(local, tmp_path, kind):  # noqa: F811
    """A bad name, and a folder that is there, as for agents."""
    assert f"is no name for a{'n' * (kind == 'interface')} {kind}" in local("new", kind, "../x").stderr
    (tmp_path / "taken").mkdir()
    done = local("new", kind, "taken")
    assert done.returncode == 73 and "nothing was changed" in done.stderr
