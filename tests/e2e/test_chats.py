"""Messages from a platform to an agent and back (daemon/chat), with a platform that the test plays."""
import pytest

from conftest import wait_for
from line import Line


@pytest.fixture
def line():
    platform = Line()
    yield platform
    platform.close()


def config(line, *more, agent="PLUGIN(actor)", top=""):
    interface = line.config("agent: bot", *(more or ("open: true",)))
    return f"agents: {{ bot: {{ plugin: {agent} }} }}\ninterfaces: {{ tel: {interface} }}\n{top}"


def test_a_message_is_answered(agentd, line):
    """Promise: what somebody writes becomes one run, and its answer goes back to the chat, as an answer to that
    message; it is confirmed once it is in the store, and typing is shown while the agent works."""
    daemon = agentd(config(line)).wait_ready()
    line.wait("UP")
    key = line.message("say hello", message_id="m1")
    sent = line.wait("SEND")[0]
    assert sent[3:6] == ["c1", "m1", "hello"]
    assert line.wait("ACK") == [["ACK", key, "0"]] and line.wait("TYPING") == [["TYPING", "c1"]]
    runs = daemon.request("GET", "/runs").json["runs"]
    assert [(run["source"], run["user_id"], run["status"]) for run in runs] == [("interface tel", "line:ann", "succeeded")]
    kinds = [fields[0] for fields in line.said]
    assert kinds.index("ACK") < kinds.index("TYPING") < kinds.index("SEND")
