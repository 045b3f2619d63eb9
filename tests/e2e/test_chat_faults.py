"""What must hold of chats when something dies, lies, or is in the way at the wrong moment. What they do when all goes
well is in test_chats.py."""
import os
import time

import pytest

from conftest import SLOW, wait_for
from line import Line
from stored import database, execute, kill, record, runs, stop, wait_over
from test_chats import GATE, SORRY, config, gated, interface, rows, spooled, state_is
from test_sandbox import LANDLOCK


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


# Files.

def held_with(daemon, line, path):
    """A message with that file, which waits for its turn until the run of another is cancelled: the function that does."""
    line.message("hang", user="a")
    wait_for("the first run", lambda: daemon.load("bot") == (1, 0))
    key = line.message("attached", user="b", file=str(path))
    wait_for("it to be stored", lambda: ["ACK", key, "0"] in line.all("ACK"))
    [run] = runs(daemon)
    return lambda: daemon.request("POST", f"/runs/{run['run_id']}/cancel")


def test_a_folder_that_is_a_link(agentd, line):
    """Attack: a plugin that puts a link in the place of an interface's folder, with a message's file in it, must not have
    agentd remove a file of that name elsewhere, which its sandbox keeps from the plugin."""
    daemon = agentd(config(line, "max_concurrent_requests: 1")).wait_ready()
    line.wait("UP")
    folder, elsewhere = spool(daemon) / "in-tel", daemon.cwd / "elsewhere"
    elsewhere.mkdir()
    for place in (folder, elsewhere):
        (place / "precious").write_text("x")
    go_on = held_with(daemon, line, folder / "precious")
    (folder / "precious").unlink()
    folder.rmdir()
    folder.symlink_to(elsewhere)
    go_on()
    wait_for("it to be over", lambda: rows(daemon, "SELECT count(*) FROM incoming WHERE state <> 2") == [(0,)])
    assert line.message("attached", file=f"{folder}/precious") and line.wait("ACK", 3)[2][2] == "22"
    assert (elsewhere / "precious").exists()
    stop(daemon)
    line.unacked.clear()
    daemon = agentd(config(line)).wait_ready()
    line.wait("UP", 2)
    assert folder.is_dir() and not folder.is_symlink()
    before = len(line.all("SEND"))
    line.message("attached", file="the text")
    assert line.replies(before + 1)[-1][1].rstrip().endswith(":the text")
    wait_for("the file to be gone", lambda: spooled(daemon) == [])


def test_a_file_that_is_a_link(agentd, line):
    """Attack: the same with a link in the folder: the link is removed, and not what it leads to."""
    daemon = agentd(config(line, "max_concurrent_requests: 1")).wait_ready()
    line.wait("UP")
    precious = daemon.cwd / "agent.conf"
    link = spool(daemon) / "in-tel" / "link"
    link.write_text("x")
    go_on = held_with(daemon, line, link)
    link.unlink()
    link.symlink_to(precious)
    go_on()
    [(_, text)] = line.replies()
    wait_for("the link to be gone", lambda: not link.is_symlink())
    assert precious.exists()
    if LANDLOCK >= 1:
        assert "interfaces" not in text  # nor does the agent's sandbox let it see that file


def test_files_of_a_run_that_is_taken_up_late(agentd, line):
    """Bug: after a crash the files of an answer were gone, if it was there before its message's turn had come."""
    daemon = agentd(config(line, "auto: false", agent=", concurrency: 1")).wait_ready()
    line.wait("UP")
    line.message("hang", user="a")
    wait_for("the first run", lambda: daemon.load("bot") == (1, 0))
    line.message("file note.txt words", user="b")
    wait_for("the second to wait", lambda: daemon.load("bot") == (1, 1))
    kill(daemon)
    daemon = agentd(config(line, "auto: false", "max_concurrent_requests: 1")).wait_ready()
    second, first = runs(daemon)
    wait_over(daemon, second["run_id"])
    assert record(daemon, first["run_id"])["status"] == "running" and not line.all("SEND")
    daemon.request("POST", f"/runs/{first['run_id']}/cancel")
    sent = line.wait("SEND")[0]
    assert open(sent[6].split(":")[2].rstrip(";")).read() == "words"
    line.sent(sent[1])


def test_a_message_that_is_given_again_with_its_file(agentd, line):
    """Bug: a message that was given again, as after a crash, took the file of the first away if it named the same one,
    though that still waited for its turn."""
    daemon = agentd(config(line, "max_concurrent_requests: 1")).wait_ready()
    line.wait("UP")
    line.message("hang", user="a")
    wait_for("the first run", lambda: daemon.load("bot") == (1, 0))
    path = spool(daemon) / "in-tel" / "words"
    path.write_text("the words")
    for count in (2, 3):
        line.message("attached", user="b", key="same", file=str(path))
        line.wait("ACK", count)
    daemon.request("POST", f"/runs/{runs(daemon)[0]['run_id']}/cancel")
    assert line.replies()[0][1].rstrip().endswith(":the words")
    wait_for("the file to be gone", lambda: spooled(daemon) == [])
    line.message("attached", user="b", key="same", file="other words")  # it is answered: this is nobody's
    line.wait("ACK", 4)
    wait_for("that file to be gone", lambda: spooled(daemon) == [])


def test_files_of_a_reply_that_is_kept_aside(agentd, line):
    """Bug: the next start swept the files of a reply that was kept aside, so that sending it again was in vain."""
    daemon = agentd(config(line, "auto: false")).wait_ready()
    line.wait("UP")
    line.message("file note.txt words")
    sent = line.wait("SEND")[0]
    line.sent(sent[1], 2, 0, 0, "blocked")
    wait_for("it to be kept aside", lambda: rows(daemon, "SELECT aside FROM replies") == [(1,)])
    stop(daemon)
    path = sent[6].split(":")[2].rstrip(";")
    for old in (path, os.path.dirname(path)):
        os.utime(old, (time.time() - 7200,) * 2)
    execute(database(daemon.cwd), f"UPDATE replies SET created = {int(time.time() - 7200) * 1000}")
    daemon = agentd(config(line, "auto: false")).wait_ready()
    [(number,)] = rows(daemon, "SELECT id FROM replies")
    assert daemon.request("POST", f"/outbox/{number}/retry").status < 300
    again = line.wait("SEND", 2)[1]
    assert again[6] == sent[6] and open(path).read() == "words"
    line.sent(again[1])


# Stopping.

@pytest.mark.parametrize("stage", ["message", "after"])
def test_stopping_without_the_hook_that_is_asked(agentd, line, tmp_path, stage):
    """Bug: agentd waited for a hook that had failed, in vain, as long as it waits at most. What waits for it is left for
    the next start, and answered then."""
    (tmp_path / "own").mkdir()
    text = gated(line).replace("drain: 5s", "drain: 20s").replace("backoff_min: 50ms, backoff_max: 200ms", "backoff_min: 60s, backoff_max: 60s")
    daemon = agentd(text).wait_ready()
    line.wait("UP")
    line.message(f"say once {stage} {tmp_path}/own/there")
    wait_for("the hook to be down", lambda: daemon.get("/hooks").json["hooks"][0]["state"] == "backoff")
    wait_for("the message to wait for it", lambda: interface(daemon)["waiting"] == 1)
    began = time.monotonic()
    stop(daemon)
    assert time.monotonic() - began < 10
    agentd(gated(line)).wait_ready()
    assert line.replies() == [("c1", f"once {stage} {tmp_path}/own/there")]


@pytest.mark.parametrize("gets_ready", [True, False])
def test_stopping_before_the_interface_is_ready(agentd, line, gets_ready):
    """Bug: an interface that was told to stop before it was ready, and said that it had, was killed for that."""
    daemon = agentd(config(line, "ready_later: true").replace("drain: 5s", "drain: 30s")).wait_ready()
    line.wait("UP")
    run = daemon.start_run(f"timer {1000 * SLOW}")
    wait_for("the run", lambda: daemon.load("bot") == (1, 0))
    daemon.terminate()
    line.wait("STOP")
    if gets_ready:
        line.order("ready")
        daemon.wait_log("interface tel: ready")
    assert run.getresponse().status == 200
    line.wait("CLOSE")
    assert daemon.wait(20) == 0
    assert not [m for m in daemon.messages() if "sense" in m] and len(line.pids) == 1
