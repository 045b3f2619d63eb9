"""Reload: another config, or other plugins, for an agentd that goes on serving."""
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import textwrap
import threading
from pathlib import Path

import pytest

from conftest import BUILD, HEAD, SANITIZED, assert_problem, plugin, wait_for
from credentials import hash_of

CTL = str(BUILD / "agentctl")
ZOO = BUILD / "tests" / "zoo"


def write(daemon, config, name="agent.conf"):
    text = textwrap.dedent(config)
    if name == "agent.conf" and not re.search(r"(?m)^\s*http:", text):
        text = HEAD + text
    text = re.sub(r"PLUGIN\((\w+)\)", lambda m: plugin(m.group(1)), text)
    path = Path(daemon.cwd) / name
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)  # whole, whenever it is read


def reload(daemon, config=None):
    """Writes the config, if there is one, and asks for it: the reply."""
    if config is not None:
        write(daemon, config)
    return daemon.request("POST", "/reload")


def reloaded(daemon, config=None):
    reply = reload(daemon, config)
    assert reply.status == 200, reply.body
    assert reply.json["status"] == "reloaded"
    return reply.json


def refused(daemon, config=None):
    """The lines that say why."""
    return assert_problem(reload(daemon, config), 422, "config_invalid")["detail"].splitlines()


def serving(daemon, name, number):
    """Until the processes of that generation serve, and no other is left."""
    def probe():
        agent = daemon.agent(name)
        return agent["state"] == "ready" and agent["generation"] == number and len(agent["pids"]) == 1
    wait_for(f"generation {number} of {name}", probe)


TWO = """
    agents:
      a: {{ plugin: PLUGIN(actor), text: {a} }}
      b: {{ plugin: PLUGIN(actor), text: {b} }}
    default_agent: a
"""


def text_of(daemon, agent):
    return re.search(r"(?m)^text=(.*)$", daemon.run("options", agent=agent).json["content"]).group(1)


# What is touched.

def test_only_what_has_changed_is_touched(agentd):
    """Promise: the agent whose option has changed gets a new process; the others keep theirs."""
    daemon = agentd(TWO.format(a="one", b="one")).wait_ready()
    pid = daemon.pid_of("b")
    reloaded(daemon, TWO.format(a="two", b="one"))
    serving(daemon, "a", 2)
    assert text_of(daemon, "a") == "two" and text_of(daemon, "b") == "one"
    assert daemon.pid_of("b") == pid and daemon.agent("b")["generation"] == 1


@pytest.mark.parametrize("start, next_try", [("fail", r"restart 1 in [\d.]+ s"), ("fatal", "not started again until .*")])
def test_a_new_process_that_does_not_start(agentd, start, next_try):
    """Bug: after "reloaded" its open failed, and no line said that the former process goes on serving."""
    config = "agents: {{ a: {{ plugin: PLUGIN(actor), start: {} }} }}\nsupervision: {{ backoff_min: 20s }}"
    daemon = agentd(config.format("ready")).wait_ready()
    reloaded(daemon, config.format(start))
    daemon.wait_log(f"^agent a: .*; {next_try}; the process of generation 1 goes on serving meanwhile$")
    assert daemon.run("say old").json["content"] == "old"
    os.kill(daemon.pid_of("a"), signal.SIGKILL)
    wait_for("it to be down", lambda: daemon.agent("a")["state"] in ("backoff", "failed"))
    assert sum("meanwhile" in message for message in daemon.messages()) == 1


def test_sighup_reloads(agentd):
    """Promise: SIGHUP is what an operator, and systemd, reload with."""
    daemon = agentd(TWO.format(a="one", b="one")).wait_ready()
    write(daemon, TWO.format(a="two", b="one"))
    daemon.terminate(signal.SIGHUP)
    daemon.wait_log("^reloaded$")
    serving(daemon, "a", 2)
    assert text_of(daemon, "a") == "two"


def test_nothing_new_touches_nothing(agentd):
    """Promise: a reload of the same config starts no process."""
    daemon = agentd(TWO.format(a="one", b="one")).wait_ready()
    pids = daemon.pid_of("a"), daemon.pid_of("b")
    for _ in range(5):
        assert reloaded(daemon)["warnings"] == []
    assert (daemon.pid_of("a"), daemon.pid_of("b")) == pids


def test_limits_that_are_no_processs_take_effect_at_once(agentd):
    """Promise: a queue or a deadline is agentd's own: its change needs no new process."""
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor), timeout: 30s } }").wait_ready()
    pid = daemon.pid_of("a")
    reloaded(daemon, "agents: { a: { plugin: PLUGIN(actor), timeout: 200ms } }")
    assert_problem(daemon.run("hang"), 504, "timeout")
    assert daemon.agent("a")["generation"] == 1 or daemon.pid_of("a") == pid


def test_more_workers_and_fewer(agentd):
    """Promise: their number follows the config; those that stay are not touched."""
    config = "agents: {{ a: {{ plugin: PLUGIN(actor), workers: {} }} }}"
    daemon = agentd(config.format(1)).wait_ready()
    pid = daemon.pid_of("a")
    reloaded(daemon, config.format(3))
    wait_for("three", lambda: len(daemon.agent("a")["pids"]) == 3)
    assert pid in daemon.agent("a")["pids"]
    reloaded(daemon, config.format(1))
    wait_for("one", lambda: len(daemon.agent("a")["pids"]) == 1)
    assert daemon.run("say hi").json["content"] == "hi"


def test_agents_come_and_go(agentd):
    """Promise: a new section is served; one that is gone ends what it has begun, and is not found any more."""
    daemon = agentd(TWO.format(a="one", b="one")).wait_ready()
    going = daemon.start_run("after 500 done", agent="b")
    wait_for("it to run", lambda: daemon.load("b")[0] == 1)
    reloaded(daemon, "agents: { a: { plugin: PLUGIN(actor), text: one }, c: { plugin: PLUGIN(echo) } }\n"
                     "default_agent: c")
    assert_problem(daemon.run("say hi", agent="b"), 404, "not_found")
    assert [agent["name"] for agent in daemon.get("/agents").json["agents"]] == ["a", "c"]
    assert daemon.run("hello").json["content"] == "hello"
    assert json.loads(going.getresponse().read())["content"] == "done"


def test_runs_that_wait_for_an_agent_that_is_gone_are_told(agentd):
    """Promise: nobody waits for ever for an agent that the config has no more."""
    daemon = agentd("""
        agents:
          a: { plugin: PLUGIN(actor) }
          b: { plugin: PLUGIN(actor), concurrency: 1, queue: 10, timeout: 30s }
        default_agent: a
        """).wait_ready()
    going = daemon.start_run("after 500 done", agent="b")
    wait_for("it to run", lambda: daemon.load("b") == (1, 0))
    waiting = daemon.start_run("say late", agent="b")
    in_turn = daemon.start_run("say later", agent="b", session_id="s")
    wait_for("them to wait", lambda: daemon.load("b") == (1, 2))
    reloaded(daemon, "agents: { a: { plugin: PLUGIN(actor) } }")
    for connection in (waiting, in_turn):
        reply = connection.getresponse()
        assert reply.status == 503 and json.loads(reply.read())["code"] == "agent_unavailable"
    assert json.loads(going.getresponse().read())["content"] == "done"


def test_an_agent_that_comes_back(agentd):
    """Promise: a section that is taken out and put back is served, while what is left of the first still ends."""
    daemon = agentd(TWO.format(a="one", b="one")).wait_ready()
    going = daemon.start_run("after 400 done", agent="b")
    wait_for("it to run", lambda: daemon.load("b")[0] == 1)
    reloaded(daemon, "agents: { a: { plugin: PLUGIN(actor), text: one } }")
    reloaded(daemon, TWO.format(a="one", b="two"))
    daemon.wait_ready()
    assert text_of(daemon, "b") == "two"
    assert json.loads(going.getresponse().read())["content"] == "done"


def test_one_that_has_failed_is_tried_again(agentd, tmp_path):
    """Promise: an agent that is FAILED stays so until a reload, which tries it although its section is the same."""
    daemon = agentd(f"""
        agents:
          a: {{ plugin: PLUGIN(actor) }}
          b: {{ plugin: PLUGIN(actor), start: exit78 }}
        default_agent: a
        """)
    wait_for("it to fail", lambda: daemon.agent("b")["state"] == "failed")
    generation = daemon.agent("b")["generation"]
    reloaded(daemon)
    wait_for("another try", lambda: daemon.agent("b")["generation"] == generation + 1)


def test_log_level(agentd):
    """Promise: the log level is the new config's."""
    daemon = agentd("log: { level: warn }\nagents: { a: { plugin: PLUGIN(actor) } }", listening=False)
    control = Path(daemon.control)
    wait_for("the socket", control.exists)
    write(daemon, "log: { level: info }\nagents: { a: { plugin: PLUGIN(actor) } }")
    wait_for("agentd to heed signals", lambda: subprocess.run(
        [CTL, "--socket", str(control), "reload"], capture_output=True).returncode == 0)
    daemon.wait_log("^reloaded$")


# What begins before ends as it began.

def test_a_stream_ends_with_the_process_that_it_began_with(agentd):
    """Promise: a stream that has begun is the old generation's to its end; the next run is the new one's."""
    config = "agents: {{ a: {{ plugin: PLUGIN(echo), chunk: 4, interval: {} }} }}"
    daemon = agentd(config.format("60ms")).wait_ready()
    stream = daemon.stream("0123456789" * 4)
    events = iter(stream)
    assert next(events).name == "run.started"
    reloaded(daemon, config.format("1ms"))
    wait_for("the new one", lambda: daemon.agent("a")["generation"] == 2)
    assert daemon.run("quick").json["content"] == "quick"
    rest = list(events)
    assert "".join(event.data["text"] for event in rest if event.name == "run.delta") == "0123456789" * 4
    assert rest[-1].name == "run.finished"
    wait_for("the old one to end", lambda: len(daemon.agent("a")["pids"]) == 1)


def test_one_that_does_not_get_ready_takes_no_place(agentd):
    """Promise: if the new process does not get ready, the old one goes on, and why is shown."""
    config = "agents: {{ a: {{ plugin: PLUGIN(actor), start: {} }} }}"
    daemon = agentd(config.format("ready")).wait_ready()
    pid = daemon.pid_of("a")
    reloaded(daemon, config.format("fail"))
    wait_for("the failure to show", lambda: daemon.agent("a")["last_exit"])
    for _ in range(5):
        assert daemon.run("say still here").json["content"] == "still here"
    assert daemon.pid_of("a") == pid
    reloaded(daemon, config.format("later"))
    wait_for("the good one", lambda: len(daemon.agent("a")["pids"]) == 1 and daemon.pid_of("a") != pid)
    assert daemon.run("say better").json["content"] == "better"


# What is refused.

@pytest.mark.parametrize("config, said", [
    ("agents: { a: { plugin: PLUGIN(actor), nmber: 3 } }", r"^agent\.conf:2: .*nmber.*number"),
    ("agents: { a: { plugin: PLUGIN(actor), number: 1000 } }", r"^agent\.conf:2: agents\.a\.number: "),
    ("agents: { a: { plugin: nowhere } }", r"^agent\.conf:2: agents\.a\.plugin: "),
    ("agents: [ a", r"^agent\.conf:"),
    ("agents: { a: { plugin: PLUGIN(actor) } }\ncron: { c: { schedule: never, agent: a, input: x } }",
     r"^agent\.conf:3: .*schedule"),
    ("agents: { a: { plugin: PLUGIN(actor) } }\nstore: { path: elsewhere.db }", r"^store\.path: .*restart it"),
    ("agents: { a: { plugin: PLUGIN(actor) } }\nstore: { enabled: false }", r"^store\.enabled: .*restart it"),
    ("agents: { a: { plugin: PLUGIN(actor) } }\ncontrol: { socket: other.sock }", r"^control\.socket: .*restart it"),
])
def test_a_bad_config_changes_nothing(agentd, config, said):
    """Promise: each mistake is said to who asks and in the log, with its place; the old config goes on."""
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor) } }").wait_ready()
    pid = daemon.pid_of("a")
    lines = refused(daemon, config)
    assert any(re.search(said, line) for line in lines), lines
    wait_for("all of it in the log", lambda: set(lines) <= set(daemon.messages()))
    daemon.wait_log("^not reloaded: agentd goes on")
    assert daemon.pid_of("a") == pid and daemon.run("say hi").json["content"] == "hi"


@pytest.mark.parametrize("animal", ["wrong_abi", "no_symbol", "abort_in_constructor", "wrong_magic"])
def test_a_bad_plugin_changes_nothing(agentd, tmp_path, animal):
    """Promise: a plugin that cannot be loaded is found before anything is touched, also if it takes a good one's file."""
    shutil.copy(plugin("actor"), tmp_path / "mine.so")
    daemon = agentd("agents: { a: { plugin: ./mine.so } }").wait_ready()
    pid = daemon.pid_of("a")
    shutil.copy(ZOO / f"{animal}.so", tmp_path / "mine.so")
    assert any("mine.so" in line for line in refused(daemon))
    assert daemon.run("say hi").json["content"] == "hi" and daemon.pid_of("a") == pid
    os.kill(pid, signal.SIGKILL)  # what is started again is what was loaded, not what lies there now
    wait_for("the old build again", lambda: daemon.run("say again").status == 200, 20)


# The death of a host that loads half a file is no finding of a sanitizer's.
CUT = {name: "handle_sigbus=0:" + os.environ.get(name, "") for name in ("ASAN_OPTIONS", "TSAN_OPTIONS")}


def test_half_a_file(agentd, tmp_path):
    """Promise: half a plugin is refused; whole, it is served."""
    shutil.copy(plugin("actor"), tmp_path / "mine.so")
    daemon = agentd("agents: { a: { plugin: ./mine.so } }", env=CUT).wait_ready()
    whole = Path(plugin("echo")).read_bytes()
    (tmp_path / "mine.so").write_bytes(whole[:4096])
    refused(daemon)
    assert daemon.run("say hi").json["content"] == "hi"
    (tmp_path / "mine.so").write_bytes(whole)
    reloaded(daemon)
    serving(daemon, "a", 2)
    assert daemon.run("say hi").json["content"] == "say hi"


def test_an_address_that_is_taken_changes_nothing(agentd):
    """Promise: a listener that cannot be opened is a reason to change nothing."""
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor), text: one } }").wait_ready()
    config = "http: {{ listen: [ '127.0.0.1:{}', '127.0.0.1:{}' ] }}\nagents: {{ a: {{ plugin: PLUGIN(actor), text: two }} }}"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        lines = refused(daemon, config.format(daemon.address[1], taken.getsockname()[1]))
    assert any("in use" in line for line in lines), lines
    assert text_of(daemon, "a") == "one"


# Listeners.

def test_listeners_move_and_drop_nobody(agentd):
    """Promise: another http.listen opens the new address before it closes the old; who is connected stays so."""
    config = "http: {{ listen: [ {} ] }}\nagents: {{ a: {{ plugin: PLUGIN(actor) }} }}"
    daemon = agentd(config.format("'127.0.0.1:0'")).wait_ready()
    held = daemon.connect()
    held.request("POST", "/run", json.dumps({"input": "say one"}))
    assert json.loads(held.getresponse().read())["content"] == "one"
    stream = daemon.stream("deltas a b c")
    old = daemon.address
    moved = Path(daemon.cwd) / "moved.sock"
    write(daemon, config.format(f"'unix:{moved}', '127.0.0.1:0'"))
    daemon.terminate(signal.SIGHUP)
    daemon.wait_log("^reloaded$")
    assert moved.exists() and f"listening on unix:{moved}" in daemon.messages()
    assert list(stream)[-1].name == "run.finished"
    held.request("POST", "/run", json.dumps({"input": "say two"}))
    assert json.loads(held.getresponse().read())["content"] == "two"
    held.close()
    assert daemon.address == old and daemon.run("say three").status == 200  # port 0 is the port that it got
    write(daemon, config.format(f"'unix:{moved}'"))
    seen = len(daemon.messages())
    daemon.terminate(signal.SIGHUP)
    wait_for("another reload", lambda: "reloaded" in daemon.messages()[seen:])
    assert "no longer listening on http://{}:{}".format(*old) in daemon.messages()
    with pytest.raises(ConnectionRefusedError):
        daemon.socket()


# Keys, triggers, schedules.

def key_config(*keys):
    rows = ", ".join(f"{{ name: {name}, hash: '{hash_of(key)}', admin: true }}" for name, key in keys)
    return f"""
        http: {{ listen: [ "127.0.0.1:0" ], auth: keys }}
        auth: {{ keys: {{ type: api_key, keys: [ {rows} ] }} }}
        agents: {{ a: {{ plugin: PLUGIN(actor) }} }}
    """


def test_keys_rotate(agentd):
    """Promise: a key that is gone is refused with the next request, and a new one lets in."""
    daemon = agentd(key_config(("ann", "k" * 32)))
    old, new = ({"Authorization": f"Bearer {letter * 32}"} for letter in "kn")
    assert daemon.get("/agents", headers=old).status == 200
    write(daemon, key_config(("ann", "n" * 32)))
    assert daemon.request("POST", "/reload", headers=old).status == 200
    assert daemon.get("/agents", headers=old).status == 401
    assert daemon.get("/agents", headers=new).status == 200


def test_only_an_admin_reloads(agentd):
    """Promise: an operator's lever is no user's."""
    daemon = agentd(key_config(("ann", "k" * 32)).replace("admin: true", "admin: false"))
    assert_problem(daemon.request("POST", "/reload", headers={"Authorization": "Bearer " + "k" * 32}), 403, "forbidden")


def test_triggers_follow(agentd):
    """Promise: webhooks and events are those of the new config."""
    config = """
        agents: {{ a: {{ plugin: PLUGIN(actor) }} }}
        events: {{ {event}: {{ agent: a, input: "say {{{{body.data}}}}" }} }}
    """
    daemon = agentd(config.format(event="before")).wait_ready()
    assert daemon.request("POST", "/events/before", {"data": "x"}).status == 202
    reloaded(daemon, config.format(event="after"))
    assert_problem(daemon.request("POST", "/events/before", {"data": "x"}), 404, "not_found")
    assert daemon.request("POST", "/events/after", {"data": "x"}).status == 202


def schedules(daemon):
    return {row["name"]: row for row in daemon.get("/triggers").json["cron"]}


def test_schedules_follow_and_keep_what_they_know(agentd):
    """Promise: a schedule that stays is still paused, and knows its last run; a new one comes; one that is gone does not."""
    config = """
        agents: {{ a: {{ plugin: PLUGIN(actor), text: {text} }} }}
        cron: {{ {rows} }}
    """
    row = "{}: {{ schedule: '{}', agent: a, input: 'say {}' }}".format
    kept = row("kept", "@every 1s", "k")
    daemon = agentd(config.format(text="one", rows=kept + "," + row("gone", "@every 1s", "g"))).wait_ready()
    wait_for("it to have come", lambda: schedules(daemon)["kept"]["last"])
    assert daemon.request("POST", "/cron/kept/pause").status == 200
    before = wait_for("its run to end", lambda: (
        lambda shown: shown["running"] == 0 and shown)(schedules(daemon)["kept"]))
    reloaded(daemon, config.format(text="two", rows=kept + "," + row("new", "@every 1s", "n")))
    wait_for("the new one to have come", lambda: schedules(daemon)["new"]["last"])
    after = schedules(daemon)
    assert set(after) == {"kept", "new"}
    assert after["kept"]["paused"] is True
    assert after["kept"]["last"] == before["last"]


def test_a_schedules_run_goes_on_over_a_reload(agentd):
    """Promise: a run that is going when the config changes ends as it would, once, and overlap still heeds it."""
    config = """
        agents: {{ a: {{ plugin: PLUGIN(actor), concurrency: 4, text: {} }} }}
        cron: {{ tick: {{ schedule: "@every 1s", agent: a, input: "after 2500 done", overlap: skip }} }}
    """
    daemon = agentd(config.format("one")).wait_ready()
    first = wait_for("a run", lambda: daemon.get("/runs?status=running").json["runs"])[0]["run_id"]
    reloaded(daemon, config.format("two"))
    wait_for("its end", lambda: daemon.get(f"/runs/{first}").json["status"] == "succeeded")
    runs = daemon.get("/runs?limit=100").json["runs"]
    begun = sorted(run["created_at"] for run in runs)
    assert len(begun) <= 2, runs  # the times in between were left out


# Several at once.

def test_whoever_asks_meanwhile_is_answered(agentd):
    """Promise: reloads come one after the other, and everybody who asks for one is answered."""
    daemon = agentd(TWO.format(a="one", b="one")).wait_ready()
    connections = []
    for number in range(8):
        write(daemon, TWO.format(a=number, b="one"))
        connection = daemon.connect()
        connection.request("POST", "/reload")
        connections.append(connection)
    for connection in connections:
        assert connection.getresponse().status == 200
    wait_for("the last", lambda: text_of(daemon, "a") == "7")


def test_a_reload_while_agentd_stops(agentd):
    """Promise: agentd that is told to stop does not begin anew."""
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor) } }\nsupervision: { drain: 5s }").wait_ready()
    going = daemon.start_run("after 500 done")
    wait_for("it to run", lambda: daemon.load("a")[0] == 1)
    daemon.terminate()
    daemon.wait_log("^stopping")
    daemon.terminate(signal.SIGHUP)
    daemon.wait_log("agentd is stopping")
    assert json.loads(going.getresponse().read())["content"] == "done"
    assert daemon.wait() == 0


# The drop-in folder.

def test_the_drop_in_folder_is_read_again(agentd, tmp_path):
    """Promise: a plugin that is put there, replaced, or taken away, is so for agentd after a reload."""
    drop = tmp_path / "drop"
    drop.mkdir()
    shutil.copy(plugin("echo"), drop / "one.so")
    daemon = agentd("plugins: { dir: drop }\ndefault_agent: one").wait_ready()
    shutil.copy(plugin("actor"), drop / "two.so")
    reloaded(daemon)
    daemon.wait_ready()
    assert daemon.run("say hi", agent="two").json["content"] == "hi"
    os.unlink(drop / "two.so")
    shutil.copy(plugin("actor"), drop / "new.so")
    os.rename(drop / "new.so", drop / "one.so")
    reloaded(daemon)
    serving(daemon, "one", 2)
    assert daemon.run("say hi").json["content"] == "hi"
    assert_problem(daemon.run("say hi", agent="two"), 404, "not_found")


def test_a_bad_file_in_the_folder(agentd, tmp_path):
    """Promise: a bad file takes no good one's place, and is said; one that was not served before harms nobody."""
    drop = tmp_path / "drop"
    drop.mkdir()
    shutil.copy(plugin("actor"), drop / "one.so")
    daemon = agentd("plugins: { dir: drop }").wait_ready()
    pid = daemon.pid_of("one")
    (drop / "two.so").write_text("no plugin")
    assert any("two.so is not served" in line for line in reloaded(daemon)["warnings"])
    (drop / "new").write_text("no plugin")
    os.rename(drop / "new", drop / "one.so")
    assert any("one.so is not taken, and the one before goes on: " in line for line in refused(daemon))
    assert daemon.pid_of("one") == pid and daemon.run("say on").json["content"] == "on"


# Nothing is lost, and nothing grows.

def fds(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def rss(daemon):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{daemon.pid}/status").read_text()).group(1))


class Load:
    """Clients that run and stream until they are told to stop; what went wrong."""

    def __init__(self, daemon):
        self.daemon, self.over, self.failed, self.count = daemon, threading.Event(), [], 0
        self.threads = [threading.Thread(target=work) for work in (self.runs, self.runs, self.streams)]
        for thread in self.threads:
            thread.start()

    def note(self, good, what):
        self.count += 1
        if not good:
            self.failed.append(what)

    def runs(self):
        for number in itertools.count():
            if self.over.is_set():
                return
            try:
                reply = self.daemon.run(f"hello {number}")
                self.note(reply.status == 200 and reply.json["content"] == f"hello {number}", reply.body)
            except (OSError, http.client.HTTPException) as error:
                self.note(False, repr(error))

    def streams(self):
        while not self.over.is_set():
            try:
                stream = self.daemon.stream("0123456789")
                events = list(stream)
                text = "".join(event.data["text"] for event in events if event.name == "run.delta")
                self.note(text == "0123456789" and events[-1].name == "run.finished", events)
                stream.close()
            except (OSError, http.client.HTTPException) as error:
                self.note(False, repr(error))

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def test_a_hundred_reloads_under_load(agentd, tmp_path):
    """Promise: good and broken builds and configs, a hundred of them, under load: no request fails, nothing grows."""
    mine = tmp_path / "mine.so"

    def put(content):
        (tmp_path / "new.so").write_bytes(content)
        os.rename(tmp_path / "new.so", mine)

    good = Path(plugin("echo")).read_bytes()
    bad = [
        lambda: write(daemon, "agents: { a: { plugin: ./mine.so, chunk: "),
        lambda: put((ZOO / "wrong_abi.so").read_bytes()),
        lambda: put((ZOO / "abort_in_constructor.so").read_bytes()),
        lambda: put((ZOO / "no_symbol.so").read_bytes()),
        lambda: put(good[:4096]),
        lambda: (put((ZOO / "abort_in_open.so").read_bytes()), write(daemon, plain)),  # its trial does not show that
    ]
    plain = "agents: { a: { plugin: ./mine.so, concurrency: 50, queue: 200 } }"
    config = "agents: {{ a: {{ plugin: ./mine.so, chunk: 4, interval: {}ms, concurrency: 50, queue: 200 }} }}"
    put(good)
    daemon = agentd(config.format(1), env=CUT).wait_ready()
    load = Load(daemon)
    sizes = []
    try:
        for number in range(100):
            if number % 4 == 3:
                which = number // 4 % len(bad)
                bad[which]()
                assert reload(daemon).status == (200 if which == len(bad) - 1 else 422)
            elif number % 2:
                put(good)  # another file with the same bytes is another build
                write(daemon, config.format(1))
                reloaded(daemon)
            else:
                put(good)
                reloaded(daemon, config.format(2 + number % 3))
            if number % 5 == 4:  # else the next comes while this one is still being put in place
                wait_for("one process", lambda: len(daemon.agent("a")["pids"]) == 1, 30)
            if number in (29, 99):
                sizes.append((fds(daemon), rss(daemon)))
    finally:
        load.stop()
    assert not load.failed, load.failed[:3]
    assert load.count > 100
    (early_fds, early_rss), (late_fds, late_rss) = sizes
    assert late_fds <= early_fds + 4, sizes
    assert SANITIZED or late_rss < early_rss * 1.2 + 2048, sizes  # a sanitizer keeps what was freed


# agentctl.

def test_agentctl_reload(agentd):
    """Promise: agentctl reload says what agentd -t would, and exits with 78; after a good one with 0."""
    daemon = agentd(TWO.format(a="one", b="one")).wait_ready()
    def ctl(*arguments):
        return subprocess.run([CTL, "--socket", daemon.control, *arguments], capture_output=True, text=True)
    write(daemon, TWO.format(a="two", b="one"))
    done = ctl("reload")
    assert (done.returncode, done.stdout, done.stderr) == (0, "reloaded\n", "")
    write(daemon, "agents: { a: { plugin: PLUGIN(actor), nmber: 1 } }")
    done = ctl("reload")
    assert done.returncode == 78 and done.stdout == ""
    first, last = done.stderr.splitlines()
    assert re.match(r"agentctl: agent\.conf:2: .*nmber", first)
    assert last == "agentctl: not reloaded: agentd goes on with the config that it has"
    problem = json.loads(ctl("--json", "reload").stdout)
    assert problem["error"] and [f"agentctl: {line}" for line in problem["detail"].splitlines()] == done.stderr.splitlines()[:-1]
