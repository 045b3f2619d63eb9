"""Triggers that a plugin brings: what came goes to its handler, which says what the agent is told."""
import hashlib
import hmac
import json
import re
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, assert_problem, errors, plugin, run_agentd, wait_for
from stored import database, execute, kill, record, runs, stop, wait_over

CONFIG = """
http: { listen: [ "127.0.0.1:0" ] }
agents:
  a: { plugin: PLUGIN(handler) }
supervision: { backoff_min: 50ms, backoff_max: 100ms, drain: 200ms, kill: 200ms }
"""


def tuned(more, options="", plugin="handler"):
    """The config with `agents.a.triggers`."""
    return CONFIG.replace("{ plugin: PLUGIN(handler) }",
                          f"{{ plugin: PLUGIN({plugin}), {options + ', ' if options else ''}triggers: {{ {more} }} }}")


@pytest.fixture(params=["handler", "patient_handler"])
def daemon(agentd, request):
    """One that calls its handlers on the loop thread, and one that does so on threads."""
    return agentd(CONFIG.replace("(handler)", f"({request.param})")).wait_ready()


def call(daemon, path, body, method="POST", headers=None):
    return daemon.request(method, path, body if isinstance(body, (bytes, str)) else json.dumps(body), headers)


def do(daemon, what, **more):
    return call(daemon, "/hook", {"do": what, **more})


def emit(daemon, body):
    reply = call(daemon, "/events/happened", body)
    assert reply.status == 202, reply.body
    return reply.json["run_ids"]


def test_nothing_to_say(daemon):
    """A handler that tells the agent nothing: 200 {"status":"ok"}, and the run has succeeded, without a session."""
    reply = do(daemon, "nothing")
    assert (reply.status, reply.json) == (200, {"status": "ok"})
    [run] = runs(daemon)
    assert (run["status"], run["content"], run["trigger"], run["source"]) == ("succeeded", "", "hook", "POST /hook")
    assert json.loads(run["input"])["body"] == {"do": "nothing"}
    assert daemon.get("/sessions").json["sessions"] == []


@pytest.mark.parametrize("what, more, says", [
    ("say", {"text": "hello"}, "hook||hello"), ("twice", {}, "hook||second"),
    ("metadata", {}, 'hook|{"a": 1}|metadata'), ("finish", {"text": "done here"}, "done here"),
    ("both", {}, "itself")])
def test_something_to_say(daemon, what, more, says):
    """What it says is the input of the agent's run, with the trigger's name; or it answers itself."""
    reply = do(daemon, what, **more)
    assert (reply.status, reply.json) == (200, {"content": says})
    [run] = runs(daemon)
    assert run["metadata"] == ({"a": 1} if what == "metadata" else None)


def test_slips(daemon):
    """Metadata that is no JSON is left out of the record, and said; wrong calls return why, and harm nothing."""
    assert do(daemon, "slip").json == {"content": "hook|{|slip"}
    daemon.wait_log("a handler's metadata is not a JSON object")
    assert runs(daemon)[0]["metadata"] is None
    assert do(daemon, "late").json == {"content": "hook||late"}
    daemon.wait_log("empty ones returned -22 -22")
    daemon.wait_log("late ones returned -114 -114")


def test_a_handler_that_fails(daemon):
    """A negative return is a failed run, and no 200: the sender tries again."""
    problem = assert_problem(do(daemon, "fail"), 502, "agent_failed")
    assert problem["detail"] == "the plugin's handler failed (-1)"
    assert do(daemon, "nothing").status == 200


def test_a_handler_that_crashes(daemon):
    """It takes its process, as `run` would; the next call is served by the next process."""
    assert_problem(do(daemon, "crash"), 502, "agent_crashed")
    daemon.wait_ready()
    assert do(daemon, "nothing").status == 200


def test_a_durable_one_that_crashes(agentd, tmp_path_factory):
    """A durable run whose handler took its process down is handled once more, and its record is one."""
    daemon = agentd(tuned("hook: { respond: accepted }", f"mark: {tmp_path_factory.mktemp('mark')}/mark")).wait_ready()
    reply = do(daemon, "once")
    assert reply.status == 202
    run = wait_over(daemon, reply.json["run_id"])
    assert (run["status"], run["attempts"]) == ("succeeded", 2)
    assert len(runs(daemon)) == 1
    bad = wait_over(daemon, do(daemon, "crash").json["run_id"])
    assert (bad["status"], bad["code"]) == ("failed", "agent_crashed")


RAW = b'{ "do" : "x","do":"show" , "\\u00e9": [1.50, 1e2],\n\t"n": "\\n\xc3\xa9" }'.replace(b'"do" : "x",', b"")


def test_what_a_handler_gets(daemon):
    """Defect 12 of the original, whose events had no bytes: body as JSON, the bytes as they came, all headers by
    their names in lower case, source, time."""
    headers = {"X-One": "a", "x-two": 'q"\\', "Content-Type": "application/json", "Authorization": "Bearer mine"}
    reply = call(daemon, "/hook", RAW, headers=headers)
    content = reply.json["content"]
    assert content.startswith("hook||trigger=hook\nsource=POST /hook\ntimestamp=")
    rest, raw = content.split("\nraw=")
    assert raw.encode() == RAW + b"\n"
    lines = dict(line.split("=", 1) for line in rest.split("|", 2)[2].splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", lines["timestamp"])
    assert json.loads(lines["body"]) == json.loads(RAW)
    got = json.loads(lines["headers"])
    assert got.pop("host") and got.pop("content-length") and got.pop("accept-encoding")
    assert got == {"x-one": "a", "x-two": 'q"\\', "content-type": "application/json", "authorization": "Bearer mine"}


def test_headers_that_come_twice(daemon):
    """Their values are one, with a comma between them."""
    with daemon.socket() as s:
        body = b'{"do":"show"}'
        s.sendall(b"POST /hook HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\n"
                  b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        text = b""
        while more := s.recv(65536):
            text += more
    assert '"x-a":"1, 2"' in json.loads(text.split(b"\r\n\r\n", 1)[1])["content"]


def test_forms(daemon):
    """A form's body is JSON to the handler; the bytes are the form's."""
    reply = call(daemon, "/hook", b"do=show&x=a+b", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert '\nbody={"do":"show","x":"a b"}\n' in reply.json["content"]
    assert reply.json["content"].endswith("\nraw=do=show&x=a+b\n")


def test_events_with_handlers(daemon):
    """Each trigger of an event has its run and its handler; there are no bytes and no headers."""
    ids = emit(daemon, {"do": "show"})
    first, second = (wait_over(daemon, run_id) for run_id in ids)
    assert first["content"].startswith("happened||trigger=happened\nsource=event(happened)\n")
    assert first["content"].endswith('body={"do":"show"}\nheaders={}\nraw=\n')
    assert (second["trigger"], second["content"][:7]) == ("again", "again||")


def test_a_session_remembers_what_the_handler_said(daemon):
    """History has the handler's words, not what came; a run in which nothing was said is no part of it."""
    for body in ({"do": "say", "text": "one"}, {"do": "nothing"}, {"do": "both"}):
        assert call(daemon, "/kept", {"who": "s1", **body}).status == 200
    assert daemon.run("history", session_id="s1").json["content"] == (
        "user:one\nassistant:kept||one\nuser:both\nassistant:itself\n")
    assert_problem(call(daemon, "/kept", {"do": "nothing"}), 400, "bad_request")
    session = daemon.get("/sessions/s1").json
    assert [m["content"] for m in session["messages"][:2]] == ["one", "kept||one"]


def test_runs_at_once(agentd):
    """Handlers of a blocking plugin run beside each other."""
    daemon = agentd(CONFIG.replace("(handler)", "(patient_handler)")).wait_ready()
    connections = [daemon.connect() for _ in range(10)]
    for connection in connections:
        connection.request("POST", "/hook", '{"do":"sleep"}')
    assert [c.getresponse().status for c in connections] == [200] * 10
    took = [r["finished_at"] for r in runs(daemon)]
    started = [r["started_at"] for r in runs(daemon)]
    assert max(started) < min(took)


def test_killed_before_the_handler(agentd):
    """kill -9 between the acknowledgement and the handler: it is handled once with the next start, with the same
    words, and there is one record."""
    config = tuned("hook: { respond: accepted }", "ready: no")
    daemon = agentd(config)
    body = b'{"do":"show",  "x":1}'
    run_id = call(daemon, "/hook", body, headers={"X-Mine": "1"}).json["run_id"]
    ids = emit(daemon, {"do": "say", "text": "e"})
    before = record(daemon, run_id)
    kill(daemon)
    daemon = agentd(config.replace("ready: no", "ready: yes")).wait_ready()
    run = wait_over(daemon, run_id)
    assert (run["status"], run["input"], run["trigger"]) == ("succeeded", before["input"], "hook")
    assert run["content"].endswith('raw={"do":"show",  "x":1}\n') and '"x-mine":"1"' in run["content"]
    assert json.loads(run["input"])["timestamp"] in run["content"]
    assert [wait_over(daemon, i)["content"] for i in ids] == ["happened||e", "again||e"]
    assert sorted(r["run_id"] for r in runs(daemon)) == sorted([run_id, *ids])
    assert sum("hook handles" in line for line in daemon.raw) == 1


def test_killed_in_the_handler(agentd):
    """kill -9 while the handler is at work: it is called again, for the second attempt of the one run."""
    config = tuned("hook: { respond: accepted }", plugin="patient_handler")
    daemon = agentd(config).wait_ready()
    run_id = do(daemon, "sleep").json["run_id"]
    daemon.wait_log("hook handles sleep")
    kill(daemon)
    daemon = agentd(config).wait_ready()
    run = wait_over(daemon, run_id)
    assert (run["status"], run["attempts"], len(runs(daemon))) == ("succeeded", 2, 1)


def test_cancelled_in_the_handler(agentd):
    """A run that is cancelled while its handler is at work does not reach the agent, and frees its place."""
    daemon = agentd(tuned("hook: { timeout: 100ms }", "threads: 1", "patient_handler")).wait_ready()
    assert_problem(do(daemon, "sleep"), 504, "timeout")
    assert do(daemon, "say", text="x").json["content"] == "hook||x"


def test_a_trigger_that_is_gone(agentd, tmp_path):
    """A run that was made by a build of the plugin that had more triggers fails, and says so."""
    config = tuned("hook: { respond: accepted }", "ready: no")
    daemon = agentd(config)
    run_id = do(daemon, "nothing").json["run_id"]
    kill(daemon)
    execute(database(tmp_path), "UPDATE runs SET trigger_name = 'other'")
    daemon = agentd(config.replace("ready: no", "ready: yes")).wait_ready()
    assert wait_over(daemon, run_id)["error"] == "the plugin has no such trigger any more"
    stop(daemon)


def test_auth(agentd):
    """A webhook of a plugin is as http.auth says, but for NO_AUTH; the config may say otherwise. A key that
    agentd has checked is not passed on."""
    key = hashlib.sha256(b"one").hexdigest()
    auth = f'auth: {{ k: {{ type: api_key, keys: [ "sha256:{key}" ] }} }}\n'
    daemon = agentd(CONFIG.replace(':0" ]', ':0" ], auth: k') + auth).wait_listening()
    wait_for("ready", lambda: daemon.get("/ready").status == 200)
    assert_problem(do(daemon, "show"), 401, "unauthorized")
    both = {"X-API-Key": "one", "Authorization": "Bearer one", "X-Other": "1"}
    reply = call(daemon, "/hook", {"do": "show"}, headers=both)
    assert reply.status == 200 and "x-other" in reply.json["content"]
    assert "x-api-key" not in reply.json["content"] and "authorization" not in reply.json["content"]
    reply = call(daemon, "/open/door", {"do": "show"}, "PUT", {"Authorization": "Basic abc"})
    assert reply.status == 200 and '"authorization":"Basic abc"' in reply.json["content"]
    daemon.stop()
    config = CONFIG.replace("(handler) }", "(handler), triggers: { open: { auth: inherit }, hook: { auth: none } } }")
    daemon = agentd(config.replace(':0" ]', ':0" ], auth: k') + auth).wait_listening()
    wait_for("ready", lambda: daemon.get("/ready").status == 200)
    assert_problem(call(daemon, "/open/door", {"do": "nothing"}, "PUT"), 401, "unauthorized")
    assert do(daemon, "nothing").status == 200


def test_tuned_by_the_config(agentd):
    """Path, signature, dedupe and respond of the config hold for a plugin's webhook as for its own."""
    daemon = agentd(tuned("hook: { path: /elsewhere, signature: github, secret: s3cret, timeout: 10s }")).wait_ready()

    def send(body, signature=None, delivery="d1"):
        mac = hmac.new(b"s3cret", body, "sha256").hexdigest()
        return call(daemon, "/elsewhere", body, headers={
            "X-Hub-Signature-256": signature or f"sha256={mac}", "X-GitHub-Delivery": delivery})

    assert_problem(call(daemon, "/hook", {}), 404, "not_found")
    assert_problem(send(b'{"do":"nothing"}', "sha256=" + "0" * 64), 401, "unauthorized")
    assert runs(daemon) == []
    assert send(b'{"do":"say","text":"a"}').json == {"content": "hook||a"}
    assert send(b'{"do":"say","text":"a"}').json == {"content": "hook||a"}
    assert len(runs(daemon)) == 1
    assert send(b'{"do":"say","text":"b"}', delivery="d2").json == {"content": "hook||b"}
    [hook] = [t for t in daemon.get("/triggers").json["webhooks"] if t["name"] == "hook"]
    assert hook == {"name": "hook", "agent": "a", "source": "POST /elsewhere", "brought_by": "plugin",
                    "method": "POST", "path": "/elsewhere", "auth": "inherit", "signature": "github",
                    "respond": "wait"}


def test_the_secret_of_telegram_is_not_passed_on(agentd):
    """Its header has the secret itself."""
    daemon = agentd(tuned("hook: { signature: telegram, secret: abc }")).wait_ready()
    reply = call(daemon, "/hook", {"do": "show"}, headers={"X-Telegram-Bot-Api-Secret-Token": "abc"})
    assert reply.status == 200 and "secret-token" not in reply.json["content"]


def test_they_are_shown(daemon, tmp_path):
    """--probe, /agents and /triggers name them, and --print-config is a config again."""
    shown = run_agentd("--probe", plugin("handler"), cwd=tmp_path).stdout
    assert re.search(r"^triggers:\n  hook +webhook POST hook\n  open +webhook PUT /open/door, without auth\n"
                     r"  kept +webhook POST /kept, session {{ body.who }}\n  happened +event happened\n"
                     r"  again +event happened\n", shown, re.M), shown
    assert daemon.agent("a")["triggers"] == [
        {"name": "hook", "source": "POST /hook"}, {"name": "open", "source": "PUT /open/door"},
        {"name": "kept", "source": "POST /kept"}, {"name": "happened", "source": "event(happened)"},
        {"name": "again", "source": "event(happened)"}]
    assert [t["brought_by"] for t in daemon.get("/triggers").json["events"]] == ["plugin", "plugin"]
    daemon.stop()
    printed = run_agentd("--print-config", "-c", "agent.conf", cwd=tmp_path).stdout
    assert '\n      open:\n        path: "/open/door"\n        method: "PUT"\n        auth: "none"\n' in printed
    (tmp_path / "again.conf").write_text(printed)
    assert run_agentd("--print-config", "-c", "again.conf", cwd=tmp_path).stdout == printed


def test_two_of_one_plugin(agentd):
    """Two agents of one plugin have triggers of the same names: an event goes to all, with its key, once."""
    both = CONFIG.replace("agents:", "agents:\n  b: { plugin: PLUGIN(handler), triggers: { hook: { path: /b },"
                          " open: { path: /bo }, kept: { path: /bk } } }")
    daemon = agentd(both).wait_ready()
    key = {"Idempotency-Key": "k"}
    first = call(daemon, "/events/happened", {"do": "nothing"}, headers=key).json["run_ids"]
    assert len(set(first)) == 4
    assert call(daemon, "/events/happened", {"do": "nothing"}, headers=key).json["run_ids"] == first
    assert call(daemon, "/b", {"do": "say", "text": "x"}).json == {"content": "hook||x"}


def test_without_a_store(agentd):
    """A plugin that brings events is served without a store: they are left out, and that is said."""
    daemon = agentd(CONFIG + "store: { enabled: false }\n").wait_ready()
    assert do(daemon, "say", text="x").json == {"content": "hook||x"}
    assert daemon.get("/triggers").json["events"] == []
    assert sum("left out: it needs the store" in line for line in daemon.raw) == 2
    assert_problem(call(daemon, "/events/happened", {}), 404, "not_found")


# Events that plugins emit.

EVENTS = """
default_agent: a
events:
  one: { event: said, agent: b, input: "say one {{ body }}", session: "{{ body.who }}" }
  two: { event: said, agent: b, input: "say two {{ body }} {{ source }}" }
  plain: { agent: b, input: "say {{ body }}" }
"""


def emitting(options="", more=""):
    config = CONFIG.replace("(handler) }", f"(handler), {options} }}\n  b: {{ plugin: PLUGIN(actor) }}")
    return config + EVENTS + more


def contents(daemon, query="?agent=b"):
    """What the runs that have ended said, once as many are there."""
    found = runs(daemon, query)
    assert all(r["status"] == "succeeded" for r in found)
    return sorted(r["content"] for r in found)


def wait_contents(daemon, expected, query="?agent=b"):
    wait_for(f"{expected}", lambda: [r["status"] for r in runs(daemon, query)] == ["succeeded"] * len(expected))
    assert contents(daemon, query) == sorted(expected)


@pytest.mark.parametrize("how", ["emit", "thread"])
@pytest.mark.parametrize("name", ["handler", "patient_handler"])
def test_emit(agentd, how, name):
    """From the loop thread, a thread of the pool, and one of the plugin's: a run for each trigger, of nobody."""
    daemon = agentd(emitting().replace("(handler)", f"({name})")).wait_ready()
    assert daemon.run(f'{how} said {{"who":"w"}}').json["content"] == "0"
    wait_contents(daemon, ['one {"who":"w"}', 'two {"who":"w"} event(said)'])
    assert {r["user_id"] for r in runs(daemon, "?agent=b")} == {None}
    assert daemon.run(f"{how} plain 3").json["content"] == "0"
    wait_for("the third", lambda: '{"data":3}' in [r["content"] for r in runs(daemon, "?agent=b")])


def test_emit_to_handlers(agentd):
    """Handlers of plugins are among those that wait: also those of the plugin that emits."""
    daemon = agentd(emitting()).wait_ready()
    assert daemon.run('emit happened {"do":"say","text":"x"}').json["content"] == "0"
    wait_for("both", lambda: {"happened||x", "again||x"} <= {r["content"] for r in runs(daemon)})


@pytest.mark.parametrize("what, code", [
    ("emit a.b {}", -22), ("emit " + "x" * 65 + " {}", -22), ("emit  {}", -22), ("big plain 70000", -90),
    ("big plain 65531", 0), ("big plain 65532", -90)])
def test_what_cannot_be_emitted(agentd, what, code):
    """A name that is none, and a text that is too long, are told at once."""
    daemon = agentd(emitting()).wait_ready()
    assert daemon.run(what).json["content"] == str(code)


def test_emitted_in_vain(agentd):
    """Nobody waits, JSON that is none, a trigger that cannot use it: a line in the log, not one for each."""
    daemon = agentd(emitting()).wait_ready()
    assert daemon.run("emit nothing {}").json["content"] == "0"
    daemon.wait_log('agent a: its event "nothing" is dropped: nothing waits for it')
    for _ in range(5):
        assert daemon.run("emit nothing {}").json["content"] == "0"
    assert daemon.run("emit plain {").json["content"] == "0"
    assert daemon.run("emit plain 1").json["content"] == "0"
    wait_contents(daemon, ['{"data":1}'])
    assert sum("is dropped" in line for line in daemon.raw) == 1


@pytest.mark.parametrize("what, why", [
    ("emit plain {", "its JSON is none"), ('emit plain {"a":1,"a":2}', "its JSON is none"),
    ('emit said {"who":"a/b"}', "events.one: its session must"), ("emit said {}", "events.one: its session is empty"),
])
def test_why_it_is_dropped(agentd, what, why):
    """The line names the agent, the event, and why; and no run is made."""
    daemon = agentd(emitting()).wait_ready()
    assert daemon.run(what).json["content"] == "0"
    daemon.wait_log(f"agent a: its event .* is dropped: {why}")
    assert runs(daemon, "?agent=b") == []


def test_a_session_of_somebody_else(agentd):
    """An event of a plugin is nobody's: it cannot go on with a session that is somebody's."""
    key = hashlib.sha256(b"one").hexdigest()
    config = emitting(more=f'auth: {{ k: {{ type: api_key, keys: [ "sha256:{key}" ] }} }}\n')
    daemon = agentd(config.replace(':0" ]', ':0" ], auth: k'))
    wait_for("ready", lambda: daemon.get("/ready").status == 200)
    one = {"X-API-Key": "one"}
    say = {"agent": "b", "session_id": "hers", "input": "say x"}
    assert call(daemon, "/run", say, headers=one).status == 200
    assert call(daemon, "/run", {"input": 'emit said {"who":"hers"}'}, headers=one).status == 200
    daemon.wait_log('its event "said" is dropped: its session belongs to another user')
    assert [m["content"] for m in daemon.get("/sessions/hers", headers=one).json["messages"]] == ["say x", "x"]


def test_too_many_at_once(agentd):
    """64 on their way, then -EAGAIN, and later again; all that were taken have their runs."""
    daemon = agentd(emitting()).wait_ready()
    done, again, other = map(int, daemon.run("many plain 100").json["content"].split())
    assert (done, again, other) == (64, 36, 0)
    wait_for("their runs", lambda: len(runs(daemon, "?agent=b&status=succeeded&limit=1000")) == 64)
    assert daemon.run("many plain 64").json["content"] == "64 0 0"
    wait_for("more", lambda: len(runs(daemon, "?agent=b&status=succeeded&limit=1000")) == 128)


def test_emissions_of_a_process_that_dies(agentd):
    """What was handed over before a crash has its runs; the next process has all its credit."""
    daemon = agentd(emitting()).wait_ready()
    assert daemon.run("many plain 64").json["content"] == "64 0 0"
    assert_problem(do(daemon, "crash"), 502, "agent_crashed")
    daemon.wait_ready()
    wait_for("their runs", lambda: len(runs(daemon, "?agent=b&status=succeeded&limit=1000")) == 64)
    assert daemon.run("many plain 64").json["content"] == "64 0 0"


def test_emitted_while_starting_and_stopping(agentd):
    """Defect 27 of the original, which dropped such: `open` may emit, and so may `close`: then the run is in the
    store, and begun with the next start."""
    daemon = agentd(emitting("first: plain, last: plain")).wait_ready()
    wait_contents(daemon, ['{"do":"nothing"}'])
    stop(daemon)
    daemon = agentd(emitting()).wait_ready()
    wait_contents(daemon, ['{"do":"nothing"}'] * 2)


def test_emitted_then_killed(agentd):
    """kill -9 of agentd after the runs were written: they are begun again, and are as many."""
    config = emitting().replace("b: { plugin: PLUGIN(actor) }", "b: { plugin: PLUGIN(actor), start: never }")
    daemon = agentd(config).wait_ready("a")
    assert daemon.run('emit said {"who":"w"}').json["content"] == "0"
    wait_for("two runs", lambda: len(runs(daemon, "?agent=b")) == 2)
    kill(daemon)
    daemon = agentd(config.replace("never", "ready")).wait_ready()
    wait_contents(daemon, ['one {"who":"w"}', 'two {"who":"w"} event(said)'])


def test_emitted_without_a_store(agentd):
    """Nothing waits where nothing can be kept."""
    daemon = agentd(CONFIG + "store: { enabled: false }\n").wait_ready()
    assert daemon.run("emit happened {}").json["content"] == "0"
    daemon.wait_log("nothing waits for it")


A = r"agent\.conf:\d+: agents\.a\.triggers"
MISTAKES = [
    ("hok: { path: /x }", rf'{A}\.hok: the plugin has no such trigger; did you mean "hook"\?'),
    ("hook: { path: /a b }", rf"{A}\.hook\.path: a path may have"),
    ("hook: { path: /run }", rf"{A}\.hook\.path: /run is a path of agentd's own API"),
    ("hook: { path: /agents/x }", rf"{A}\.hook\.path: /agents/x is a path of agentd's own API"),
    ("hook: { path: kept }", rf"{A}\.kept\.path: POST /kept is that of agents\.a\.triggers\.hook already"),
    ("hook: { agent: a }", rf"{A}\.hook\.agent: a trigger that a plugin brings is that of its agent"),
    ("hook: { input: x }", rf"{A}\.hook\.input: the plugin itself says"),
    ("hook: { sesion: x }", rf'{A}\.hook\.sesion: unknown option; did you mean "session"\?'),
    ("hook: { session: '{{ bdy }}' }", rf"{A}\.hook\.session: column 4: expected body"),
    ("hook: { signature: github }", rf"{A}\.hook: the signature needs a secret"),
    ("hook: { auth: nobody }", rf"{A}\.hook\.auth: "),
    ("hook: nothing", rf"{A}\.hook: expected a section"),
    ("happened: { path: /x }", rf"{A}\.happened\.path: unknown option"),
]


@pytest.mark.parametrize("more, error", MISTAKES)
def test_mistakes_in_the_config(check, more, error):
    """Each is one line with its place; nothing starts."""
    [line] = errors(check(tuned(more)))
    assert re.match(error, line), line


def test_collisions(check):
    """With a webhook of the config, and with another agent's: said where it can be put right."""
    lines = errors(check(CONFIG + "webhooks:\n  mine:\n    path: /hook\n"))
    assert lines == ["agent.conf:4: agents.a.triggers.hook.path: POST /hook is that of webhooks.mine already"]
    two = CONFIG.replace("agents:", "agents:\n  b: { plugin: PLUGIN(handler) }")
    lines = errors(check("default_agent: a\n" + two.lstrip()))
    assert len(lines) == 3 and all("is that of agents.b.triggers." in line for line in lines)


def test_no_section(check):
    """`triggers` of a plugin that brings none, and one that is no section."""
    lines = errors(check("agents: { a: { plugin: PLUGIN(actor), triggers: { x: {} } } }\n"))
    assert lines == ["agent.conf:1: agents.a.triggers.x: the plugin brings no triggers"]
    lines = errors(check("agents: { a: { plugin: PLUGIN(handler), triggers: [ x ] } }\n"))
    assert lines == ["agent.conf:1: agents.a.triggers: must be a section of triggers, by name"]
    assert check("agents: { a: { plugin: PLUGIN(handler), triggers: { hook: , open: {} } } }\n").returncode == 0


# Rows that are nonsense refuse the plugin.
SOURCE = """
#include "agentd/plugin.h"
static int handle(void *self, struct agentd_run *run, const struct agentd_event *event)
{
	(void)self, (void)run, (void)event;
	return 0;
}
static int run(void *self, struct agentd_run *r, const struct agentd_request *request)
{
	(void)self, (void)r, (void)request, (void)handle;
	return -1;
}
static const struct agentd_agent_ops ops = { .size = sizeof(ops), .run = run };
static const struct agentd_trigger rows[] = { %s };
const struct agentd_plugin agentd_plugin = { AGENTD_PLUGIN_HEAD, .kind = AGENTD_AGENT, .name = "made",
	.version = "1", .agent = &ops, %s };
"""
ROW = '{ .type = AGENTD_WEBHOOK, .name = "w", .path = "/w", .handle = handle }'


def build(folder, rows, members="AGENTD_TRIGGERS(rows)"):
    (folder / "made.c").write_text(SOURCE % (rows, members))
    subprocess.run(["cc", "-shared", "-fPIC", "-fvisibility=hidden", f"-I{ROOT}/include", "-o", "made.so", "made.c"],
                   cwd=folder, check=True)
    (folder / "made.so").chmod(0o755)


@pytest.mark.parametrize("rows, says", [
    ('{ .type = AGENTD_WEBHOOK, .handle = handle }', "has no name in row 0 of its triggers"),
    (f'{ROW}, {{ .type = 9, .name = "x", .handle = handle }}',
     r"has a type that this agentd does not know in row 1 of its triggers \(x\)"),
    ('{ .type = AGENTD_EVENT, .name = "x" }', r"has no handler in row 0 of its triggers \(x\)"),
    ('{ .type = AGENTD_EVENT, .flags = 2, .name = "x", .handle = handle }', "has a flag that this agentd"),
    (f"{ROW}, {ROW}", r"has the name of an earlier one in row 1 of its triggers \(w\)"),
    ('{ .type = AGENTD_WEBHOOK, .name = "w", .handle = handle }', 'triggers.w: the required option "path" is missing'),
    ('{ .type = AGENTD_WEBHOOK, .name = "w", .path = "/w", .method = "LOOK", .handle = handle }',
     r"triggers\.w\.method: "),
    ('{ .type = AGENTD_EVENT, .name = "a b", .handle = handle }', "a name may have letters"),
    ('{ .type = AGENTD_CRON, .name = "c", .handle = handle }', 'triggers.c: the required option "schedule" is missing'),
    ('{ .type = AGENTD_CRON, .name = "c", .schedule = "0 0 30 2 *", .handle = handle }', r"triggers\.c\.?s?c?h?e?d?u?l?e?: "),
    ('{ .type = AGENTD_CRON, .name = "c", .schedule = "@daily", .zone = "Mars/Base", .handle = handle }',
     'there is no time zone "Mars/Base"'),
])
def test_rows_that_are_nonsense(check, tmp_path, rows, says):
    """A plugin with such a row is refused, at the place that names it."""
    build(tmp_path, rows)
    lines = errors(check("agents:\n  a: { plugin: ./made.so }\n"))
    assert any(re.match(rf"agent\.conf:2: agents\.a\..*{says}", line) for line in lines), lines


def test_tables_that_are_nonsense(check, tmp_path):
    """Rows without their size, or rows that are not there; and a path that the config adds."""
    for members in (".triggers = rows, .trigger_count = 1", ".trigger_count = 1, .trigger_size = 80"):
        build(tmp_path, ROW, members)
        [line] = errors(check("agents: { a: { plugin: ./made.so } }\n"))
        assert "has a broken table of triggers (1 rows); use AGENTD_TRIGGERS" in line
    build(tmp_path, ROW.replace('.path = "/w", ', ""))
    assert check("agents: { a: { plugin: ./made.so, triggers: { w: { path: /w } } } }\n").returncode == 0


def test_dropped_in(agentd, check, tmp_path):
    """A plugin of the drop-in folder whose triggers collide is not served, and harms nobody."""
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "more.so").write_bytes(Path(plugin("handler")).read_bytes())
    (drop / "more.so").chmod(0o755)
    build(drop, '{ .type = AGENTD_WEBHOOK, .name = "w", .path = "/run", .handle = handle }')
    daemon = agentd(CONFIG + "plugins: { dir: drop }\n").wait_ready("a")
    assert [a["name"] for a in daemon.get("/agents").json["agents"]] == ["a"]
    daemon.wait_log("more.so is not served: .*POST /hook is that of agents.a.triggers.hook already")
    daemon.wait_log("made.so is not served: .*/run is a path of agentd's own API")
    assert do(daemon, "nothing").status == 200


def test_switched_off(agentd):
    """What a plugin brings need not be wanted."""
    daemon = agentd("agents: { u: { plugin: PLUGIN(unified), triggers: { hello: { enabled: false }, signup: { enabled: no },"
                    " morning: { enabled: false } } } }\nevents: { other: { enabled: false } }\n").wait_ready()
    assert_problem(call(daemon, "/hello", {"name": "Ann"}), 404, "not_found")
    for event in ("signup", "other"):
        assert_problem(call(daemon, f"/events/{event}", {"name": "Ann"}), 404, "not_found")
    assert daemon.get("/triggers").json["webhooks"] == []
    [morning] = daemon.get("/triggers").json["cron"]
    assert (morning["enabled"], morning["next"]) == (False, None)


def test_a_schedule_of_a_plugin(agentd):
    """Its times come as those of the config do; the handler says what the agent is told; the config says when."""
    text = ("agents: { u: { plugin: PLUGIN(unified), triggers: { morning: { schedule: '* * * * * *', misfire: all } } } }\n"
            "cron: { evening: { schedule: '0 0 29 2 *', input: x } }\n")
    daemon = agentd(text).wait_ready()
    for end in (kill, kill, lambda daemon: None):
        before = len(runs(daemon))
        wait_for("two more", lambda: len(runs(daemon)) >= before + 2)
        end(daemon)
        if daemon.process.poll() is not None:
            daemon = agentd(text).wait_ready()
    wait_over(daemon, daemon.request("POST", "/cron/evening/run").json["run_id"])
    daemon.request("POST", "/cron/morning/pause")
    mine = [wait_over(daemon, r["run_id"]) for r in runs(daemon) if r["source"] == "cron(* * * * * *)"]
    assert {(r["trigger"], r["content"]) for r in mine} == {("morning", "Hello, early bird!")}
    dues = sorted(r["metadata"]["due"] for r in mine)
    assert len(dues) >= 6 and len(set(dues)) == len(dues)
    listed = daemon.get("/triggers").json["cron"]
    assert [(t["name"], t["brought_by"], t["paused"]) for t in listed] == [
        ("evening", "config", False), ("morning", "plugin", True)]


@pytest.mark.parametrize("rest, says", [
    ("triggers: { morning: { timezone: Mars } }", r"agents\.u\.triggers\.morning\.timezone: there is no time zone"),
    ("triggers: { morning: { schedule: \"0 0 30 2 *\" } }", r"agents\.u\.triggers\.morning\.schedule: "),
    ("triggers: { mornin: {} }", r'agents\.u\.triggers\.mornin: .*did you mean "morning"'),
    ("}\ncron: { morning: { schedule: \"@daily\", input: x }", r"agents\.u\.triggers\.morning: the name is that of cron\.morning"),
])
def test_mistakes_in_its_schedule(check, rest, says):
    """One checker for all: what is wrong is said at its place, also where it is the plugin's name that is taken."""
    lines = errors(check("agents: { u: { plugin: PLUGIN(unified), " + rest + " } }\n" if not rest.startswith("}")
                         else "agents: { u: { plugin: PLUGIN(unified) }" + rest + " }\n"))
    assert any(re.search(says, line) for line in lines), lines


def test_unified(agentd):
    """plugins/unified, the example: asked, called, told and woken; without a config too."""
    daemon = agentd("agents: { u: { plugin: PLUGIN(unified), greeting: Hi, tell: yes } }\n").wait_ready()
    assert daemon.run("Ann").json["content"] == "Hi, Ann!"
    assert call(daemon, "/hello", {"name": 'B"b'}).json == {"content": 'Hi, B"b!'}
    problem = assert_problem(call(daemon, "/hello", {}), 502, "agent_failed")
    assert problem["detail"] == "the body has no name"
    [run_id] = call(daemon, "/events/signup", {"name": "Cy"}).json["run_ids"]
    assert wait_over(daemon, run_id)["content"] == "Hi, Cy!"
    assert wait_over(daemon, daemon.request("POST", "/cron/morning/run").json["run_id"])["content"] == "Hi, early bird!"
    daemon.wait_log(r'greeted {"name":"B\\"b"}')
    wait_for("four events", lambda: len([r for r in runs(daemon) if r["trigger"] == "greeted"]) == 4)
    daemon.stop()
    daemon = agentd(arguments=["--listen", "127.0.0.1:0", plugin("unified")]).wait_ready("unified")
    assert call(daemon, "/hello", {"name": "Dee"}).json == {"content": "Hello, Dee!"}
