"""Without auth, beyond this machine: what came by HTTP is everybody's, what chats and triggers made is the admins'."""
import pytest

from conftest import assert_problem, wait_for
from credentials import Control
from line import Line
from stored import background, events, kill, names, runs, stop, wait_over, wait_running, wait_status
from test_isolation import SECRET, bodies, probe

CONFIG = """
http: {{ listen: [ "0.0.0.0:0" ], allow_unauthenticated: true }}
default_agent: a
agents:
  a: {{ plugin: PLUGIN(actor){agent} }}
  h: {{ plugin: PLUGIN(handler), triggers: {{ hook: {{ session: by-plugin }} }} }}
supervision: {{ backoff_min: 50ms, backoff_max: 100ms, drain: 200ms, kill: 200ms }}
webhooks:
  w: {{ path: /w, session: "{{{{ body.session }}}}", input: "{{{{ body.do }}}}"{respond} }}
"""
STORED = """
events: { e: { session: "{{ body.session }}", input: "{{ body.do }}" } }
cron:
  say: { schedule: "@yearly", session: by-cron, input: "say SECRET" }
  hang: { schedule: "@yearly", session: by-cron, input: "hang SECRET" }
""".replace("SECRET", SECRET)
WITHOUT_STORE = "store: { enabled: false }\n"


@pytest.fixture
def line():
    platform = Line()
    yield platform
    platform.close()


def config(line=None, agent="", store=True):
    text = CONFIG.format(agent=agent, respond=", respond: accepted" if store else "")
    chats = f"interfaces: {{ tel: {line.config('agent: a', 'open: true')} }}\n" if line else ""
    return text + (STORED + chats if store else WITHOUT_STORE)


def begin(agentd, text):
    """A daemon, ready, as anybody who reaches it sees it, and as an admin does."""
    daemon = agentd(text)
    wait_for("all to be ready", lambda: daemon.get("/ready").status == 200)
    return daemon, Control(daemon)


def emit(daemon, text, session):
    reply = daemon.request("POST", "/events/e", {"do": text, "session": session})
    assert reply.status == 202, reply.body
    return reply.json["run_ids"][0]


def call(daemon, text, session):
    return daemon.request("POST", "/w", {"do": text, "session": session})


def sessions(daemon):
    return [session["session_id"] for session in daemon.get("/sessions").json["sessions"]]


# How each way in makes a run that does something; "hang" is for those whose run can go on.

def by_chat(daemon, admin, line, act):
    line.wait("UP")
    line.message(f"{act} {SECRET}")


def by_webhook(daemon, admin, line, act):
    assert call(daemon, f"{act} {SECRET}", "by-webhook").status == 202


def by_event(daemon, admin, line, act):
    emit(daemon, f"{act} {SECRET}", "by-event")


def by_cron(daemon, admin, line, act):
    assert daemon.request("POST", f"/cron/{act}/run").status == 403
    assert admin.request("POST", f"/cron/{act}/run").status == 202


def by_plugin(daemon, admin, line, act):
    assert daemon.request("POST", "/hook", {"do": "say", "text": SECRET}).status == 200


WAYS = {"interface tel": by_chat, "POST /w": by_webhook, "event(e)": by_event, "cron(@yearly)": by_cron,
        "POST /hook": by_plugin}


def make(source, *world, act="say", count=1):
    """One more run of that source; `count`: how many there are then. As an admin sees it, once it goes on or is over."""
    daemon, admin, _ = world
    WAYS[source](*world, act)

    def there():
        found = [run for run in runs(admin) if run["source"] == source]
        states = ("running",) if act == "hang" else ("succeeded",)
        return found[0] if len(found) == count and found[0]["status"] in states else None
    return wait_for(f"a run of {source}", there)


@pytest.mark.parametrize("end", [None, stop, kill])
@pytest.mark.parametrize("source", WAYS)
def test_what_chats_and_triggers_have_made(agentd, line, source, end):
    """No route shows, continues, cancels or deletes it, also after a restart; an admin sees it."""
    daemon, admin = begin(agentd, config(line))
    run = make(source, daemon, admin, line)
    if end:
        end(daemon)
        daemon, admin = begin(agentd, config(line))
    probe(daemon, run["run_id"], run["session_id"])
    assert runs(daemon) == [] and sessions(daemon) == []
    assert admin.get(f"/runs/{run['run_id']}").json == run
    assert SECRET in admin.get(f"/sessions/{run['session_id']}").body.decode()
    assert sessions(admin) == [run["session_id"]] and names(events(admin, run["run_id"]))[-1] == "finished"
    assert admin.request("DELETE", f"/sessions/{run['session_id']}").status == 204


@pytest.mark.parametrize("busy", ["enqueue", "reject", "interrupt"])
@pytest.mark.parametrize("source", [source for source in WAYS if source != "POST /hook"])
def test_what_they_are_making(agentd, line, source, busy):
    """Nor while it goes on, whether it is the first of its session or not: it is not interrupted, and its session is not
    said to be busy."""
    daemon, admin = begin(agentd, config(line, agent=f", on_busy: {busy}"))
    first = make(source, daemon, admin, line, act="hang")
    for headers, body in bodies(session_id=first["session_id"]):
        assert_problem(daemon.request("POST", "/run", body, headers), 403, "forbidden")
    assert_problem(daemon.request("DELETE", f"/sessions/{first['session_id']}"), 403, "forbidden")
    assert admin.request("POST", f"/runs/{first['run_id']}/cancel").status == 202
    wait_status(admin, first["run_id"], "cancelled")
    make(source, daemon, admin, line, count=2)
    run = make(source, daemon, admin, line, act="hang", count=3)
    assert run["session_id"] == first["session_id"]
    probe(daemon, run["run_id"], run["session_id"])
    assert admin.get(f"/runs/{run['run_id']}").json["status"] == "running" and runs(daemon) == []
    admin.request("POST", f"/runs/{run['run_id']}/cancel")


def test_without_a_store(agentd):
    """Likewise in memory: a webhook's session, and its run that goes on; and what came by HTTP is there."""
    daemon, admin = begin(agentd, config(store=False))
    assert call(daemon, f"say {SECRET}", "by-webhook").status == 200
    assert daemon.run("say x", session_id="mine").status == 200
    hanging = daemon.connect()
    hanging.request("POST", "/w", f'{{"do": "hang {SECRET}", "session": "by-webhook"}}')
    wait_running(admin)
    [run] = runs(admin)
    probe(daemon, run["run_id"], "by-webhook", store=False)
    assert runs(daemon) == [] and sessions(daemon) == ["mine"] and sessions(admin) == ["mine", "by-webhook"]
    hanging.close()
    wait_running(admin, 0)
    for headers, body in bodies(session_id="by-webhook"):
        reply = daemon.request("POST", "/run", body, headers)
        assert reply.status == (400 if body.get("background") or "Idempotency-Key" in headers else 403), reply.body
    assert_problem(daemon.request("DELETE", "/sessions/by-webhook"), 403, "forbidden")
    assert len(admin.get("/sessions/by-webhook").json["messages"]) == 2
    # A session of both is the admins', too.
    assert call(daemon, "say y", "mine").status == 200
    assert_problem(daemon.get("/sessions/mine"), 403, "forbidden")
    assert sessions(daemon) == [] and admin.request("DELETE", "/sessions/mine").status == 204


@pytest.mark.parametrize("store", [True, False])
def test_what_came_by_http(agentd, store):
    """It is everybody's, whatever user_id it came with: to see, to go on with, to cancel, and to delete."""
    daemon, admin = begin(agentd, config(store=store))
    for user in ("ann", "bob", None):
        reply = daemon.run("request", session_id=f"s-{user}", user_id=user)
        assert f"user_id={user or ''}\n" in reply.json["content"]
    assert sorted(sessions(daemon)) == ["s-None", "s-ann", "s-bob"]
    assert daemon.run("history", session_id="s-ann", user_id="bob").status == 200
    assert len(daemon.get("/sessions/s-ann").json["messages"]) == 4
    stream = daemon.stream("hang", session_id="s-bob", user_id="bob")
    assert next(iter(stream)).name == "run.started"
    [run] = runs(daemon, "?status=running")
    assert run["user_id"] == "bob" and daemon.get(f"/runs/{run['run_id']}").json["status"] == "running"
    assert_problem(daemon.request("DELETE", "/sessions/s-bob"), 409, "session_busy")
    assert daemon.request("POST", f"/runs/{run['run_id']}/cancel").status == 202
    assert names(stream) == ["cancelled"]
    if store:
        assert {run["user_id"] for run in runs(daemon)} == {"ann", "bob", None}
        assert names(events(daemon, runs(daemon, "?session_id=s-ann")[0]["run_id"]))[-1] == "finished"
        assert daemon.get(f"/runs/{background(daemon, 'say x', session_id='s-ann')}").status == 200
        wait_for("all to be over", lambda: not runs(daemon, "?status=queued") + runs(daemon, "?status=running"))
    for session in sessions(daemon):
        assert daemon.request("DELETE", f"/sessions/{session}").status == 204
    assert sessions(admin) == []


def test_what_an_admin_has_made_by_http(agentd):
    """Also over the control socket: it came by HTTP."""
    daemon, admin = begin(agentd, config())
    admin.run("say x", session_id="s")
    assert sessions(daemon) == ["s"] and daemon.run("say y", session_id="s").status == 200


def test_lists_by_pages(agentd):
    """Lists have whole pages, whatever others made in between."""
    daemon, admin = begin(agentd, config())
    for n in range(7):
        daemon.run("say x", session_id=f"s{n}")
        wait_over(admin, emit(daemon, f"say {SECRET}", f"e{n}"))
    for kind in ("sessions", "runs"):
        seen, cursor = [], ""
        while cursor is not None:
            page = daemon.get(f"/{kind}?limit=3{cursor and '&cursor=' + cursor}").json
            assert len(page[kind]) == 3 or page["next_cursor"] is None
            seen += [item["session_id"] for item in page[kind]]
            cursor = page["next_cursor"]
        assert seen == [f"s{n}" for n in reversed(range(7))]
    assert len(runs(admin)) == len(sessions(admin)) == 14


def test_sessions_of_both(agentd, line):
    """A session in which a chat or a trigger has spoken is the admins', whoever began it and whoever spoke last; runs
    are what they are."""
    daemon, admin = begin(agentd, config(line))
    chat = make("interface tel", daemon, admin, line)["session_id"]
    admin.run("say x", session_id=chat)
    daemon.run("say x", session_id="joined")
    wait_over(admin, emit(daemon, f"say {SECRET}", "joined"))
    for session in (chat, "joined"):
        for _ in range(2):
            assert_problem(daemon.get(f"/sessions/{session}"), 403, "forbidden")
            assert_problem(daemon.run("history", session_id=session), 403, "forbidden")
            assert_problem(daemon.request("DELETE", f"/sessions/{session}"), 403, "forbidden")
            assert admin.run("say y", session_id=session).status == 200
    assert sessions(daemon) == [] and set(sessions(admin)) == {chat, "joined"}
    assert SECRET not in str(runs(daemon)) and {run["source"] for run in runs(daemon)} == {"http"}


@pytest.mark.parametrize("end", [None, kill])
def test_a_run_that_waits_behind_a_trigger(agentd, end):
    """A run that was there before its session was a trigger's, and has its turn after, is not told what that said: also
    one that is begun again in another life of agentd."""
    daemon, admin = begin(agentd, config())
    first = background(daemon, "hang", session_id="s")
    wait_running(admin)
    emitted = emit(daemon, f"say {SECRET}", "s")
    last = background(daemon, "history", session_id="s")
    assert admin.load("a") == (1, 2)
    if end:
        end(daemon)
        daemon, admin = begin(agentd, config())
        wait_running(admin, 1, 2)
    assert daemon.request("POST", f"/runs/{first}/cancel").status == 202
    wait_over(admin, emitted)
    run = wait_over(daemon, last)
    assert (run["status"], run["code"]) == ("failed", "forbidden") and SECRET not in str(run)
    assert "of a chat or a trigger" in run["error"]


def test_triggers_go_where_the_config_says(agentd):
    """A webhook and an event that anybody may call go on with the session that the config names, whosever it is."""
    daemon, admin = begin(agentd, config())
    daemon.run("say mine", session_id="s", user_id="ann")
    for _ in range(2):
        reply = call(daemon, "history", "s")
        assert reply.status == 202
        assert "mine" in wait_over(admin, reply.json["run_id"])["content"]
        assert "mine" in wait_over(admin, emit(daemon, "history", "s"))["content"]
        assert_problem(daemon.get(f"/runs/{reply.json['run_id']}"), 403, "forbidden")


def test_what_is_said(agentd):
    """The refusal says why, and who may, in the answer and in the log."""
    daemon, admin = begin(agentd, config())
    run_id = emit(daemon, "say x", "s")
    wait_over(admin, run_id)
    for path, what in ((f"/runs/{run_id}", "run"), ("/sessions/s", "session")):
        detail = assert_problem(daemon.get(path), 403, "forbidden")["detail"]
        assert f"the {what} is of a chat or a trigger" in detail and "control socket" in detail
    wait_for("the log", lambda: [line.get("refused") for line in daemon.log].count("of a chat or a trigger") == 2)


def test_loopback_is_an_admin(agentd, line):
    """Nothing of it holds where only this machine can reach agentd."""
    daemon = agentd(config(line).replace("0.0.0.0", "127.0.0.1")).wait_ready()
    run = make("interface tel", daemon, Control(daemon), line)
    assert daemon.get(f"/runs/{run['run_id']}").json == run
    assert SECRET in daemon.run("history", session_id=run["session_id"]).json["content"]
    assert daemon.request("DELETE", f"/sessions/{run['session_id']}").status == 204
