"""When memory is out: whichever allocation of a request fails, its answer is a good one, 500, or none; agentd goes on."""
import http.client
import json
import mmap
import struct
import time

import jwt
import pytest

from conftest import BUILD, SANITIZED, wait_for
from credentials import CONFIG as AUTH_CONFIG, KEYS, as_, user_of
from line import Line
from stored import background, files_in, wait_status
from test_chats import SORRY
from test_openapi import Document, Witness, answers_of, parse

pytestmark = pytest.mark.skipif(SANITIZED, reason="its memory is not ours")

CONFIG = """
http: { listen: [ "127.0.0.1:0" ], docs: true }
agents: { a: { plugin: PLUGIN(actor) } }
events: { e: { input: "say x" } }
cron: { c: { schedule: "0 0 29 2 *", input: "say x" } }
interfaces: { i: INTERFACE }
hooks: { h: { plugin: PLUGIN(gate) } }
supervision: { backoff_min: 10ms, backoff_max: 20ms, drain: 200ms, kill: 200ms }
"""
NONE = -1


class Memory:
    """How many allocations succeed until one fails (tests/preload/memory.c)."""

    def __init__(self, path):
        path.write_bytes(struct.pack("q", NONE))
        self.env = {"LD_PRELOAD": str(BUILD / "tests" / "preload" / "memory.so"), "AGENTD_TEST_MEMORY": str(path)}
        with open(path, "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), 8)

    @property
    def left(self):
        return struct.unpack("q", self.shared[:8])[0]

    @left.setter
    def left(self, count):
        self.shared[:8] = struct.pack("q", count)


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "memory")


def ask(daemon, method, path, body, headers=None):
    """The reply; None: the connection was closed before its end."""
    try:
        return daemon.request(method, path, body, headers)
    except (http.client.RemoteDisconnected, http.client.IncompleteRead, ConnectionResetError):
        return None


def check(document, method, path, reply):
    """Is it as the document says? Its code, if it is a problem."""
    said = f"{method} {path}: {reply.status} {reply.headers.items()} {reply.body[:300]}"
    response = document.find(method, path)["responses"].get(str(reply.status))
    assert response, said
    media = reply.headers.get_content_type() if "Content-Type" in reply.headers else None  # a stream may be cut
    content = response.get("content", {None: {"schema": {}}})
    assert media in content, said
    Witness(document).check_body(media, content[media]["schema"], reply)
    told = [reply.json] if reply.status == 200 and media == "application/json" else []
    if media == "text/event-stream":
        events = parse(reply.body)
        assert [event.id for event in events] == list(range(1, len(events) + 1)), said
        told = [event.data for event in events]
    assert {one["content"] for one in told if "content" in one} <= {"ab"}, said
    code = reply.json["code"] if media == "application/problem+json" else None
    assert code is None or code in answers_of(response), said
    return code


def bodies(operation):
    """What is sent: in each way that it is answered in."""
    if "requestBody" not in operation:
        return [None]
    more = [{"stream": True}, {"background": True}] if "200" in operation["responses"] else []
    if "RunRequest" in json.dumps(operation["requestBody"]):
        more.append({"attachments": [{"data": "QQ=="}, {"url": "http://h", "name": "n"}]})
    return [json.dumps({"input": "deltas a b", "text": "x", "links": ["line:1"], **way}) for way in [{}, *more]]


def test_each_allocation_of_each_route(agentd, memory):
    """Bugs: what memory was too short for was sent with 200, cut where it ended; a stream went on behind a gap; a
    connection or a run that no table had room for ended agentd."""
    line = Line()
    config = CONFIG.replace("INTERFACE", line.config("agent: a", "open: true", "auto: false", "max_attempts: 1"))
    daemon = agentd(config, env=memory.env).wait_ready()
    line.wait("UP")
    line.message("say x")
    line.wait("SEND")
    [reply] = daemon.get("/outbox").json["replies"]
    document = Document(daemon.get("/openapi.json").json)
    run_id = background(daemon, "deltas a b", session_id="s")
    wait_status(daemon, run_id, "succeeded")
    for (method, pattern), operation in document.operations.items():
        name = {"cron": "c", "events": "e", "interfaces": "i", "hooks": "h"}.get(pattern.split("/")[1], "a")
        id = {"runs": run_id, "outbox": str(reply["id"])}.get(pattern.split("/")[1], "s")
        path = pattern.replace("{name}", name).replace("{id}", id).replace("{user}", "ann")
        codes = []
        for body in bodies(operation):
            count = 0
            while count == 0 or memory.left == NONE:  # until it needs no more than there are
                assert daemon.process.poll() is None, (method, path, body, count - 1, daemon.messages()[-5:])
                daemon.wait_ready()
                memory.left = count
                answer = ask(daemon, method, path, body)
                if answer:
                    codes.append(check(document, method, path, answer))
                count += 1
            memory.left = NONE
        assert "internal" in codes, (method, path, codes)
    assert daemon.get("/health").status == 200
    wait_for("all to be over", lambda: daemon.load("a") == (0, 0))
    spool = next((daemon.cwd / "state").rglob("agentd.db-spool"))
    wait_for("files to be gone", lambda: files_in(spool) == ["in-i"])
    line.close()


def test_it_lets_nobody_in(agentd, memory):
    """Whichever allocation fails while auth is asked: who is not known stays outside, and who is known is not another."""
    text = AUTH_CONFIG.replace("\nagents:", '\n  sso: { type: jwt, algorithms: [ HS256 ], secret: "%s" }\n'
                               "  any: { type: composite, of: [ keys, sso ] }\nagents:" % ("s" * 32), 1)
    daemon = agentd(text.replace("auth: keys", "auth: any"), env=memory.env)
    as_(daemon, "root").wait_ready()
    claims = {"sub": "ann", "exp": time.time() + 600}
    forged, good = jwt.encode(claims, "x" * 32), jwt.encode(claims, "s" * 32)
    for headers, known in (({}, None), ({"X-API-Key": "unknown"}, None), ({"Authorization": f"Bearer {forged}"}, None),
                           ({"Authorization": f"Bearer {good}"}, "ann"), ({"X-API-Key": KEYS["bob"]}, user_of("bob"))):
        statuses, count = set(), 0
        while count == 0 or memory.left == NONE:
            memory.left = count
            reply = ask(daemon, "POST", "/run", '{"input":"request"}', headers)
            count += 1
            if reply:
                statuses.add(reply.status)
                assert reply.status != 200 or f"user_id={known}\n" in reply.json["content"]
        memory.left = NONE
        assert daemon.process.poll() is None
        assert {500, 200 if known else 401} <= statuses <= ({200, 500, 503} if known else {401, 500}), (headers, statuses)


def test_each_allocation_of_a_message(agentd, memory):
    """Bugs: a message that was acknowledged, or a reply, waited for the next start if there was no memory for its place;
    one whose session was looked up just then was tried again for ever, in vain; and what a hook had made of a reply,
    the text of a message or its attachments were lost, and it went on without."""
    line = Line()
    interface = line.config("agent: a", "open: true", "hooks: [ h ]", "rate_limit_messages_per_minute: 0")
    config = CONFIG.replace("INTERFACE", interface).replace("PLUGIN(gate)", "PLUGIN(gate), tag: tagged, timeout: 1s")
    daemon = agentd(config, env=memory.env).wait_ready()
    line.wait("UP")
    line.message("say x", chat="first")
    line.replies()
    count, texts = 0, []
    while count == 0 or memory.left == NONE:  # until it needs no more than there are
        sent = len(line.all("SEND"))
        memory.left = count
        line.message("attached words", chat=f"c{count}", file="http://host/x")
        chat, text = line.replies(sent + 1)[sent]
        assert chat == f"c{count}" and daemon.process.poll() is None
        texts.append(text.rstrip())
        count += 1
    memory.left = NONE
    assert set(texts) == {"1\n0:a.txt:text/plain:http://host/x\ntagged", SORRY}, texts
    assert texts.count(SORRY) < count / 2
    line.close()
