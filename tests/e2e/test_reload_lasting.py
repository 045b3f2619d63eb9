"""Reload: what lasts over more than one of them, and what is told of it."""
import json
import signal
import socket
import subprocess

import pytest

from conftest import ROOT, Reply, assert_problem, wait_for
from test_reload import TWO, ZOO, reloaded, write


def test_an_agent_outlasts_the_config_that_lost_it_for_older_runs(agentd):
    """Bug: an agent that a config has no more was freed with the config just before that, while a run that had begun
    two configs earlier still went on in it."""
    daemon = agentd(TWO.format(a="one", b="one")).wait_ready()
    going = daemon.start_run("after 1500 done", agent="b")
    wait_for("it to run", lambda: daemon.load("b")[0] == 1)
    reloaded(daemon, TWO.format(a="two", b="one"))
    reloaded(daemon, "agents: { a: { plugin: PLUGIN(actor), text: two } }")
    for number in range(5):
        assert daemon.run(f"say {number}").json["content"] == str(number)
    reply = going.getresponse()
    assert (reply.status, json.loads(reply.read()).get("content")) == (200, "done")


SLOW_TO_CLOSE = """
#include "animal.h"

static void slow(void *self)
{
	(void)self;
	usleep(400000);
	fprintf(stderr, "all is put away\\n");
}

ANIMAL(.open = animal_open, .run = animal_run, .close = slow);
"""


@pytest.mark.parametrize("stops", [False, True])
def test_an_agent_that_is_gone_closes_in_its_own_time(agentd, tmp_path, stops):
    """Bug: the process of an idle agent that a config has no more was killed at once, in the middle of its plugin's
    `close`; and agentd that was told to stop did not wait for it."""
    (tmp_path / "slow.c").write_text(SLOW_TO_CLOSE)
    subprocess.run(["cc", "-w", "-shared", "-fPIC", "-fvisibility=hidden", f"-I{ROOT}/include", f"-I{ROOT}/tests/zoo",
                    "-o", "slow.so", "slow.c"], cwd=tmp_path, check=True)
    daemon = agentd("""
        agents: { a: { plugin: PLUGIN(actor) }, b: { plugin: ./slow.so } }
        default_agent: a
        """).wait_ready()
    reloaded(daemon, "agents: { a: { plugin: PLUGIN(actor) } }")
    if stops:
        daemon.terminate()
        assert daemon.wait() == 0
    daemon.wait_log("^all is put away$", 3)


HANGING = """
    agents: { a: { plugin: PLUGIN(actor) }, b: { plugin: ANIMAL } }
    default_agent: a
    supervision: { ready: 60s, drain: 60s }
""".replace("ANIMAL", str(ZOO / "hang_in_constructor.so"))


def hang(daemon):
    """A reload that takes long, of which somebody waits for the end."""
    write(daemon, HANGING)
    waiting = daemon.connect(timeout=5)
    waiting.request("POST", "/reload")
    daemon.wait_log("^asked to by POST /reload .agentctl reload.; the config is read again")
    return waiting


def test_a_stop_does_not_wait_for_a_plugin_that_does_not_load(agentd):
    """Bug: who waited for a reload kept agentd from stopping, for as long as a plugin took to load."""
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor) } }\nsupervision: { drain: 60s }").wait_ready()
    waiting = hang(daemon)
    daemon.terminate()
    reply = Reply(waiting.getresponse())
    assert "agentd is stopping" in assert_problem(reply, 422, "config_invalid")["detail"]
    assert daemon.wait(5) == 0


def test_neither_does_an_upgrade(agentd):
    """Bug: an upgrade waited for it as well."""
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor) } }\nsupervision: { drain: 60s }").wait_ready()
    waiting = hang(daemon)
    write(daemon, "agents: { a: { plugin: PLUGIN(actor) } }")
    daemon.terminate(signal.SIGUSR2)
    assert_problem(Reply(waiting.getresponse()), 422, "config_invalid")
    wait_for("the next", lambda: sum("serves" in line for line in daemon.messages()) == 2)
    assert daemon.run("say on").json["content"] == "on"


def test_systemd_is_told_of_reloads(agentd, tmp_path):
    """Promise: RELOADING=1, then READY=1 with what is served now. Bug: the status stayed that of the start; and a
    reload of an agentd that stops said that it was ready."""
    path = str(tmp_path / "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(10)
    def said():
        return listener.recv(4096).decode().splitlines()
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor) } }", env={"NOTIFY_SOCKET": path}).wait_ready()
    assert said() == ["READY=1", "STATUS=serving 1 agent"]
    reloaded(daemon, TWO.format(a="one", b="one"))
    assert said()[0] == "RELOADING=1"
    assert said() == ["READY=1", "STATUS=serving 2 agents"]
    going = daemon.start_run("after 500 done")
    wait_for("it to run", lambda: daemon.load("a")[0] == 1)
    daemon.terminate()
    assert said() == ["STOPPING=1", "STATUS=stopping"]
    daemon.terminate(signal.SIGHUP)
    daemon.wait_log("agentd is stopping")
    assert json.loads(going.getresponse().read())["content"] == "done"
    assert daemon.wait() == 0
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        said()
