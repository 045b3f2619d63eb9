"""A reload and what people write meanwhile: interfaces and hooks that change, come and go, while no message is lost and
none is answered twice. The platform is the test (line.py)."""
import itertools
import re
import shutil
import signal
import socket

import pytest

from conftest import HEAD, plugin, wait_for
from line import Line
from stored import database, execute

FAST = "supervision: { backoff_min: 50ms, backoff_max: 100ms, drain: 2s, kill: 500ms }\n"
AGENTS = "agents: { bot: { plugin: PLUGIN(actor) }, parrot: { plugin: PLUGIN(echo) } }\n"


@pytest.fixture
def lines():
    made, keys = [], itertools.count(1)

    def make():
        made.append(Line())
        made[-1].keys = keys  # none is known to the interface already
        return made[-1]
    yield make
    for line in made:
        line.close()


def config(interfaces, hooks="", more=""):
    text = AGENTS + FAST + more
    if interfaces:
        text += "interfaces:\n" + "".join(f"  {name}: {section}\n" for name, section in interfaces.items())
    return text + (f"hooks: {hooks}\n" if hooks else "")


def tel(line, *more):
    return {"tel": line.config("agent: bot", *(more or ("open: true",)))}


def reload(daemon, text):
    """Gives it another config, and waits until it goes by that."""
    def count():
        return sum("reloaded" in m for m in daemon.messages())
    before = count()
    text = re.sub(r"PLUGIN\((\w+)\)", lambda m: plugin(m.group(1)), HEAD + text)
    (daemon.cwd / "agent.conf").write_text(text)
    daemon.terminate(signal.SIGHUP)
    wait_for("the reload", lambda: count() > before)


def shown(daemon, path="/interfaces/tel"):
    return daemon.get(path).json


def wait_state(daemon, state, path="/interfaces/tel"):
    return wait_for(f"{path} to be {state}", lambda: (lambda it: it.get("state") == state and it)(shown(daemon, path)))


def wait_up(daemon, line):
    """Until it has said that it is there, and agentd has heard of it: what is not ready is replaced in another way."""
    line.wait("UP")
    wait_state(daemon, "ready")


def texts(line, count):
    return [text for _, text in line.replies(count)]


def is_gone(daemon, path):
    return wait_for(f"{path} to be gone", lambda: daemon.get(path).status == 404)


# What needs no other process.

def test_the_same_config_touches_nothing(agentd, lines):
    """Promise: a reload that changes nothing restarts nothing, and what goes on is answered."""
    line = lines()
    text = config({"tel": line.config("agent: bot", "open: true", "hooks: [ gate ]")}, "{ gate: { plugin: PLUGIN(gate) } }")
    daemon = agentd(text).wait_ready()
    wait_state(daemon, "ready")
    gate = wait_state(daemon, "ready", "/hooks/gate")
    wait_up(daemon, line)
    line.message("after 700 text")
    wait_for("it to run", lambda: daemon.load("bot") == (1, 0))
    reload(daemon, text)
    reload(daemon, text)
    line.message("say after", user="bob")
    line.wait("SEND", 2)
    assert shown(daemon, "/hooks/gate")["pids"] == gate["pids"]
    assert (shown(daemon)["pids"], shown(daemon)["generation"], len(line.all("STOP"))) == (line.pids, 1, 0)


def test_another_agent_answers_the_next_message(agentd, lines):
    """Promise: what is no option of the plugin takes effect with the next message, and its process goes on; a message
    that is being answered is answered as it began."""
    line = lines()
    daemon = agentd(config(tel(line))).wait_ready()
    wait_up(daemon, line)
    line.message("say one")
    assert texts(line, 1) == ["one"]
    line.message("after 500 text")
    wait_for("it to run", lambda: daemon.load("bot") == (1, 0))
    reload(daemon, config({"tel": line.config("agent: parrot", "open: true")}))
    line.message("say two", user="bob")
    line.message("say three")
    found = texts(line, 4)
    assert found[1] == "say two" and found[3] == "say three"
    assert (len(line.pids), len(line.all("STOP"))) == (1, 0)


def test_who_may_write(agentd, lines):
    """Promise: another allow list holds for the next message."""
    line = lines()
    auth = "auth: { ours: { type: allowlist, users: [ bob ] } }\n"
    daemon = agentd(config(tel(line))).wait_ready()
    wait_up(daemon, line)
    line.message("say one")
    assert texts(line, 1) == ["one"]
    reload(daemon, config(tel(line, "auth: ours"), more=auth))
    line.message("say two")
    daemon.wait_log("ann in chat c1 .*not answered")
    line.message("say three", user="bob")
    assert texts(line, 2) == ["one", "three"] and len(line.pids) == 1


def test_links_of_the_config(agentd, lines):
    """Promise: links of the config come and go with it; those of the store stay."""
    line = lines()
    link = "identity: { alice: [ line:ann ] }\n"
    daemon = agentd(config(tel(line))).wait_ready()
    reply = daemon.request("PUT", "/identities/carol", {"links": ["line:cat"]})
    assert reply.status == 200, reply.body

    def users():
        return {i["user_id"] for i in daemon.get("/identities").json["identities"]}
    assert users() == {"carol"}
    reload(daemon, config(tel(line), more=link))
    assert users() == {"alice", "carol"}
    reload(daemon, config(tel(line)))
    assert users() == {"carol"}


# Interfaces.

def test_other_options(agentd, lines):
    """Promise: an interface whose options change is told to stop, sends what it has, ends, and the new one comes: one at a
    time. Nothing is lost, nothing is answered twice."""
    old, new = lines(), lines()
    daemon = agentd(config(tel(old, "open: true", "auto: false"))).wait_ready()
    wait_up(daemon, old)
    old.message("say sent")
    reply = old.wait("SEND")[0]
    old.message("after 800 text", user="bob", chat="c2")
    wait_for("it to run", lambda: daemon.load("bot") == (1, 0))
    reload(daemon, config(tel(new)))
    old.wait("STOP")
    assert new.pids == []  # it waits for the reply that is being sent
    old.sent(reply[1])
    old.wait("CLOSE")
    new.wait("UP")
    assert [chat for chat, _ in new.replies(1)] == ["c2"]
    new.message("say new")
    assert texts(new, 2)[1] == "new" and len(old.all("SEND")) == 1
    after = wait_for("all to be over", lambda: (lambda it: it["waiting"] == 0 and it)(shown(daemon)))
    assert (after["received"], after["answered"], after["generation"]) == (3, 3, 2)


def test_one_that_does_not_get_ready(agentd, lines):
    """Promise: if the new one does not get ready the former goes on, and the log says so; the next reload tries again."""
    line, other = lines(), lines()
    daemon = agentd(config(tel(line))).wait_ready()
    wait_up(daemon, line)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nowhere = taken.getsockname()[1]
    bad = config({"tel": f"{{ plugin: PLUGIN(line), port: {nowhere}, agent: parrot, open: true }}"})
    reload(daemon, bad)
    said = daemon.wait_log("interface tel: .*does not get ready.*the platform is not there.*former")
    assert said["level"] in ("err", "error")
    line.wait("UP", 2)
    assert "the platform is not there" in wait_state(daemon, "ready")["last_exit"]["reason"]
    line.message("hello")
    assert texts(line, 1) == ["hello"]  # by the new agent
    reload(daemon, bad)
    line.wait("UP", 3)
    wait_state(daemon, "ready")
    line.message("once more")
    assert texts(line, 2) == ["hello", "once more"]
    reload(daemon, config(tel(other)))
    other.wait("UP")
    other.message("say other")
    assert texts(other, 1) == ["other"]


def test_one_that_is_not_ready_in_time(agentd, lines):
    """Promise: the former also goes on if the new one does not say that it is ready; what came to that meanwhile is
    answered."""
    line = lines()
    slow = FAST.replace("{ ", "{ ready: 500ms, ", 1)
    daemon = agentd(config(tel(line)).replace(FAST, slow)).wait_ready()
    wait_up(daemon, line)
    reload(daemon, config(tel(line, "open: true", "ready_later: true")).replace(FAST, slow))
    line.wait("UP", 2)
    line.message("say early")
    daemon.wait_log("interface tel: .*does not get ready.*was not ready in time")
    line.wait("UP", 3)
    assert texts(line, 1) == ["early"]
    line.message("say late")
    assert texts(line, 2) == ["early", "late"]


def test_one_that_did_not_work_is_not_gone_back_to(agentd, lines):
    """Promise: from one that has failed there is no way back; messages that waited are answered by the new one."""
    line, other = lines(), lines()
    daemon = agentd(config(tel(line))).wait_ready()
    line.wait("UP")
    wait_state(daemon, "ready")
    line.order("fatal")
    wait_state(daemon, "failed")
    reload(daemon, config(tel(other)))
    other.wait("UP")
    other.message("say other")
    assert texts(other, 1) == ["other"] and len(line.pids) == 1


def test_back_and_forth(agentd, lines):
    """Promise: reloads may come faster than processes do: the last one holds."""
    one, two = lines(), lines()
    daemon = agentd(config(tel(one))).wait_ready()
    wait_up(daemon, one)
    for i in range(9):
        reload(daemon, config(tel([two, one, one][i % 3])))
    reload(daemon, config(tel(two)))
    wait_for("the last", lambda: shown(daemon)["state"] == "ready" and shown(daemon)["pids"] == two.pids[-1:])
    two.message("say here")
    assert texts(two, 1) == ["here"]


def test_a_stop_while_one_is_replaced(agentd, lines):
    """Promise: agentd stops as always while an interface is replaced: what is due is sent, by the new process."""
    old, new = lines(), lines()
    daemon = agentd(config(tel(old, "open: true", "stop_later: true"))).wait_ready()
    wait_up(daemon, old)
    old.message("after 500 text")
    wait_for("it to run", lambda: daemon.load("bot") == (1, 0))
    reload(daemon, config(tel(new)))
    old.wait("STOP")
    daemon.terminate()
    daemon.wait_log("stopping")
    old.order("stopped")
    assert daemon.wait() == 0
    assert len(old.all("SEND")) + len(new.all("SEND")) == 1


def test_under_way(agentd, lines):
    """Promise: while one config follows the other, in each of which the interface and its hook are others, all that is
    written is answered, once."""
    line = lines()

    def one(i):
        section = line.config("agent: bot", "open: true", "hooks: [ gate ]", f"token: t{i % 3}")
        return config({"tel": section}, f"{{ gate: {{ plugin: PLUGIN(gate), tag: _{i % 2} }} }}")
    daemon = agentd(one(0)).wait_ready()
    wait_up(daemon, line)
    for i in range(1, 13):
        for j in range(5):
            line.message(f"say {i}-{j}", user=f"u{j}", chat=f"c{j}")
            line.message(f"say later {'before' if j % 2 else 'after'} {i}-{j}", user=f"v{j}", chat=f"d{j}")
        reload(daemon, one(i))
    found = [text.split("_")[0].split()[-1] for text in texts(line, 120)]
    assert sorted(found) == sorted(2 * [f"{i}-{j}" for i in range(1, 13) for j in range(5)])
    wait_for("all to be over", lambda: shown(daemon)["waiting"] == 0)
    assert len(line.all("SEND")) == 120


def test_another_file(agentd, lines, tmp_path):
    """Promise: a plugin's file that is another one since is loaded, though nothing else has changed."""
    line, copy = lines(), tmp_path / "copy.so"
    shutil.copy(plugin("line"), copy)
    text = config({"tel": line.config("agent: bot", "open: true").replace("PLUGIN(line)", str(copy))})
    daemon = agentd(text).wait_ready()
    wait_up(daemon, line)
    with open(copy, "ab") as file:
        file.write(b"another")
    reload(daemon, text)
    line.wait("UP", 2)
    line.message("say two")
    assert texts(line, 1) == ["two"] and len(line.all("CLOSE")) == 1


def test_its_paths(agentd, lines):
    """Promise: the paths of an interface are those that its process has."""
    line = lines()
    daemon = agentd(config(tel(line, "open: true", "mode: webhook", "hook_path: /one"))).wait_ready()
    wait_up(daemon, line)
    reload(daemon, config(tel(line, "open: true", "mode: webhook", "hook_path: /two")))
    line.wait("UP", 2)
    wait_state(daemon, "ready")
    assert daemon.request("POST", "/one").status == 404
    connection = daemon.connect()
    connection.request("POST", "/two", "x")
    request = line.wait("HTTP")[0]
    line.write(f"H\t{request[1]}\t200\tyes")
    assert connection.getresponse().read() == b"yes"


def test_one_that_comes_and_goes(agentd, lines):
    """Promise: a new interface is started. One that is gone ends; messages of it that have no run, and replies that are
    not taken, wait, and the log says how many; when it comes back they are answered, once each."""
    line = lines()
    daemon = agentd(config({})).wait_ready()
    reload(daemon, config(tel(line, "open: true", "max_concurrent_requests: 1", "auto: false")))
    line.wait("UP")
    wait_state(daemon, "ready")
    line.message("say refused", chat="c9")
    line.sent(line.wait("SEND")[0][1], 1, retry_after=600000)
    wait_for("it to wait", lambda: shown(daemon)["waiting"] == 1 and not line.unacked)
    line.message("after 600 text", user="ann")
    wait_for("it to run", lambda: daemon.load("bot") == (1, 0))
    line.message("say later", user="bob")
    wait_for("all to be here", lambda: shown(daemon)["received"] == 3)
    reload(daemon, config({}))
    is_gone(daemon, "/interfaces/tel")
    line.wait("STOP")
    line.sent(line.wait("SEND", 2)[1][1])
    daemon.wait_log("interface tel: is gone.* 1 message and 1 reply of it")
    assert len(line.all("CLOSE")) == 1
    reload(daemon, config(tel(line)))
    line.wait("UP", 2)
    assert texts(line, 3)[2] == "later"
    line.message("say end", chat="c3")
    assert texts(line, 4)[3] == "end"
    wait_for("the refused one to wait still", lambda: shown(daemon)["waiting"] == 1)


def test_one_that_comes_back_before_it_is_gone(agentd, lines):
    """Promise: an interface that comes back while it still ends is never there twice."""
    line = lines()
    daemon = agentd(config(tel(line, "open: true", "max_concurrent_requests: 1", "stop_later: true"))).wait_ready()
    wait_up(daemon, line)
    line.message("after 600 text")
    wait_for("it to run", lambda: daemon.load("bot") == (1, 0))
    line.message("say later", user="bob")
    wait_for("both to be here", lambda: shown(daemon)["received"] == 2)
    reload(daemon, config({}))
    line.wait("STOP")
    reload(daemon, config(tel(line)))
    assert len(line.pids) == 1
    line.order("stopped")
    line.wait("UP", 2)
    assert sorted(texts(line, 2))[0] == "later"
    wait_for("all to be over", lambda: shown(daemon)["waiting"] == 0)
    assert len(line.all("SEND")) == 2 and len(line.pids) == 2


# Hooks.

def gates(line, hooks="[ gate ]"):
    return {"tel": line.config("agent: bot", "open: true", f"hooks: {hooks}")}


def test_another_hook_process(agentd, lines, tmp_path):
    """Promise: a hook whose options change is replaced, new first; the old one decides what it was asked."""
    line = lines()
    daemon = agentd(config(gates(line), "{ gate: { plugin: PLUGIN(gate), tag: 1 } }")).wait_ready()
    old = wait_state(daemon, "ready", "/hooks/gate")
    wait_up(daemon, line)
    line.message("say later after")
    line.message("say b", user="bob")
    assert sorted(texts(line, 2)) == ["b1", "later after1"]
    line.message(f"say until before {tmp_path}/file", user="cat")
    wait_for("it to be asked", lambda: shown(daemon, "/hooks/gate")["calls"] == 8)
    reload(daemon, config(gates(line), "{ gate: { plugin: PLUGIN(gate), tag: 2 } }"))
    wait_for("the new one", lambda: shown(daemon, "/hooks/gate")["generation"] == 2)
    line.message("say d", user="dan")
    assert texts(line, 3)[2] == "d2"
    (tmp_path / "file").touch()
    assert texts(line, 4)[3] == f"until before {tmp_path}/file2"
    assert shown(daemon, "/hooks/gate")["calls"] == 12  # it was asked once
    wait_for("the old one to be gone", lambda: "replaced" in (shown(daemon, "/hooks/gate")["last_exit"] or {"reason": ""})["reason"])
    assert shown(daemon, "/hooks/gate")["pids"] != old["pids"] and len(line.pids) == 1


def test_a_hook_that_does_not_get_ready(agentd, lines, tmp_path):
    """Promise: the old one goes on, and it is shown why, while the new one is tried again; once it is ready, it serves."""
    line, needs = lines(), tmp_path / "needs"
    daemon = agentd(config(gates(line), "{ gate: { plugin: PLUGIN(gate), tag: 1 } }")).wait_ready()
    old = wait_state(daemon, "ready", "/hooks/gate")
    wait_up(daemon, line)
    reload(daemon, config(gates(line), f"{{ gate: {{ plugin: PLUGIN(gate), tag: 2, needs: {needs} }} }}"))
    daemon.wait_log("hook gate: what is to take its place is not ready .*what it needs is not there.*the former goes on")
    line.message("say a")
    assert texts(line, 1) == ["a1"]
    view = shown(daemon, "/hooks/gate")
    assert (view["state"], view["pids"]) == ("ready", old["pids"]) and "not there" in view["last_exit"]["reason"]
    needs.touch()
    wait_for("the new one", lambda: shown(daemon, "/hooks/gate")["pids"] not in ([], old["pids"]))
    line.message("say b")
    assert texts(line, 2)[1] == "b2"


def test_the_old_hook_again(agentd, lines, tmp_path):
    """Promise: a reload to what a hook was before gives the new one up."""
    line = lines()
    before = config(gates(line), "{ gate: { plugin: PLUGIN(gate), tag: 1 } }")
    daemon = agentd(before).wait_ready()
    old = wait_state(daemon, "ready", "/hooks/gate")
    reload(daemon, config(gates(line), f"{{ gate: {{ plugin: PLUGIN(gate), needs: {tmp_path}/needs }} }}"))
    daemon.wait_log("hook gate: what is to take its place is not ready")
    reload(daemon, before)
    line.message("say a")
    assert texts(line, 1) == ["a1"] and shown(daemon, "/hooks/gate")["pids"] == old["pids"]


def test_a_stop_while_a_hook_is_replaced(agentd, lines, tmp_path):
    """Promise: agentd does not wait for a new hook that does not get ready."""
    line = lines()
    daemon = agentd(config(gates(line), "{ gate: { plugin: PLUGIN(gate) } }")).wait_ready()
    wait_up(daemon, line)
    wait_state(daemon, "ready", "/hooks/gate")
    reload(daemon, config(gates(line), f"{{ gate: {{ plugin: PLUGIN(gate), needs: {tmp_path}/needs }} }}"))
    daemon.wait_log("hook gate: what is to take its place is not ready")
    daemon.terminate()
    assert daemon.wait() == 0


def test_hooks_that_come_and_go(agentd, lines):
    """Promise: a new hook is asked from the next message on. One that is gone decides what began with it, then ends."""
    line = lines()
    hooks = "{ gate: { plugin: PLUGIN(gate), tag: 1 } }"
    daemon = agentd(config(tel(line))).wait_ready()
    wait_up(daemon, line)
    reload(daemon, config(gates(line), hooks))
    wait_state(daemon, "ready", "/hooks/gate")
    line.message("say a")
    assert texts(line, 1) == ["a1"]
    line.message("after 600 text")
    wait_for("it to run", lambda: daemon.load("bot") == (1, 0))
    reload(daemon, config(tel(line)))
    is_gone(daemon, "/hooks/gate")
    line.message("say b", user="bob")
    found = texts(line, 3)
    assert found[1] == "b" and found[2].endswith("1")
    daemon.wait_log("hook gate: is gone")
    assert len(line.pids) == 1


def test_nothing_is_left(agentd, lines, tmp_path):
    """Promise: agentd ends cleanly while an interface and a hook leave, and what has no answer waits in the store."""
    line = lines()
    daemon = agentd(config(gates(line), "{ gate: { plugin: PLUGIN(gate) } }")).wait_ready()
    wait_up(daemon, line)
    line.message(f"say until before {tmp_path}/file")
    wait_for("it to be asked", lambda: shown(daemon, "/hooks/gate")["calls"] == 2)
    reload(daemon, config({}))
    daemon.terminate()
    (tmp_path / "file").touch()
    assert daemon.wait() == 0
    assert execute(database(daemon.cwd), "SELECT count(*) FROM incoming WHERE run_id IS NULL") == [(1,)]
