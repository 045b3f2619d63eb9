"""The animals of the zoo (tests/zoo) that are interfaces and hooks. Whatever one does, agentd serves on, what people write
on another interface is answered, and what came of the animal is to be seen."""
import re
from dataclasses import dataclass

import pytest

from conftest import SLOW, wait_for
from line import Line
from stored import runs
from test_zoo import FOLDER, NONSENSE, PINGS, assert_served, fds, left_of, wait_rest


@dataclass(frozen=True)
class Animal:
    """What must come of it: a regex for the reason of its last exit ("": it has not ended), and for a line of the log;
    whether its own message is answered; and what the neighbour of a hook is answered."""
    reason: str = ""
    log: str = ""
    answered: bool = False
    reply: str = "hello"
    ping: str = "5s"


SORRY = "Sorry, something went wrong. Please try again."
KILLED = Animal(NONSENSE, f"{NONSENSE}.*; restart 1 in")

INTERFACES = {
    "submit_flood": KILLED,
    "submit_broken": KILLED,
    "submit_long_id": KILLED,
    "submit_name_with_nul": Animal(answered=True),
    "sent_unasked": Animal(answered=True),
    "sent_again": Animal(answered=True),
    "sent_broken": KILLED,
    "respond_broken": KILLED,
    "stopped_at_once": Animal(answered=True),
    "never_sent": Animal(),
    "interface_as_agent": KILLED,
    "interface_as_hook": KILLED,
    "slow_to_load": Animal(),
    "deaf": Animal(PINGS, f"{PINGS}.*; restart 1 in", ping=f"{500 * SLOW}ms"),
    "forked_interface": Animal("killed by SIGABRT", "ended 1 process that it left behind"),
}

# They see each message of the neighbour's.
HOOKS = {
    "decide_twice": Animal(),
    "edit_metadata": Animal(log="metadata is not a JSON object; it is left out"),
    "edit_flood": Animal(NONSENSE, "a call has ended its process twice", reply=SORRY),
    "hook_as_interface": Animal(NONSENSE, "a call has ended its process twice", reply=SORRY),
}

CONFIG = """
log: {{ access: false }}
supervision: {{ backoff_min: 200ms, backoff_max: 200ms, drain: {drain}ms, kill: {kill}ms, ready: {ready}s, ping: {ping} }}
agents: {{ bot: {{ plugin: PLUGIN(actor) }} }}
interfaces:
  tel: {tel}
{more}
"""


@pytest.fixture
def line():
    platform = Line()
    yield platform
    platform.close()


@pytest.fixture
def zoo(agentd, line):
    """zoo(a line for `tel`, more sections) → a daemon, whose interface `tel` is up."""
    def start(own, more, ping="5s"):
        daemon = agentd(CONFIG.format(tel=line.config("agent: bot", "open: true", *own), more=more, drain=500 * SLOW,
                                      kill=200 * SLOW, ready=20 * SLOW, ping=ping)).wait_ready()
        line.wait("UP")
        return daemon
    return start


def shown(daemon, kind, name):
    return next(one for one in daemon.get(f"/{kind}").json[kind] if one["name"] == name)


def ended(daemon, kind, row):
    """The animal, once it has ended for that reason; or now, if it must not end."""
    if not row.reason:
        return shown(daemon, kind, "beast")
    return wait_for(f"its end by {row.reason}", lambda: (one := shown(daemon, kind, "beast"))["last_exit"] and one)


def check(daemon, kind, row):
    one = ended(daemon, kind, row)
    if row.reason:
        assert re.search(row.reason, one["last_exit"]["reason"])
    else:
        one = wait_for("it to be ready", lambda: (now := shown(daemon, kind, "beast"))["state"] == "ready" and now)
        assert one["last_exit"] is None
    if row.log:
        daemon.wait_log(row.log)
    assert shown(daemon, "interfaces", "tel")["restarts"] == 0
    assert_served(daemon)


def stop(daemon, tmp_path):
    daemon.terminate()
    assert daemon.wait(10) == 0
    assert left_of(tmp_path) == []


@pytest.mark.parametrize("name", INTERFACES)
def test_an_interface_harms_nobody_else(zoo, line, tmp_path, name):
    """Promise: no interface can take agentd, or another interface, down."""
    row = INTERFACES[name]
    daemon = zoo([], f"  beast: {{ plugin: {FOLDER / name}.so, agent: bot, open: true }}", row.ping)
    line.message("say hello")
    assert line.replies() == [("c1", "hello")]
    if row.answered:
        wait_for("its message to be answered", lambda: shown(daemon, "interfaces", "beast")["answered"] == 1)
        assert shown(daemon, "interfaces", "beast")["waiting"] == 0
    check(daemon, "interfaces", row)
    line.message("say again")
    assert line.replies(2)[1] == ("c1", "again") and len(line.all("ACK")) == 2
    stop(daemon, tmp_path)


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_harms_nobody_else(zoo, line, tmp_path, name):
    """Promise: no hook can take agentd, or the interface that it watches, down; a message that it ends has failed."""
    row = HOOKS[name]
    daemon = zoo(["hooks: [ beast ]"], f"hooks: {{ beast: {{ plugin: {FOLDER / name}.so, timeout: 5s }} }}")
    line.message("say hello")
    assert line.replies(timeout=20 * SLOW) == [("c1", row.reply)]
    for run in runs(daemon):
        assert daemon.get(f"/runs/{run['run_id']}").json["user_id"] == "line:ann"
    check(daemon, "hooks", row)
    line.message("say again")
    assert line.replies(2, timeout=20 * SLOW)[1][1] in ("again", row.reply)
    stop(daemon, tmp_path)


def test_an_interface_that_is_loaded_while_agentd_stops(agentd, line, tmp_path):
    """Bug: one was told to stop before it had its settings, took that for nonsense, and the log said so."""
    daemon = agentd(CONFIG.format(tel=line.config("agent: bot", "open: true"), drain=30000, kill=5000, ready=20 * SLOW,
                                  ping="5s", more=f"  beast: {{ plugin: {FOLDER}/slow_to_load.so, agent: bot, open: true }}"))
    daemon.wait_ready()
    run = daemon.start_run(f"timer {1500 * SLOW}")
    wait_for("the run", lambda: daemon.load("bot") == (1, 0))
    assert shown(daemon, "interfaces", "beast")["state"] == "starting"
    daemon.terminate()
    assert run.getresponse().status == 200
    assert daemon.wait(20) == 0
    daemon.wait_log("interface beast: ready")
    assert not [m for m in daemon.messages() if "interface beast" in m and ("restart" in m or "sense" in m)]
