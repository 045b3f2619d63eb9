"""What must hold of chats when something dies, lies, or is in the way at the wrong moment. What they do when all goes
well is in test_chats.py."""
import os

import pytest

from conftest import SLOW, wait_for
from line import Line
from stored import database, execute, kill, runs, stop
from test_chats import GATE, SORRY, config, gated, interface, rows, spooled, state_is


@pytest.fixture
def line():
    platform = Line()
    yield platform
    platform.close()


def spool(daemon):
    return next((daemon.cwd / "state").rglob("agentd.db-spool"))


# Deliveries.

def test_a_delivery_that_a_crash_has_left(agentd, line, tmp_path):
    """Bug: agentd died at its start, each time, if a schedule's run was over, but its answer not yet on its way."""
    def text(every):
        return config(line, top=f"""
cron:
  good: {{ schedule: "@every {every}", input: "say morning {every}", deliver: {{ interface: tel, chat: c7 }} }}
""")
    daemon = agentd(text("1s")).wait_ready()
    line.wait("SEND")
    wait_for("it to be settled", lambda: rows(daemon, "SELECT open FROM cron") == [(0,)])
    kill(daemon)
    execute(database(tmp_path), "UPDATE cron SET open = 1, run_id = (SELECT id FROM runs WHERE status = 2 LIMIT 1)")
    before = len(line.all("SEND"))
    agentd(text("1h")).wait_ready()
    assert line.replies(before + 1)[-1] == ("c7", "morning 1s")
