"""Reload: what lasts over more than one of them, and what is told of it."""
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from conftest import ROOT, wait_for
from test_reload import TWO, reloaded


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
