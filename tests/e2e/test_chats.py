"""Messages from a platform to an agent and back (daemon/chat), with a platform that the test plays: tests/e2e/line.py."""
import json
import os
import re
import sqlite3
import time
from contextlib import closing

import pytest

from conftest import SLOW, Reply, wait_for
from line import Line
from stored import files_in, kill, record, runs, stop, wait_running

SORRY = "Sorry, something went wrong. Please try again."


@pytest.fixture
def line():
    platform = Line()
    yield platform
    platform.close()


def config(line, *more, agent="", top="", times="", drain="5s"):
    """An agent, `bot`, and an interface for it, `tel`, which is open unless `more` says who may write. `drain`: how long
    the end waits for what a test leaves unfinished."""
    lets = [word for word in more if word.startswith(("auth:", "open:"))]
    interface = line.config("agent: bot", *([] if lets else ["open: true"]), *more)
    return f"""
supervision: {{ backoff_min: 50ms, backoff_max: 200ms, drain: {drain}, kill: 1s{times} }}
agents: {{ bot: {{ plugin: PLUGIN(actor){agent} }} }}
interfaces: {{ tel: {interface} }}
{top}
"""


def interface(daemon):
    return daemon.get("/interfaces").json["interfaces"][0]


def state_is(daemon, state):
    return wait_for(f"the interface to be {state}", lambda: (i := interface(daemon))["state"] == state and i)


def rows(daemon, sql):
    """What the store has, read beside agentd."""
    path = next(p for p in (daemon.cwd / "state").rglob("agentd.db"))
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


def spooled(daemon):
    """The files that are left of attachments."""
    folder = next((daemon.cwd / "state").rglob("agentd.db-spool"))
    return sorted(os.path.basename(path) for path in files_in(folder) if not os.path.isdir(folder / path))


# From the platform to the agent, and back.

def test_a_message_is_answered(agentd, line):
    """Promise: what somebody writes becomes one run, and its answer goes back to the chat, as an answer to that
    message; it is confirmed once it is in the store, and typing is shown while the agent works."""
    daemon = agentd(config(line)).wait_ready()
    line.wait("UP")
    key = line.message("say hello", message_id="m1")
    sent = line.wait("SEND")[0]
    assert sent[3:6] == ["c1", "m1", "hello"]
    assert line.wait("ACK") == [["ACK", key, "0"]] and line.wait("TYPING") == [["TYPING", "c1"]]
    [run] = runs(daemon)
    assert (run["source"], run["user_id"], run["status"]) == ("interface tel", "line:ann", "succeeded")
    kinds = [fields[0] for fields in line.said]
    assert kinds.index("ACK") < kinds.index("TYPING") < kinds.index("SEND")  # defects 30 and 38 of the original


def test_what_the_agent_is_told(agentd, line):
    """Promise: the agent knows the platform, the chat, who wrote, and what it is an answer to."""
    agentd(config(line)).wait_ready()
    line.wait("UP")
    line.message("request", name="@ann", message_id="m7", reply_to="m3", chat="c9")
    [(_, text)] = line.replies()
    told = dict(l.split("=", 1) for l in text.split("\n") if "=" in l)
    assert (told["input"], told["user_id"], told["source"]) == ("request", "line:ann", "interface tel")
    assert json.loads(told["metadata"]) == {
        "interface": "tel", "platform": "line", "platform_user_id": "ann", "chat_id": "c9", "user_name": "@ann",
        "message_id": "m7", "reply_to": "m3"}


def test_typing_goes_on(agentd, line):
    """Defect 38 of the original (typing after the answer): it is shown again every four seconds until the answer."""
    agentd(config(line)).wait_ready()
    line.wait("UP")
    line.message("timer 4300")
    line.wait("SEND", timeout=10 * SLOW)
    assert 2 <= len(line.all("TYPING")) <= 3
    assert [f[0] for f in line.said].index("SEND") > max(i for i, f in enumerate(line.said) if f[0] == "TYPING")


def test_no_typing(agentd, line):
    """typing_indicator: false."""
    agentd(config(line, "typing_indicator: false")).wait_ready()
    line.wait("UP")
    line.message("say x")
    line.wait("SEND")
    assert not line.all("TYPING")


def test_nothing_to_say(agentd, line):
    """Promise: an empty answer is no message, and holds nothing up."""
    daemon = agentd(config(line)).wait_ready()
    line.wait("UP")
    line.message("say ")
    line.message("say next")
    assert line.replies() == [("c1", "next")] and len(runs(daemon)) == 2
    wait_for("all to be over", lambda: rows(daemon, "SELECT count(*) FROM incoming WHERE state <> 2") == [(0,)])


def test_known_messages(agentd, line):
    """Promise: a platform that gives a message again starts nothing new, also after a restart of agentd."""
    daemon = agentd(config(line)).wait_ready()
    line.wait("UP")
    line.message("say one", key="u1")
    line.wait("SEND")
    line.message("say two", key="u1")
    line.wait("ACK", 2)
    stop(daemon)
    daemon = agentd(config(line)).wait_ready()
    line.wait("UP", 2)
    line.message("say three", key="u1")
    line.message("say four", key="u2")
    assert [text for _, text in line.replies(2)] == ["one", "four"]
    assert len(runs(daemon)) == 2 and [ack[2] for ack in line.wait("ACK", 4)] == ["0"] * 4


# Who may write.

ALLOW = 'auth: { staff: { type: allowlist, users: [ "ann", "@bob" ], chats: [ c1 ], platforms: [ line ] } }'


@pytest.mark.parametrize("user, name, chat, lets_in", [
    ("ann", "", "c1", True), ("x", "@Bob", "c1", True), ("eve", "", "c1", False), ("ann", "", "c2", False),
    ("Ann", "", "c1", False), ("x", "bob", "c1", False)])
def test_who_may_write(agentd, line, user, name, chat, lets_in):
    """Promise: an interface's auth decides; who is unknown gets no answer, and one line in the log says so (defect 41 of
    the original, where nobody was told)."""
    daemon = agentd(config(line, "auth: staff", top=ALLOW)).wait_ready()
    line.wait("UP")
    for _ in range(3):
        line.message("say secret", user=user, name=name, chat=chat)
    line.message("say end", user="ann")
    texts = [text for _, text in line.replies(4 if lets_in else 1)]
    assert sorted(texts) == ["end"] + (["secret"] * 3 if lets_in else [])
    refused = [m for m in daemon.messages() if "is not on the list" in m]
    assert len(refused) == (0 if lets_in else 1)
    assert len(runs(daemon)) == len(texts)


def test_auth_of_http(agentd, line):
    """Defect 20 of the original: what http.auth says of a platform holds for its interfaces."""
    top = """
auth:
  keys: { type: api_key, keys: [ "sha256:%s" ] }
  staff: { type: allowlist, users: [ "ann" ], platforms: [ line ] }
  any: { type: composite, of: [ keys, staff ] }
http: { listen: [ "127.0.0.1:0" ], auth: any }
""" % ("ab" * 32)
    daemon = agentd(config(line, top=top).replace("open: true", "")).wait_listening()
    line.wait("UP")
    line.message("say secret", user="eve")
    line.message("say hello", user="ann")
    assert line.replies() == [("c1", "hello")]


def test_nobody_in_particular(check, line):
    """Promise: an interface that lets in everybody has to say so."""
    result = check(config(line).replace(", open: true", ""), "-t")
    assert result.returncode == 78 and "interfaces.tel" in result.stderr and "open: true" in result.stderr


def test_too_fast(agentd, line):
    """Defect 32 of the original: the rate is applied, to each user; what is over it is not run, and said once."""
    daemon = agentd(config(line, "rate_limit_messages_per_minute: 3")).wait_ready()
    line.wait("UP")
    for i in range(8):
        line.message(f"say {i}")
    line.message("say other", user="bob")
    texts = [text for _, text in line.replies(5)]
    line.wait("ACK", 9)
    wait_for("all to be over", lambda: rows(daemon, "SELECT count(*) FROM incoming WHERE state <> 2") == [(0,)])
    assert [t for t in texts if "too fast" in t] == ["You are sending messages too fast. Please wait a moment and try again."]
    assert len(line.all("SEND")) == 5 and len(runs(daemon)) == 4
    [note] = [message for message in daemon.messages() if "rate_limit" in message]  # and the operator is told, once, who
    assert re.search(r"ann in chat c1 writes more than rate_limit_messages_per_minute \(3\) allows: not answered$", note)


# Whose message it is, and in which session.

def test_who_is_who(agentd, line):
    """Promise: users that the config links are the user of their runs; others have their platform in front."""
    daemon = agentd(config(line, top='identity: { ann: [ "line:1", "other:2" ] }')).wait_ready()
    line.wait("UP")
    for user in ("1", "2"):
        line.message("say x", user=user)
    line.wait("SEND", 2)
    assert {run["user_id"] for run in runs(daemon)} == {"ann", "line:2"}


def test_sessions(agentd, line):
    """Promise: a session for each who writes somewhere, with its history; it survives a restart of agentd."""
    daemon = agentd(config(line)).wait_ready()
    line.wait("UP")
    line.message("say one")
    line.wait("SEND")
    line.message("say other", chat="c2")
    line.message("say else", user="bob")
    line.wait("SEND", 3)
    wait_for("the outbox to be empty", lambda: rows(daemon, "SELECT count(*) FROM replies") == [(0,)])
    kill(daemon)
    daemon = agentd(config(line)).wait_ready()
    line.wait("UP", 2)
    line.message("history")
    text = line.replies(4)[3][1]
    assert text.startswith("2\nuser:say one::\nassistant:one::")
    sessions = {run["input"]: run["session_id"] for run in runs(daemon)}
    assert len(set(sessions.values())) == 3 and sessions["history"] == sessions["say one"]


def test_another_agent(agentd, line):
    """Promise: when the config gives an interface another agent, people are answered by it: in a new session."""
    daemon = agentd(config(line)).wait_ready()
    line.wait("UP")
    line.message("say one")
    assert line.replies() == [("c1", "one")]
    stop(daemon)
    agentd("agents: { other: { plugin: PLUGIN(echo) } }\ninterfaces: { tel: " + line.config("agent: other", "open: true") + " }\n")
    line.wait("UP", 2)
    line.message("say two")
    assert line.replies(2)[1] == ("c1", "say two")


def test_sessions_end(agentd, line):
    """Promise: who has been silent for session_ttl begins a new session."""
    daemon = agentd(config(line, "session_ttl: 300ms")).wait_ready()
    line.wait("UP")
    line.message("say one")
    line.wait("SEND")
    time.sleep(0.4)  # silence is what is tested
    line.message("history")
    assert line.replies(2)[1][1].strip() == "0"
    assert len({run["session_id"] for run in runs(daemon)}) == 2


def test_how_much_history(agentd, line):
    """max_session_history: whole turns; more than the agent's own `history` if it says so."""
    agentd(config(line, "max_session_history: 4", agent=", history: 2")).wait_ready()
    line.wait("UP")
    for i in range(5):
        line.message(f"say {i}")
    line.message("history")
    assert line.replies(6)[5][1].split("\n")[:5] == [
        "4", "user:say 3::", "assistant:3::", "user:say 4::", "assistant:4::"]


def test_no_history(agentd, line):
    """Bug: max_session_history: 0 was as many as the agent's own `history`."""
    agentd(config(line, "max_session_history: 0")).wait_ready()
    line.wait("UP")
    line.message("say one")
    line.message("history")
    assert line.replies(2)[1][1].strip() == "0"


def test_order(agentd, line):
    """Defect 31 of the original: messages of a chat are answered one after another, in their order, however many
    chats there are; no history is mixed."""
    daemon = agentd(config(line, "rate_limit_messages_per_minute: 0")).wait_ready()
    line.wait("UP")
    chats, each = 100, 5
    for i in range(each):
        for chat in range(chats):
            line.message("history" if i == each - 1 else f"say {chat}.{i}", user=f"u{chat}", chat=f"c{chat}")
    said = line.replies(chats * each, timeout=60 * SLOW)
    for chat in range(chats):
        mine = [text for name, text in said if name == f"c{chat}"]
        turns = [f"{chat}.{i}" for i in range(each - 1)]
        assert mine[:-1] == turns
        assert mine[-1].split("\n")[1:-1] == [l for t in turns for l in (f"user:say {t}::", f"assistant:{t}::")]
    assert len(runs(daemon, "?limit=1000")) == chats * each


def test_at_once(agentd, line):
    """max_concurrent_requests: so many of an interface's messages are worked on at once; others wait."""
    daemon = agentd(config(line, "max_concurrent_requests: 2", drain="500ms")).wait_ready()
    line.wait("UP")
    for user in ("a", "b", "c"):
        line.message("hang", user=user)
    wait_for("two runs", lambda: daemon.load("bot") == (2, 0))
    wait_for("one to wait", lambda: interface(daemon)["waiting"] == 3)
    assert daemon.load("bot") == (2, 0)
    first = runs(daemon)[-1]["run_id"]
    daemon.request("POST", f"/runs/{first}/cancel")
    wait_for("the third run", lambda: len(runs(daemon)) == 3 and daemon.load("bot") == (2, 0))


def test_interrupt(agentd, line):
    """on_busy: interrupt: the next message of a chat ends the run before, which is not answered."""
    daemon = agentd(config(line, agent=", on_busy: interrupt")).wait_ready()
    line.wait("UP")
    line.message("hang")
    wait_for("the run", lambda: daemon.load("bot") == (1, 0))
    line.message("say next")
    assert line.replies() == [("c1", "next")]
    assert [run["status"] for run in runs(daemon)] == ["succeeded", "cancelled"]


# What goes wrong.

@pytest.mark.parametrize("act", ["fail no", "refuse", "crash"])
def test_a_run_that_fails(agentd, line, act):
    """Promise: whoever writes is told that it went wrong, and no more; what comes next is answered. A message that
    kills the agent is tried twice."""
    daemon = agentd(config(line)).wait_ready()
    line.wait("UP")
    line.message(act)
    line.message("say next")
    assert line.replies(2, timeout=20 * SLOW) == [("c1", SORRY), ("c1", "next")]
    assert [run["status"] for run in runs(daemon)] == ["succeeded", "failed"]
    assert interface(daemon)["failed"] == 1


def test_what_is_said_of_errors(agentd, line):
    """error_message is the config's."""
    agentd(config(line, "error_message: Oh no")).wait_ready()
    line.wait("UP")
    line.message("fail x")
    assert line.replies() == [("c1", "Oh no")]


def test_an_agent_that_is_down(agentd, line):
    """Promise: messages wait for an agent that is not there, and are answered when it is."""
    daemon = agentd(config(line, agent=", start: later")).wait_ready()
    line.wait("UP")
    daemon.run("crash")
    line.message("say patience")
    assert line.replies(timeout=20 * SLOW) == [("c1", "patience")]
    assert daemon.agent("bot")["restarts"] == 1


# Hooks.

GATE = "hooks: { gate: { plugin: PLUGIN(gate), timeout: 1s } }"


def gated(line, *more):
    return config(line, "hooks: [ gate ]", *more, top=GATE)


def stages(daemon):
    return [re.match(r"(\w+) platform", m).group(1) for m in daemon.messages() if " platform=line" in m]


def test_hooks_see_all(agentd, line):
    """Promise: a hook sees the message, then whose it is and in which session, then the reply; and errors, which always
    have their message (defect 41 of the original: None)."""
    daemon = agentd(gated(line)).wait_ready()
    line.wait("UP")
    line.message("say hello")
    line.message("fail why")
    line.replies(2)
    calls = [m for m in daemon.messages() if " platform=line" in m]
    assert calls[:3] == [
        "message platform=line user= session=0 reply= error=",
        "before platform=line user=line:ann session=36 reply= error=",
        "after platform=line user=line:ann session=36 reply=hello error="]
    assert calls[5] == "error platform=line user=line:ann session=36 reply= error=why"


@pytest.mark.parametrize("stage, ran", [("message", False), ("before", False), ("after", True)])
def test_hooks_refuse(agentd, line, stage, ran):
    """Promise: what a hook refuses goes no further, and is over."""
    daemon = agentd(gated(line)).wait_ready()
    line.wait("UP")
    line.message(f"say refuse {stage}")
    line.message("say next", user="bob")
    texts = [text for _, text in line.replies(1)]
    wait_for("all to be over", lambda: rows(daemon, "SELECT count(*) FROM incoming WHERE state <> 2") == [(0,)])
    assert texts == ["next"] and len(line.all("SEND")) == 1
    assert len(runs(daemon)) == 1 + ran


@pytest.mark.parametrize("stage", ["message", "before", "after"])
def test_hooks_that_fail(agentd, line, stage):
    """Promise: a hook that fails does not let a message past it: that is answered with error_message."""
    daemon = agentd(gated(line)).wait_ready()
    line.wait("UP")
    line.message(f"say fail {stage}")
    texts = [text for _, text in line.replies(1)]
    assert texts == [SORRY] and stages(daemon)[-1] == "error"


@pytest.mark.parametrize("stage", ["message", "before"])
def test_hooks_that_take_their_time(agentd, line, stage):
    """A hook decides later; one that never does has failed, after its timeout."""
    daemon = agentd(gated(line)).wait_ready()
    line.wait("UP")
    line.message(f"say later {stage}")
    line.message(f"say never {stage}", user="bob")
    assert len(line.replies(2, timeout=20 * SLOW)) == 2
    assert line.replies(2)[1] == ("c1", SORRY)
    assert len([m for m in daemon.messages() if "was not decided in time" in m]) == 1


def test_hooks_that_crash(agentd, line, tmp_path):
    """Promise: a hook's process that dies with a message in it is asked again, and the second time the message has
    failed, and that one alone."""
    (tmp_path / "own").mkdir()
    agentd(gated(line)).wait_ready()
    line.wait("UP")
    line.message(f"say once message {tmp_path}/own/there")
    line.message("say crash before", user="bob")
    line.message("say hello", user="cid")
    texts = sorted(text for _, text in line.replies(3, timeout=30 * SLOW))
    assert texts == [SORRY, "hello", f"once message {tmp_path}/own/there"]


def test_hooks_change(agentd, line):
    """Promise: a hook may change what the agent is told, and what it says."""
    agentd(gated(line)).wait_ready()
    line.wait("UP")
    line.message("say change it")
    [(_, text)] = line.replies()
    assert "input=request\n" in text and 'metadata={"by":"gate"}\n' in text and text.endswith("!")


# Replies.

def test_a_reply_that_is_not_taken(agentd, line):
    """Promise: what the platform refuses for now is tried again, later and later, or when the platform says so; and
    begins behind what it has taken. What comes behind it waits; other chats do not."""
    daemon = agentd(config(line, "auto: false", "max_attempts: 5")).wait_ready()
    line.wait("UP")
    line.message("say one")
    first = line.wait("SEND")[0]
    line.message("say two")
    line.message("say other", chat="c2")
    other = line.wait("SEND", 2)[1]
    assert other[3:6:2] == ["c2", "other"]
    line.sent(other[1])
    line.sent(first[1], 1, 2, 0, "busy")
    again = line.wait("SEND", 3)[2]
    assert again[2:6:3] == ["2", "one"] and again[1] != first[1]
    asked = time.monotonic()
    line.sent(again[1], 1, 3, 700, "slow down")
    third = line.wait("SEND", 4)[3]
    assert third[2:6:3] == ["3", "one"] and time.monotonic() - asked >= 0.65
    line.sent(third[1])
    last = line.wait("SEND", 5)[4]
    assert last[2:6:3] == ["0", "two"]
    line.sent(last[1])
    wait_for("the outbox to be empty", lambda: rows(daemon, "SELECT count(*) FROM replies") == [(0,)])
    assert "slow down" in "\n".join(daemon.messages())


@pytest.mark.parametrize("status", [1, 2])
def test_a_reply_that_is_kept_aside(agentd, line, status):
    """Promise: a reply that is refused for good, or too often, is kept aside, says the log, and is in nobody's way."""
    daemon = agentd(config(line, "auto: false", "max_attempts: 2", drain="500ms")).wait_ready()
    line.wait("UP")
    line.message("say lost")
    line.message("say next")
    tries = 1 if status == 2 else 2
    for i in range(tries):
        line.sent(line.wait("SEND", i + 1)[i][1], status, 0, 0, "the bot was blocked")
    assert line.wait("SEND", tries + 1)[tries][5] == "next"
    daemon.wait_log(r"interface tel: reply \d+ to chat c1 is kept aside: the bot was blocked")
    assert rows(daemon, "SELECT aside, attempts, error FROM replies WHERE aside") == [(1, tries, "the bot was blocked")]


def test_a_session_has_what_was_said_whatever_became_of_the_reply(agentd, line):
    """Defect 31 of the original: a history was saved only after its reply had been sent."""
    agentd(config(line, "auto: false", drain="500ms")).wait_ready()
    line.wait("UP")
    line.message("say lost")
    line.sent(line.wait("SEND")[0][1], 2, 0, 0, "the bot was blocked")
    line.message("history")
    assert line.wait("SEND", 2)[1][5].replace("\r", "\n").startswith("2\nuser:say lost::\nassistant:lost::")


def test_replies_survive(agentd, line):
    """Promise: a reply that the platform has not taken is sent again after a crash of the interface, and of agentd."""
    daemon = agentd(config(line, "auto: false")).wait_ready()
    line.wait("UP")
    line.message("say once")
    line.wait("SEND")
    line.order("crash")
    assert line.wait("SEND", 2, timeout=20 * SLOW)[1][5] == "once"
    kill(daemon)
    daemon = agentd(config(line)).wait_ready()
    assert line.wait("SEND", 3, timeout=20 * SLOW)[2][5] == "once"
    wait_for("the outbox to be empty", lambda: rows(daemon, "SELECT count(*) FROM replies") == [(0,)])
    assert len(runs(daemon)) == 1


def test_a_reply_that_nothing_is_said_of(agentd, line):
    """What an interface says of a reply that it was not given, or twice, changes nothing."""
    daemon = agentd(config(line, "auto: false", drain="500ms")).wait_ready()
    line.wait("UP")
    line.sent(77)
    line.message("say hi")
    reply = line.wait("SEND")[0][1]
    line.sent(reply)
    line.sent(reply)
    line.message("say more")
    assert line.wait("SEND", 2)[1][5] == "more" and len(daemon.wait_ready().messages())
    assert interface(daemon)["restarts"] == 0


# Attachments.

def test_attachments(agentd, line):
    """Promise: files come to the agent as files, with what is known of them, and are gone when it is over."""
    daemon = agentd(config(line)).wait_ready()
    line.wait("UP")
    line.message("attached", file="the text")
    line.message("attached", file="https://example.com/a.png")
    line.message("", file="no words")
    assert [text.rstrip() for _, text in line.replies(3)] == [
        "1\n0:a.txt:text/plain:the text", "1\n0:a.txt:text/plain:https://example.com/a.png",
        "1\n0:a.txt:text/plain:no words"]
    wait_for("the files to be gone", lambda: spooled(daemon) == [])


def test_attachments_of_others(agentd, line):
    """Promise: an interface hands on its own files only, and such as there are."""
    daemon = agentd(config(line)).wait_ready()
    line.wait("UP")
    folder = next((daemon.cwd / "state").rglob("in-tel"))
    (folder / "link").symlink_to("/etc/hostname")
    for path in ("/etc/hostname", folder / "none", folder / "link"):
        line.message("attached", file=str(path))
    assert [ack[2] for ack in line.wait("ACK", 3)] == ["22"] * 3


def test_attachments_of_answers(agentd, line):
    """Promise: files of an answer go along with it, also after a crash, and are gone when the platform has them."""
    daemon = agentd(config(line, "auto: false", drain="500ms")).wait_ready()
    line.wait("UP")
    line.message("file note.txt some words")
    sent = line.wait("SEND")[0]
    path = sent[6].split(":")[2].rstrip(";")
    assert sent[5] == "here it is" and open(path).read() == "some words"
    kill(daemon)
    daemon = agentd(config(line, "auto: false", drain="500ms")).wait_ready()
    sent = line.wait("SEND", 2)[1]
    assert sent[6] == f"0:note.txt:{path};" and open(path).read() == "some words"
    line.sent(sent[1])
    wait_for("the file to be gone", lambda: not os.path.exists(path))
    line.message("link https://example.com/x.png")
    assert line.wait("SEND", 3)[2][6] == "1::https://example.com/x.png;"


def test_files_that_a_crash_has_left(agentd, line):
    """What belongs to nothing any more is swept; what a message still needs stays."""
    daemon = agentd(config(line, agent=", start: never", times=", ready: 60s")).wait_listening()
    line.wait("UP")
    line.message("attached", file="needed")
    line.wait("ACK")
    kill(daemon)
    folder = next((daemon.cwd / "state").rglob("agentd.db-spool"))
    old = folder / "in-tel" / "01a20273-0000-7000-8000-000000000000"  # as host->spool names them
    old.write_text("x")
    os.utime(old, (1, 1))
    (folder / "0192-run").mkdir()
    (folder / "0192-run" / "f").write_text("x")
    os.utime(folder / "0192-run" / "f", (1, 1))
    os.utime(folder / "0192-run", (1, 1))
    daemon = agentd(config(line)).wait_ready()
    assert line.replies(timeout=20 * SLOW)[0][1].rstrip() == "1\n0:a.txt:text/plain:needed"
    wait_for("the files to be gone", lambda: spooled(daemon) == [] and not (folder / "0192-run").exists())


# The interface's process.

def test_an_interface_that_crashes(agentd, line):
    """Defects 1 and 2 of the original: an interface that dies is started again, and receives again."""
    daemon = agentd(config(line)).wait_ready()
    for i in range(3):
        line.wait("UP", i + 1, timeout=20 * SLOW)
        line.message(f"say {i}")
        line.wait("SEND", i + 1)
        line.order("crash" if i % 2 else "fail")
    assert line.wait("UP", 4, timeout=20 * SLOW) and state_is(daemon, "ready")["restarts"] == 3
    assert len(set(line.pids)) == 4


def test_an_interface_that_has_failed(agentd, line):
    """Defect 6 of the original: refused credentials are no reason to try again: FAILED at once, with a clear line,
    until somebody restarts it."""
    daemon = agentd(config(line)).wait_ready()
    line.wait("UP")
    line.order("fatal")
    assert state_is(daemon, "failed")["last_exit"]["reason"] == "the token is refused"
    daemon.wait_log("interface tel: .*the token is refused; not started again")
    assert daemon.get("/health").status == 200 and daemon.run("say alive").json["content"] == "alive"
    assert daemon.request("POST", "/interfaces/tel/restart").status == 202
    line.wait("UP", 2)
    line.message("say back")
    assert line.replies() == [("c1", "back")]


def test_an_interface_that_is_done(agentd, line):
    """Defect 4 of the original: one that ends cleanly is not started again, and ends nothing else."""
    daemon = agentd(config(line)).wait_ready()
    line.wait("UP")
    line.order("done")
    state_is(daemon, "down")
    daemon.wait_log("interface tel: has nothing more to do: .*the platform has closed")
    assert daemon.run("say alive").json["content"] == "alive" and len(line.pids) == 1


def test_an_interface_that_hangs(agentd, line):
    """Defect 2 of the original: one whose loop is stuck is noticed, killed, and started again."""
    daemon = agentd(config(line, times=", ping: 100ms")).wait_ready()
    state_is(daemon, "ready")
    line.order("hang")
    line.wait("UP", 2, timeout=20 * SLOW)
    assert "pings" in state_is(daemon, "ready")["last_exit"]["reason"]


def test_restart(agentd, line):
    """Promise: an operator's restart lets the interface finish what it sends, and loses nothing."""
    daemon = agentd(config(line, "auto: false")).wait_ready()
    line.wait("UP")
    line.message("say hello")
    reply = line.wait("SEND")[0][1]
    daemon.request("POST", "/interfaces/tel/restart")
    line.wait("STOP")
    line.sent(reply)
    line.wait("CLOSE")
    line.wait("UP", 2)
    line.message("say again")
    line.sent(line.wait("SEND", 2)[1][1])
    assert state_is(daemon, "ready") and len(line.all("SEND")) == 2


def test_ready_later(agentd, line):
    """An interface is ready when it says so."""
    daemon = agentd(config(line, "ready_later: true")).wait_listening()
    line.wait("UP")
    assert interface(daemon)["state"] == "starting"
    line.order("ready")
    state_is(daemon, "ready")


@pytest.mark.parametrize("later", ["true", "false"])
def test_messages_before_it_is_ready(agentd, line, later):
    """An interface may submit from its start on."""
    daemon = agentd(config(line, "early: true", f"ready_later: {later}")).wait_ready()
    line.wait("ACK")
    if later == "true":
        line.order("ready")
    assert line.replies() == [("c1", "early")] and state_is(daemon, "ready")["restarts"] == 0


def test_stopped_before_it_is_ready(agentd, line):
    """Promise: one that is told to stop before it is ready, and becomes ready all the same, holds nothing up."""
    daemon = agentd(config(line, "ready_later: true", agent=", concurrency: 1")).wait_ready()
    line.wait("UP")
    run = daemon.start_run("timer 700")
    wait_for("it to run", lambda: daemon.load("bot")[0] == 1)
    daemon.terminate()
    line.wait("STOP")
    line.order("ready")
    assert Reply(run.getresponse()).status == 200
    assert daemon.wait(4) == 0
    assert not [m for m in daemon.messages() if "makes no sense" in m]


def test_one_crash_loop(agentd, line):
    """Defect 3 of the original: an interface that cannot start delays no other."""
    other = Line()
    try:
        text = config(line).replace("interfaces: { tel", f"interfaces: {{ gone: {{ plugin: PLUGIN(line), port: 1, open: true, agent: bot }}, tel")
        daemon = agentd(text).wait_ready()
        line.wait("UP")
        line.order("crash")
        line.wait("UP", 2, timeout=5 * SLOW)
        line.message("say hello")
        assert line.replies() == [("c1", "hello")]
        gone = [i for i in daemon.get("/interfaces").json["interfaces"] if i["name"] == "gone"][0]
        assert gone["state"] in ("backoff", "starting", "stopping") and "the platform is not there" in gone["last_exit"]["reason"]
    finally:
        other.close()


def test_events_of_interfaces(agentd, line):
    """Interfaces emit events, too."""
    daemon = agentd(config(line, top='events: { hello: { input: "say event" } }')).wait_ready()
    line.wait("UP")
    line.order("emit", "hello")
    wait_for("the event's run", lambda: [r["source"] for r in runs(daemon)] == ["event(hello)"])


def test_paths(agentd, line):
    """Promise: a platform that pushes reaches its interface on agentd's own listener, without auth; the interface
    answers."""
    daemon = agentd(config(line, "mode: webhook", "hook_path: /hook/line")).wait_ready()
    line.wait("UP")
    connection = daemon.connect()
    connection.request("POST", "/hook/line?a=1", b"body\n")
    number, method, path, query, body = line.wait("HTTP")[0][1:6]
    assert (method, path, query, body) == ("POST", "/hook/line", "a=1", "body\r")
    line.write(f"H\t{number}\t201\tfine")
    reply = connection.getresponse()
    assert (reply.status, reply.read()) == (201, b"fine")
    assert daemon.request("PUT", "/hook/line").status == 405
    assert agentd is not None


# Starting and stopping.

def test_drain(agentd, line):
    """Defect 5 of the original: TERM: the interface receives no more, what is going on is answered, what waits is
    answered with the next start, and agentd ends with 0."""
    daemon = agentd(config(line, "max_concurrent_requests: 1")).wait_ready()
    line.wait("UP")
    line.message("timer 500", user="a")
    line.message("say waiting", user="b")
    line.wait("ACK", 2)
    wait_running(daemon, agent="bot")
    daemon.terminate()
    line.wait("STOP")
    assert daemon.wait(20) == 0
    assert len(line.all("SEND")) == 1
    agentd(config(line)).wait_ready()
    assert line.replies(2)[1] == ("c1", "waiting")


def test_what_comes_while_it_stops(agentd, line):
    """Promise: an interface that says so may submit what it has received, after it was told to stop, before it ends."""
    daemon = agentd(config(line, "stop_later: true")).wait_ready()
    line.wait("UP")
    state_is(daemon, "ready")
    daemon.terminate()
    line.wait("STOP")
    key = line.message("say last minute")
    assert line.wait("ACK") == [["ACK", key, "0"]]
    line.order("stopped")
    line.wait("CLOSE")
    assert daemon.wait(20) == 0 and not line.all("SEND")
    daemon = agentd(config(line)).wait_ready()
    assert line.replies() == [("c1", "last minute")]


def test_stopping_with_a_reply_that_is_not_taken(agentd, line):
    """A reply that the platform does not take holds up the end for the drain time at most, and is sent later."""
    daemon = agentd(config(line, "auto: false", drain="500ms")).wait_ready()
    line.wait("UP")
    line.message("say later")
    line.wait("SEND")
    daemon.terminate()
    assert daemon.wait(20) == 0
    agentd(config(line)).wait_ready()
    assert line.wait("SEND", 2)[1][5] == "later"


def test_a_store_that_is_locked(agentd, line):
    """Promise: what cannot be written down is not confirmed; when it can, all goes on by itself."""
    daemon = agentd(config(line)).wait_ready()
    line.wait("UP")
    path = next((daemon.cwd / "state").rglob("agentd.db"))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        key = line.message("say hello")
        ack = line.wait("ACK", timeout=20 * SLOW)[0]
        assert ack[1] == key and ack[2] != "0"
        db.execute("ROLLBACK")
    assert line.replies(timeout=20 * SLOW) == [("c1", "hello")]
    assert len(runs(daemon)) == 1


def test_a_schedule_that_is_delivered(agentd, line):
    """cron's deliver: the answer goes to a chat; one that fails does not."""
    top = """
cron:
  good: { schedule: "@every 1s", input: "say good morning", deliver: { interface: tel, chat: c7 } }
  bad: { schedule: "@every 1s", input: "fail no", deliver: { interface: tel, chat: c8 } }
"""
    daemon = agentd(config(line, top=top)).wait_ready()
    sent = line.wait("SEND", 2, timeout=10 * SLOW)
    assert {tuple(fields[3:6]) for fields in sent} == {("c7", "", "good morning")}
    assert any(run["status"] == "failed" for run in runs(daemon))


def test_the_secret(agentd, line):
    """Promise: an interface's secret is in no log, no answer, and nobody else's environment."""
    secret = "12345:S3cret-t0ken"
    daemon = agentd(config(line, f'token: "{secret}"'), arguments=["-v"] if False else None).wait_ready()
    line.wait("UP")
    line.order("log")
    daemon.wait_log(f"the secret has {len(secret)} bytes")
    line.message("env")
    line.replies()
    told = json.dumps([line.said, daemon.raw]) + str(daemon.get("/interfaces").body) + str(daemon.get("/agents").body)
    assert secret not in told
    for pid in os.listdir("/proc"):
        for name in ("cmdline", "environ"):
            try:
                assert secret.encode() not in open(f"/proc/{pid}/{name}", "rb").read() or int(pid) == os.getpid()
            except (OSError, ValueError):
                pass
