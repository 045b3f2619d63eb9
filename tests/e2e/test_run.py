"""POST /run and POST /agents/{name}/run: what goes in, what comes out, what is refused, and how."""
import json
import re
import time

import pytest
from conftest import assert_problem, wait_for

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
BOTH = pytest.mark.parametrize("path", ["/run", "/agents/actor/run"])


@pytest.fixture
def two(agentd):
    """Two agents, no default."""
    return agentd("agents: { a: { plugin: PLUGIN(actor) }, b: { plugin: echo } }").wait_ready()


def told(reply):
    """What the actor's `request` says it was given."""
    return dict(line.split("=", 1) for line in reply.json["content"].strip("\n").split("\n"))


# What comes out.

@BOTH
def test_answer(actor, path):
    """200 has content, session_id, run_id, agent and status, and ids are UUIDv7."""
    reply = actor.request("POST", path, {"input": "say hello"})
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    body = reply.json
    assert UUID7.fullmatch(body.pop("run_id")) and UUID7.fullmatch(body.pop("session_id"))
    assert body == {"content": "hello", "agent": "actor", "status": "succeeded"}


def test_usage(actor):
    """Usage is in the answer when the agent reports any; what is no JSON object is left out, and logged."""
    usage = {"tokens": {"in": 12, "out": 3}, "model": "ü"}
    assert actor.run("usage " + json.dumps(usage)).json["usage"] == usage
    for wrong in ("[1]", "{", "7"):
        body = actor.run("usage " + wrong).json
        assert body["content"] == "ok" and "usage" not in body
    wait_for("three log lines", lambda: sum("usage is not a JSON" in m for m in actor.messages()) == 3)


def test_request_reaches_the_agent(actor):
    """The agent is told the ids, the user, the metadata, the source and its deadline."""
    metadata = {"a": [1, 2.5, None, True, -9007199254740993], "é\u2028": {"b": {}}, "": "\"\\\u0001"}
    reply = actor.run("request  and more ", session_id="s 1,ü", user_id="Ann", metadata=metadata, timeout=5)
    given = told(reply)
    assert reply.json["session_id"] == given["session_id"] == "s 1,ü"
    assert given["run_id"] == reply.json["run_id"]
    assert given["input"] == "request  and more "
    assert json.loads(given["metadata"]) == metadata
    assert given["user_id"] == "Ann" and given["source"] == "http" and given["name"] == "actor"
    assert given["attempt"] == "1" and given["claims"] == given["trigger"] == ""
    assert 0 < int(given["left_ms"]) <= 5000


@pytest.mark.parametrize("nothing", [{}, dict.fromkeys(
    ["session_id", "user_id", "agent", "metadata", "stream", "background", "timeout", "attachments"]),
    {"session_id": "", "user_id": "", "agent": "", "metadata": {}, "attachments": [], "other": [1]}])
def test_null_and_empty_fields_are_as_good_as_absent(actor, nothing):
    """Clients that send every field, and fields that we do not know, are served."""
    reply = actor.run("request", **nothing)
    assert reply.status == 200 and UUID7.fullmatch(reply.json["session_id"])
    given = told(reply)
    assert given["user_id"] == "" and given["metadata"] in ("", "{}")


@pytest.mark.parametrize("text", [
    "".join(map(chr, range(1, 0x20))) + "\x7f\x80\x9f",
    "\"quotes\" \\backslash\\ /slash/ </script>",
    "zażółć gęślą jaźń — 日本語 — 👩‍👩‍👧 — \u2028\u2029\ufeff\ufffd\uffff\U0010ffff",
    " leading, trailing and\n\n\nlines ",
], ids=["controls", "escapes", "unicode", "spaces"])
def test_text_round_trips(actor, text):
    """No character is lost or changed on its way to the agent and back, escaped or not."""
    assert actor.run("say " + text).json["content"] == text
    raw = json.dumps({"input": "say " + text}, ensure_ascii=False).encode()
    assert actor.request("POST", "/run", raw).json["content"] == text


@pytest.mark.parametrize("text", ["x" * 1_048_000, "é" * 520_000, "\x01" * 174_000],
                         ids=["ascii", "two bytes", "escapes"])
def test_bodies_up_to_the_limit(agentd, text):
    """A body just below 1 MiB goes through whole, and so does its answer."""
    daemon = agentd("agents: { hello: { plugin: echo } }").wait_ready()
    body = json.dumps({"input": text}, ensure_ascii=False).encode()
    assert 1_000_000 < len(body) <= 1 << 20
    assert daemon.request("POST", "/run", body).json["content"] == text


# Which agent.

def test_agent_by_name(two):
    """`agent` in the body or the path chooses the agent."""
    assert two.run("say 1", agent="a").json["content"] == "1"
    assert two.run("say 1", agent="b").json["content"] == "say 1"
    assert two.request("POST", "/agents/b/run", {"input": "x", "agent": "b"}).json["agent"] == "b"


def test_default_agent(agentd):
    """default_agent serves POST /run when there are several."""
    daemon = agentd("""
        default_agent: b
        agents: { a: { plugin: PLUGIN(actor) }, b: { plugin: echo } }
    """).wait_ready()
    assert daemon.run("x").json["agent"] == "b"
    assert daemon.get("/health").json == {"status": "ok", "agent": "b"}


def test_several_agents_and_no_default(two):
    """Without a default, POST /run must name an agent; it is not guessed."""
    body = assert_problem(two.run("x"), 400, "bad_request")
    assert '"agent"' in body["detail"] and "default_agent" in body["detail"]
    assert two.get("/health").json == {"status": "ok", "agent": None}


def test_agent_of_body_and_path_differ(two):
    """Two names for the agent that do not agree are an error, not a choice."""
    reply = two.request("POST", "/agents/a/run", {"input": "x", "agent": "b"})
    assert '"agent"' in assert_problem(reply, 400, "bad_request")["detail"]


@pytest.mark.parametrize("name", ["nobody", "Actor", "actor ", 'a"\\\n', "日本", "../x", "x" * 5000],
                         ids=lambda name: ascii(name)[:12])
def test_unknown_agent(actor, name):
    """404, with the name in it, whatever is in the name."""
    detail = assert_problem(actor.run("x", agent=name), 404, "not_found")["detail"]
    assert name in detail or len(name) > 500
    assert_problem(actor.request("POST", "/agents/nobody/run", {"input": "x"}), 404, "not_found")


# What is refused.

@BOTH
@pytest.mark.parametrize("body, said", [
    (b"", "empty"),
    (b"hello", "JSON"),
    (b'"hello"', "JSON"),
    (b"[]", "object"),
    (b'{"input":"x"', "JSON"),
    (b'{"input":"x"} {}', "JSON"),
    (b'{"input":"x",}', "JSON"),
    (b"{'input':'x'}", "JSON"),
    (b'{"input":"x","input":"y"}', "duplicate"),
    (b'{"input":"x","metadata":{"a":1,"a":2}}', "duplicate"),
    (b'{"input":"x","timeout":NaN}', "JSON"),
    (b'{"input":"\xff\xfe"}', "JSON"),
    (b'{"input":"\\ud800"}', "JSON"),
    (b'{"input":"a\nb"}', "JSON"),
    (b'{"input":"a\0b"}', "JSON"),
    (b"[" * 100_000, "JSON"),
    (b'{"input":"x","metadata":' + b'{"a":' * 100_000, "JSON"),
], ids=lambda value: repr(value)[:30])
def test_bad_bodies(actor, path, body, said):
    """Defect 11 of the original (500): what is not one JSON object, unambiguous and UTF-8, is 400 and never
    reaches the agent."""
    problem = assert_problem(actor.request("POST", path, body), 400, "bad_request")
    assert said in problem["detail"] and "run_id" not in problem


WRONG = {
    "input": [1, True, [], {}, ["x"]],
    "session_id": [1, False, [], {}, "x" * 257, "é" * 129],
    "user_id": [1, True, ["Ann"], {}, "x" * 257],
    "agent": [1, True, [], {"name": "actor"}],
    "metadata": ["x", 1, True, [], [{}]],
    "stream": ["true", 1, 0, [], {}],
    "background": ["true", 1, 0, [], {}],
    "timeout": ["3", True, [], {}, 0, -1, -0.5],
    "attachments": ["x", 1, True, {}],
}


@pytest.mark.parametrize("field, value", [(f, v) for f, values in WRONG.items() for v in values],
                         ids=lambda value: ascii(value)[:12])
def test_wrong_types(actor, field, value):
    """A field of the wrong type is refused by its name, and nothing is converted."""
    reply = actor.request("POST", "/run", {"input": "say x", field: value})
    body = assert_problem(reply, 400, "bad_request")
    assert f'"{field}"' in body["detail"]


@pytest.mark.parametrize("body", [{}, {"input": ""}, {"input": None}, {"Input": "x"}, {"message": "x"}])
def test_input_is_required(actor, body):
    """Defect 11 of the original: `input` is required, and not empty."""
    assert '"input"' in assert_problem(actor.request("POST", "/run", body), 400, "bad_request")["detail"]


@pytest.mark.parametrize("type, status", [
    (None, 200),
    ("application/json", 200),
    ("application/json; charset=utf-8", 200),
    ("application/x-www-form-urlencoded", 200),  # plain curl -d
    ("text/plain", 200),
    ("multipart/form-data; boundary=x", 415),
    ("Multipart/Mixed", 415),
    ("application/octet-stream", 415),
    ("image/png", 415),
    ("audio/ogg", 415),
    ("video/mp4", 415),
    ("application/zip", 415),
    ("application/pdf", 415),
])
def test_media_types(actor, type, status):
    """JSON is taken whatever text or form type it is declared as; multipart and binary are 415."""
    reply = actor.request("POST", "/run", b'{"input":"say x"}', {"Content-Type": type} if type else {})
    assert reply.status == status
    if status == 415:
        assert_problem(reply, 415, "unsupported_media_type")


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_refusals_are_not_streamed(actor, accept):
    """A request that makes no run is answered with its status, also to a client that wants a stream."""
    reply = actor.request("POST", "/run", {"input": "", "stream": True}, {"Accept": accept})
    assert_problem(reply, 400, "bad_request")


# How runs fail.

@pytest.mark.parametrize("act, detail", [
    ("fail the model said no", "the model said no"),
    ("fail \"q\" \x01\u2028é", "\"q\" \x01\u2028é"),
    ("fail", "the agent gave no reason"),
    ("refuse", "the plugin refused the run: Input/output error (-5)"),
    ("refuse -1", "the plugin refused the run (-1)"),  # what C says for all failures
    ("refuse -4000", "the plugin refused the run (-4000)"),
    ("refuse -2147483648", "the plugin refused the run (-2147483648)"),
])
def test_agent_fails(actor, act, detail):
    """Defect 11 of the original (500, without a run_id): an agent that says no is 502 agent_failed, with its
    reason and the run's id."""
    body = assert_problem(actor.run(act), 502, "agent_failed")
    assert body["detail"] == detail and UUID7.fullmatch(body["run_id"])
    assert actor.run("say alive").json["content"] == "alive"


def test_timeout_spares_the_neighbours(actor):
    """`timeout` ends this run with 504 at its deadline; a run beside it in the same host finishes."""
    pid, neighbour, began = actor.pid_of("actor"), actor.start_run("timer 800"), time.monotonic()
    body = assert_problem(actor.run("hang", timeout=0.2), 504, "timeout")
    assert time.monotonic() - began >= 0.19
    assert "0.2 s" in body["detail"] and UUID7.fullmatch(body["run_id"])
    assert json.loads(neighbour.getresponse().read())["content"] == "timer"
    assert actor.pid_of("actor") == pid
    assert actor.run("cancelled?").json["content"] == "1"


@pytest.mark.parametrize("timeout, left_ms", [(5, 5000), (1.5, 1500), (99, 10000), (1e300, 10000), (None, 10000)])
def test_timeout_is_at_most_the_agents_own(agentd, timeout, left_ms):
    """A request may shorten the agent's timeout, never lengthen it."""
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor), timeout: 10s } }").wait_ready()
    began = time.monotonic()
    left = int(told(daemon.run("request", timeout=timeout))["left_ms"])
    assert left_ms - 1000 * (time.monotonic() - began) - 1 <= left <= left_ms


def test_shortest_timeout(agentd):
    """A timeout that rounds to nothing is a short one, not none."""
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor), timeout: 2s } }").wait_ready()
    assert "0.001 s" in assert_problem(daemon.run("hang", timeout=1e-9), 504, "timeout")["detail"]


def test_answer_longer_than_the_limit(agentd):
    """limits.content bounds an answer, streamed or not, and costs the agent a run, not its process."""
    daemon = agentd("agents: { a: { plugin: PLUGIN(actor), limits: { content: 100K } } }").wait_ready()
    pid = daemon.pid_of("a")
    assert len(daemon.run("flood 102400").json["content"]) == 102400
    assert "limits.content" in assert_problem(daemon.run("flood 102401"), 502, "agent_failed")["detail"]
    assert len(daemon.run("say " + "x" * 102400).json["content"]) == 102400
    assert_problem(daemon.run("say " + "x" * 102401), 502, "agent_failed")
    assert daemon.pid_of("a") == pid
