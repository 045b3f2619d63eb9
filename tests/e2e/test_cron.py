"""Schedules: each due time has one run, whatever happens to agentd, its store, or the clock."""
import json
import math
import os
import random
import re
import signal
import sqlite3
import struct
import time
from contextlib import closing
from datetime import datetime, timezone

import pytest

from conftest import BUILD, SLOW, assert_problem, errors, wait_for
from stored import database, execute, kill, record, runs, stop, wait_over, wait_running, wait_status
from test_metrics import metrics, value

CONFIG = """
http: { listen: [ "127.0.0.1:0" ] }
agents: { a: { plugin: PLUGIN(actor) } }
supervision: { backoff_min: 50ms, backoff_max: 100ms, drain: 500ms, kill: 200ms }
cron:
"""
HOURLY = '  h: { schedule: "0 * * * *", input: "%s", %s }\n'


def seconds(text):
    """'12:30', of a Monday; with '+' of the day after, with '-' of the day before: since 1970."""
    day = {"-": 3, "+": 5}.get(text[0], 4)
    at = datetime.fromisoformat(f"2030-03-0{day}T{text.lstrip('+-')}")
    return at.replace(tzinfo=timezone.utc).timestamp()


def due(text):
    at = datetime.fromtimestamp(seconds(text), timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


class Clock:
    """The wall clock of daemons that are started with `env` (tests/preload/clock.c)."""

    def __init__(self, folder):
        self.file = os.open(folder / "clock", os.O_RDWR | os.O_CREAT)
        self.env = {"LD_PRELOAD": str(BUILD / "tests" / "preload" / "clock.so"),
                    "AGENTD_TEST_CLOCK": str(folder / "clock"),
                    "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")}
        self.set("11:30")

    def set(self, text):
        self.set_seconds(seconds(text))

    def set_seconds(self, at):
        os.pwrite(self.file, struct.pack("=q", math.ceil((at - time.time()) * 1000)), 0)


@pytest.fixture
def clock(tmp_path):
    if "thread" in BUILD.name:
        pytest.skip("this sanitizer wants to be the first to be loaded")
    clock = Clock(tmp_path)
    yield clock
    os.close(clock.file)


@pytest.fixture
def start(agentd, request):
    """start(entries) → a daemon with these schedules, its agent ready; on the test's clock, if it has one."""
    env = request.getfixturevalue("clock").env if "clock" in request.fixturenames else {}
    return lambda entries, config=CONFIG: agentd(config + entries, env=env).wait_ready()


def made(daemon, name="h"):
    """The runs of a schedule, oldest first."""
    found = runs(daemon, "?limit=1000")[::-1]
    return [run for run in found if (run["metadata"] or {}).get("cron") == name]


def dues(daemon, name="h"):
    return [run["metadata"]["due"] for run in made(daemon, name)]


def attempts(daemon, name="h"):
    return [run["metadata"]["attempt"] for run in made(daemon, name)]


def wait_dues(daemon, *texts, name="h"):
    """Until it has run for just these times, and is done with them."""
    wait_for(f"runs of {name} for {texts}", lambda: len(made(daemon, name)) >= len(texts) and all(
        run["status"] in ("succeeded", "failed", "cancelled") for run in made(daemon, name)))
    assert dues(daemon, name) == [due(text) for text in texts]
    wait_for("it to be settled", lambda: trigger(daemon, name)["running"] == 0)


def trigger(daemon, name="h"):
    return next(t for t in daemon.get("/triggers").json["cron"] if t["name"] == name)


def wait_next(daemon, text, name="h"):
    """Until it has seen what the clock shows."""
    wait_for(f"{name} to come at {text}", lambda: trigger(daemon, name)["next"] == due(text))


def post(daemon, what, name="h", headers=None):
    return daemon.request("POST", f"/cron/{name}/{what}", headers=headers or {})


def cancel(daemon, run):
    assert daemon.request("POST", f"/runs/{run['run_id']}/cancel").status in (200, 202)


def row(folder, columns, name="h"):
    return execute(database(folder), f"SELECT {columns} FROM cron WHERE name = '{name}'")[0]


class Broken:
    """While this is entered the store cannot write how far schedules have come."""

    def __init__(self, folder):
        self.path = database(folder)

    def rename(self, old, new):
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=20)) as db:
            db.execute(f"ALTER TABLE {old} RENAME TO {new}")

    def __enter__(self):
        self.rename("cron", "gone")

    def __exit__(self, *_):
        self.rename("gone", "cron")


# On time.

def test_what_a_run_is_told(start, clock):
    """Defects 22 and 26 of the original, which ignored the zone, and what the run said: it has its due time,
    source and attempt, its session and its timeout; one run for one time."""
    daemon = start('  h: { schedule: "0 12 * * *", timezone: Europe/Berlin, input: "request {{ source }}|{{ timestamp }}|'
                   '{{ body.cron }}", session: "at {{ timestamp }}", timeout: 7s }\n')
    assert trigger(daemon)["next"] == due("+11:00") and trigger(daemon)["last"] is None
    clock.set("+11:00")
    wait_dues(daemon, "+11:00")
    [run] = made(daemon)
    told = dict(line.split("=", 1) for line in record(daemon, run["run_id"])["content"].strip().split("\n"))
    assert told["input"] == f"request cron(0 12 * * *)|{due('+11:00')}|h"
    assert told["source"] == run["source"] == "cron(0 12 * * *)" and told["user_id"] == ""
    assert json.loads(told["metadata"]) == {"cron": "h", "due": due("+11:00"), "attempt": 1}
    assert told["session_id"] == f"at {due('+11:00')}" and 0 < int(told["left_ms"]) <= 7000
    assert trigger(daemon)["last"] == {"due": due("+11:00"), "run_id": run["run_id"], "status": "succeeded"}
    assert value(daemon, "agentd_cron_lateness_seconds_count") == 1


def test_each_second(start):
    """Times come in their order, each once, none before it is there; the metric counts each."""
    daemon = start('  h: { schedule: "* * * * * *", input: "say x", overlap: allow, misfire: all }\n')
    wait_for("three runs", lambda: len(made(daemon)) >= 3)
    found = made(daemon)
    times = [datetime.fromisoformat(run["metadata"]["due"].rstrip("Z")).timestamp() for run in found]
    assert times == [times[0] + n for n in range(len(times))]
    assert all(run["created_at"] >= run["metadata"]["due"] for run in found)
    assert value(daemon, "agentd_cron_lateness_seconds_count") >= len(found)


def test_the_agent_is_down(start, clock):
    """What is due while the agent is down waits, and is done once it is back."""
    daemon = start(HOURLY % ("say x", ""), CONFIG.replace("backoff_min: 50ms, backoff_max: 100ms",
                                                          "backoff_min: 500ms, backoff_max: 1s"))
    os.kill(daemon.pid_of("a"), 9)
    wait_for("it to be down", lambda: daemon.agent("a")["state"] != "ready")
    clock.set("12:00")
    wait_for("its run", lambda: made(daemon))
    wait_dues(daemon, "12:00")
    assert made(daemon)[0]["status"] == "succeeded"


def test_a_thousand_at_once(start, clock):
    """A thousand schedules due in one second have a run each; one that hangs keeps no other from its end."""
    count = 1000
    daemon = start("".join('  s%d: { schedule: "0 12 * * *", input: "%s" }\n' % (
        n, "hang" if n == 500 else "say x") for n in range(count)))
    clock.set("12:00")
    wait_for("all but one to end", lambda: len(runs(daemon, "?limit=1000&status=succeeded")) == count - 1, 20)
    found = runs(daemon, "?limit=1000")
    assert {run["metadata"]["cron"] for run in found} == {f"s{n}" for n in range(count)} and len(found) == count
    assert {run["metadata"]["due"] for run in found} == {due("12:00")}
    late = max(at(run["started_at"]) for run in found) - seconds("12:00")
    print(f"the last of {count} runs began {late * 1000:.0f} ms after its time; they were made on average "
          f"{value(daemon, 'agentd_cron_lateness_seconds_sum') / count * 1000:.1f} ms after it")
    assert value(daemon, "agentd_cron_lateness_seconds_count") == count
    stop(daemon)


def test_idle(start):
    """Between due times nothing wakes agentd."""
    daemon = start('  h: { schedule: "0 0 1 1 *", input: "say x" }\n')

    def switches():
        with open(f"/proc/{daemon.pid}/status") as status:
            return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read(), re.M).group(1))
    assert "agentd_cron_lateness_seconds_count 0" in daemon.get("/metrics").body.decode()
    before = switches()
    time.sleep(1.5)
    assert switches() - before < 15


# Crashes.

def assert_each_once(daemon, name, step_ms):
    """From its first time to its last each has one run, which has ended; how many."""
    found = made(daemon, name)
    times = sorted(datetime.fromisoformat(run["metadata"]["due"].rstrip("Z")).timestamp() for run in found)
    assert [round((at - times[0]) * 1000) for at in times] == [n * step_ms for n in range(len(times))]
    assert {run["status"] for run in found} == {"succeeded"}
    return len(times)


BUSY = """
  h: { schedule: "* * * * * *", input: "say x", overlap: allow, misfire: all }
  e: { schedule: "@every 100ms", input: "timer 20", overlap: allow, misfire: all }
  q: { schedule: "@every 100ms", input: "say x", overlap: queue, misfire: all }
"""


@pytest.mark.parametrize("end", [kill, stop])
def test_ends_at_any_moment(start, end):
    """Bug class: lost and doubled runs. However often agentd is killed, or told to stop with times
    coming, each time has one run, and each run its end."""
    chance = random.Random(7)
    for _ in range(6):
        daemon = start(BUSY)
        time.sleep(chance.uniform(0, 0.9))
        end(daemon)
    daemon = start(BUSY)
    for name in "heq":
        post(daemon, "pause", name)
    wait_for("all to end", lambda: not runs(daemon, "?status=queued") and not runs(daemon, "?status=running"))
    assert assert_each_once(daemon, "h", 1000) >= 2
    assert assert_each_once(daemon, "e", 100) > 10
    found = dues(daemon, "q")  # some were left out, since one waited: none was twice
    assert len(found) == len(set(found)) > 5 and found == sorted(found)


@pytest.fixture
def stopped(start, clock, tmp_path):
    """stopped(input, more) → the store after one run for 12:00, agentd stopped at 12:30."""
    def make(input="say x", more=""):
        daemon = start(HOURLY % (input, more))
        clock.set("12:00")
        wait_dues(daemon, "12:00")
        stop(daemon)
        clock.set("12:30")
        return database(tmp_path)
    return make


UNDO = ("UPDATE runs SET status = 0, attempts = 0, started = NULL, finished = NULL, code = NULL, error = NULL, "
        "content = NULL, messages = NULL, events = NULL, turn = NULL")


def test_killed_before_the_run_is_written(start, stopped, clock, tmp_path):
    """A time that came and of which nothing is in the store is done by the next start."""
    execute(stopped(), "DELETE FROM runs", "UPDATE cron SET run_id = NULL, due = due - 3600000")
    clock.set("12:00:05")
    daemon = start(HOURLY % ("say x", ""))
    wait_dues(daemon, "12:00")
    assert value(daemon, "agentd_cron_lateness_seconds_count") == 1


@pytest.mark.parametrize("attempts", [0, 1])
def test_killed_before_the_run_has_ended(start, stopped, clock, tmp_path, attempts):
    """A run that was written and not started, or was going on, is done by the next start: that one."""
    path = stopped()
    [(before,)] = execute(path, UNDO, f"UPDATE runs SET attempts = {attempts}", "UPDATE cron SET open = 1",
                          "SELECT run_id FROM cron")
    daemon = start(HOURLY % ("say x", ""))
    wait_dues(daemon, "12:00")
    assert made(daemon)[0]["run_id"] == before and trigger(daemon)["last"]["status"] == "succeeded"
    wait_for("the store to know it", lambda: row(tmp_path, "open, retry") == (0, 0))


def test_killed_while_running(start, clock, tmp_path):
    """A run in flight is begun again, as it is; the next time finds it going on."""
    daemon = start(HOURLY % ("attempt", ""))
    clock.set("12:00")
    wait_running(daemon)
    assert row(tmp_path, "open, attempt") == (1, 1)
    kill(daemon)
    daemon = start(HOURLY % ("attempt", ""))
    wait_dues(daemon, "12:00")
    [run] = made(daemon)
    assert (run["status"], record(daemon, run["run_id"])["attempts"], attempts(daemon)) == ("succeeded", 2, [1])


def test_killed_before_the_end_is_settled(start, stopped, clock, tmp_path):
    """A run that has failed, of which the schedule has not heard, is tried again all the same."""
    path = stopped("reach 2 {{ body.attempt }}", "retries: 1, retry_backoff: 20m")
    execute(path, "UPDATE cron SET open = 1, retry = 0")
    daemon = start(HOURLY % ("reach 2 {{ body.attempt }}", "retries: 1, retry_backoff: 1ms"))
    wait_dues(daemon, "12:00", "12:00")
    assert attempts(daemon) == [1, 2] and trigger(daemon)["last"]["status"] == "succeeded"


def test_a_retry_that_came_while_it_was_down(start, clock, tmp_path):
    """SIGKILL in the backoff: the run is tried again at its time, or at once if that is over."""
    entries = HOURLY % ("reach 3 {{ body.attempt }}", "retries: 3, retry_backoff: 5m")
    daemon = start(entries)
    clock.set("12:00")
    wait_dues(daemon, "12:00")
    planned = wait_for("the retry", lambda: trigger(daemon)["retry"])
    assert planned > due("12:05")
    wait_for("the store to know it", lambda: row(tmp_path, "retry > 0")[0])
    kill(daemon)
    daemon = start(entries)
    assert trigger(daemon)["retry"] == planned and len(made(daemon)) == 1
    clock.set("12:06")
    wait_dues(daemon, "12:00", "12:00")
    wait_for("the store to know it", lambda: row(tmp_path, "retry > 0")[0])
    kill(daemon)
    clock.set("12:30")
    daemon = start(entries)
    wait_dues(daemon, "12:00", "12:00", "12:00")
    assert attempts(daemon) == [1, 2, 3] and trigger(daemon)["retry"] is None


def test_killed_while_one_waits(start, clock):
    """Bug: a time of @every that waited for its turn was lost, and its rhythm with it."""
    entries = '  h: { schedule: "@every 1h", input: "attempt", overlap: queue }\n'
    daemon = start(entries)
    planned = [trigger(daemon)["next"]]
    clock.set("12:31")
    wait_running(daemon)
    planned.append(trigger(daemon)["next"])
    clock.set("13:31")
    wait_for("the next to wait", lambda: trigger(daemon)["next"] not in planned)
    planned.append(trigger(daemon)["next"])
    kill(daemon)
    daemon = start(entries)
    wait_for("the one that waited", lambda: dues(daemon) == planned[:2])
    assert trigger(daemon)["next"] == planned[2]


# The clock.

STEPS = [  # misfire, max_lateness, the clock, what is run
    ("once", "0s", "13:30", ["13:00"]),
    ("skip", "0s", "13:30", []),
    ("all", "0s", "14:30", ["13:00", "14:00"]),
    ("once", "10m", "13:30", []),
    ("once", "40m", "13:30", ["13:00"]),
    ("once", "0s", "+13:30", ["+13:00"]),
    ("skip", "0s", "+13:30", []),
    ("skip", "0s", "+13:00:05", ["+13:00"]),
    ("all", "0s", "+13:30", [f"{h}:00" for h in range(13, 24)] + [f"+{h:02}:00" for h in range(14)]),
    ("all", "2h", "+13:30", ["+12:00", "+13:00"]),
]


@pytest.mark.parametrize("meanwhile", ["running", "asleep", "down"])
@pytest.mark.parametrize("text", sorted(set(text for _, _, text, _ in STEPS)))
def test_forward(start, clock, text, meanwhile):
    """An hour, a day: what lay between was missed, whether the clock was set, the machine slept, or
    agentd was down; `misfire` and `max_lateness` say what is done."""
    rows = {f"s{n}": row for n, row in enumerate(STEPS) if row[2] == text}
    entries = "".join('  %s: { schedule: "0 * * * *", misfire: %s, max_lateness: %s, input: "say x" }\n' % (
        name, misfire, lateness) for name, (misfire, lateness, _, _) in rows.items())
    daemon = start(entries)
    clock.set("12:00")
    for name in rows:
        wait_dues(daemon, "12:00", name=name)
    clock.set("12:30")
    if meanwhile == "down":
        stop(daemon)
    elif meanwhile == "asleep":
        os.kill(daemon.pid, signal.SIGSTOP)
    clock.set(text)
    if meanwhile == "down":
        daemon = start(entries)
    elif meanwhile == "asleep":
        os.kill(daemon.pid, signal.SIGCONT)
    for name, (_, _, _, expected) in rows.items():
        wait_next(daemon, re.sub(r"(\d+):.*", lambda m: f"{int(m.group(1)) + 1}:00", text), name)
        wait_dues(daemon, "12:00", *expected, name=name)


@pytest.mark.parametrize("down", [False, True], ids=["running", "down"])
@pytest.mark.parametrize("misfire", ["once", "skip", "all"])
def test_back_by_an_hour(start, clock, misfire, down):
    """Times that have been do not come again; the schedule waits for the next after them."""
    entries = HOURLY % ("say x", f"misfire: {misfire}")
    daemon = start(entries)
    clock.set("12:00")
    wait_dues(daemon, "12:00")
    if down:
        stop(daemon)
    clock.set("11:30")
    daemon = start(entries) if down else daemon
    assert trigger(daemon)["next"] == due("13:00")
    clock.set("12:00")
    clock.set("12:01")
    assert trigger(daemon)["next"] == due("13:00")
    clock.set("13:00")
    wait_dues(daemon, "12:00", "13:00")


@pytest.mark.parametrize("down", [False, True], ids=["running", "down"])
@pytest.mark.parametrize("misfire", ["once", "all"])
def test_back_by_more_than_a_day(start, clock, misfire, down):
    """The schedule begins where the clock is; what it had done before does not come twice when the
    clock is put right again."""
    entries = HOURLY % ("say x", f"misfire: {misfire}")
    daemon = start(entries)
    clock.set("12:00")
    wait_dues(daemon, "12:00")
    if down:
        stop(daemon)
    clock.set("-10:30")
    daemon = start(entries) if down else daemon
    wait_next(daemon, "-11:00")
    clock.set("-11:00")
    wait_dues(daemon, "12:00", "-11:00")
    clock.set("12:30")
    wait_next(daemon, "13:00")
    clock.set("13:00")
    wait_dues(daemon, "12:00", "-11:00", "13:00")


def test_a_clock_that_was_ahead(start, clock):
    """A day and more ahead, and back: what comes then is new; what waits for a retry does not wait for
    the time that was wrong."""
    daemon = start(HOURLY % ("reach 2 {{ body.attempt }}", "retries: 1, retry_backoff: 10m"))
    clock.set("+14:00")
    wait_dues(daemon, "+14:00")
    wait_for("the retry", lambda: trigger(daemon)["retry"])
    clock.set("11:31")
    wait_next(daemon, "12:00")
    clock.set("12:00")
    wait_dues(daemon, "+14:00", "12:00")
    clock.set("12:11")
    wait_dues(daemon, "+14:00", "12:00", "12:00")


# One beside the other.

def test_overlap(start, clock, tmp_path):
    """While a run is going: left out, or one waits, or side by side, each counted; others come meanwhile."""
    daemon = start("".join('  %s: { schedule: "0 * * * *", input: "%s", overlap: %s }\n' % entry for entry in (
        ("skip", "hang", "skip"), ("queue", "hang", "queue"), ("allow", "hang", "allow"), ("h", "say x", "skip"))))
    for hour in ("12:00", "13:00", "14:00"):
        clock.set(hour)
        wait_next(daemon, f"{int(hour[:2]) + 1}:00")
        wait_for("runs", lambda: dues(daemon)[-1:] == [due(hour)] and trigger(daemon)["running"] == 0)
    wait_dues(daemon, "12:00", "13:00", "14:00")
    shown = {t["name"]: (t["running"], t["skipped"]) for t in daemon.get("/triggers").json["cron"]}
    assert shown == {"skip": (1, 2), "queue": (1, 1), "allow": (3, 0), "h": (0, 0)}
    found = metrics(daemon)
    assert [found["agentd_cron_skipped_total", name] for name in ("skip", "queue", "allow")] == [[2], [1], [0]]
    for name in ("skip", "queue"):
        cancel(daemon, made(daemon, name)[0])
    wait_for("the one that waited", lambda: dues(daemon, "queue") == [due("12:00"), due("13:00")])
    assert dues(daemon, "skip") == [due("12:00")]
    clock.set("15:00")
    wait_for("the next", lambda: dues(daemon, "skip") == [due("12:00"), due("15:00")])


def test_overlap_over_a_restart(start, clock):
    """What goes on after a restart is the run before, also for a schedule that was changed meanwhile."""
    more = "overlap: skip, timeout: 60s"
    daemon = start(HOURLY % ("hang", more))
    clock.set("12:00")
    wait_running(daemon)
    kill(daemon)
    daemon = start(HOURLY.replace("0 * *", "30 * *") % ("hang", more))
    assert trigger(daemon)["running"] == 1 and trigger(daemon)["last"]["due"] == due("12:00")
    clock.set("12:30")
    wait_for("it to be left out", lambda: trigger(daemon)["skipped"] == 1)
    assert len(made(daemon)) == 1


def test_what_was_missed_waits(start, clock):
    """misfire: all runs all of it, one after the other, the last of it too, whatever `overlap` says."""
    entries = HOURLY % ("timer 30", "misfire: all, overlap: skip")
    stop(start(entries))
    clock.set("15:00:02")
    daemon = start(entries)
    wait_dues(daemon, "12:00", "13:00", "14:00", "15:00")
    found = made(daemon)
    assert all(before["finished_at"] <= after["created_at"] for before, after in zip(found, found[1:]))
    assert trigger(daemon)["skipped"] == 0


def test_too_late_by_waiting(start, clock):
    """max_lateness holds for what waits, too."""
    daemon = start(HOURLY % ("hang", "overlap: queue, max_lateness: 1h"))
    clock.set("12:00")
    wait_running(daemon)
    clock.set("13:00")
    wait_next(daemon, "14:00")
    clock.set("15:30")
    wait_next(daemon, "16:00")
    cancel(daemon, made(daemon)[0])
    wait_for("the next", lambda: dues(daemon) == [due("12:00"), due("15:00")])
    assert trigger(daemon)["skipped"] == 1


# Again.

def test_retries(start, clock):
    """Defects 23 and 24 of the original: what fails is tried again after a backoff that doubles, until it
    succeeds, or so often."""
    daemon = start('  h: { schedule: "0 * * * *", input: "fail x", retries: 2, retry_backoff: 100ms }\n'
                   '  ok: { schedule: "0 * * * *", input: "reach 2 {{ body.attempt }}", retries: 5, retry_backoff: 1ms }\n')
    clock.set("12:00")
    wait_for("them to be over", lambda: len(made(daemon)) == 3 and trigger(daemon)["running"] == 0)
    assert attempts(daemon) == [1, 2, 3] and set(dues(daemon)) == {due("12:00")}
    assert attempts(daemon, "ok") == [1, 2] and trigger(daemon, "ok")["retry"] is trigger(daemon)["retry"] is None
    at = [datetime.fromisoformat(run["created_at"].rstrip("Z")).timestamp() for run in made(daemon)]
    assert at[1] - at[0] >= 0.1 and at[2] - at[1] >= 0.2
    assert [trigger(daemon, name)["last"]["status"] for name in ("h", "ok")] == ["failed", "succeeded"]
    assert daemon.wait_log("^run failed: x$")["source"] == "cron(0 * * * *)"
    said = [message for message in daemon.messages() if message.startswith("cron.h: attempt")]
    assert said == [f"cron.h: attempt {n} has failed; it is tried again in 0.{n} s, unless the next time comes first" for n in (1, 2)]


def test_a_newer_time_takes_the_place(start, clock):
    """The next time comes before the retry: there is no retry of the one before."""
    daemon = start(HOURLY % ("fail x", "retries: 3, retry_backoff: 50m"))
    clock.set("12:30")
    wait_dues(daemon, "12:00")
    wait_for("the retry", lambda: (trigger(daemon)["retry"] or "") > due("13:20"))
    clock.set("13:00")
    wait_dues(daemon, "12:00", "13:00")
    wait_for("the retry", lambda: (trigger(daemon)["retry"] or "") < due("13:51"))
    clock.set("13:51")
    wait_dues(daemon, "12:00", "13:00", "13:00")
    assert attempts(daemon) == [1, 1, 2]


# By hand.

def test_pause_and_resume(start, clock):
    """What comes while it is paused is left out, also over a restart; it goes on with its next time."""
    entries = HOURLY % ("say x", "misfire: all")
    daemon = start(entries)
    reply = post(daemon, "pause")
    assert reply.status == 200 and (reply.json["paused"], reply.json["next"]) == (True, None)
    clock.set("12:00")
    kill(daemon)
    daemon = start(entries)
    assert trigger(daemon)["paused"]
    clock.set("13:30")
    assert post(daemon, "pause").json["paused"] and made(daemon) == []
    assert post(daemon, "resume").json["next"] == due("14:00")
    clock.set("14:00")
    wait_dues(daemon, "14:00")
    kill(daemon)
    assert not trigger(start(entries))["paused"]


def test_pause_while_it_runs(start, clock):
    """A run that goes on does so, and is not tried again while it is paused; what waited is left out."""
    daemon = start(HOURLY % ("timer 1000000", "overlap: queue, retries: 1, retry_backoff: 1ms, timeout: 1s"))
    clock.set("12:00")
    wait_running(daemon)
    clock.set("13:00")
    wait_next(daemon, "14:00")
    assert post(daemon, "pause").json["running"] == 1
    wait_dues(daemon, "12:00")
    assert trigger(daemon)["last"]["status"] == "failed" and trigger(daemon)["retry"] is None
    assert post(daemon, "resume").json["next"] == due("14:00")
    assert dues(daemon) == [due("12:00")]


def test_resume_of_one_that_goes_on(start, clock):
    """It changes nothing: what waits for its turn still does."""
    daemon = start(HOURLY % ("hang", "overlap: queue"))
    clock.set("12:00")
    wait_running(daemon)
    clock.set("13:00")
    wait_next(daemon, "14:00")
    assert post(daemon, "resume").status == 200
    cancel(daemon, made(daemon)[0])
    wait_for("the one that waited", lambda: dues(daemon) == [due("12:00"), due("13:00")])


def test_run_now(start, clock):
    """A run beside the times: also while one is going, or the schedule is paused; once for each key."""
    entries = HOURLY % ("hang", "")
    daemon, key = start(entries), {"Idempotency-Key": "k"}
    clock.set("12:00")
    wait_running(daemon)
    replies = [post(daemon, "run", headers=key) for _ in range(2)]
    assert {reply.status for reply in replies} == {202} and len({reply.json["run_id"] for reply in replies}) == 1
    assert post(daemon, "pause").status == 200
    assert post(daemon, "run").status == 202
    assert len(made(daemon)) == 3 and trigger(daemon)["last"]["due"] == due("12:00")
    wait_running(daemon, 3)
    kill(daemon)
    daemon = start(entries)
    assert post(daemon, "run", headers=key).json["run_id"] == replies[0].json["run_id"]
    wait_running(daemon, 3)
    for run in made(daemon):
        cancel(daemon, run)


def test_what_there_is_not(start):
    """404 for a name that is none, 400 for pausing what the config has off."""
    daemon = start('  h: { schedule: "* * * * * *", enabled: false, input: "say x" }\n')
    for what in ("pause", "resume", "run"):
        assert_problem(post(daemon, what, "nobody"), 404, "not_found")
    for what in ("pause", "resume"):
        assert_problem(post(daemon, what), 400, "bad_request")
    shown = trigger(daemon)
    assert (shown["enabled"], shown["paused"], shown["next"]) == (False, False, None)
    run_id = post(daemon, "run").json["run_id"]
    assert wait_over(daemon, run_id)["status"] == "succeeded" and len(made(daemon)) == 1


# Other configs.

OTHERS = [
    HOURLY.replace("0 * *", "5 * *") % ("say x", "misfire: all"),   # it is another schedule
    HOURLY % ("say x", "misfire: all, timezone: Asia/Kolkata"),
    HOURLY % ("say x", "misfire: all, enabled: false"),
    '  other: { schedule: "0 0 1 1 *", input: "say x" }\n',
]


@pytest.mark.parametrize("other", OTHERS, ids=["schedule", "timezone", "disabled", "removed"])
def test_a_schedule_that_was_changed(start, clock, other):
    """Changed, off or gone for one life of agentd, it begins anew: nothing of the time between was missed."""
    entries = HOURLY % ("say x", "misfire: all")
    stop(start(entries))
    stop(start(other))
    clock.set("15:40")
    daemon = start(entries)
    assert trigger(daemon)["next"] == due("16:00")
    clock.set("16:00")
    wait_dues(daemon, "16:00")


def test_each_start(start, clock):
    """@reboot: once with each start, also after SIGKILL; retried if it fails."""
    entries = '  h: { schedule: "@reboot", input: "reach 2 {{ body.attempt }}", retries: 2, retry_backoff: 1ms }\n'
    for count in (1, 2, 3):
        daemon = start(entries)
        wait_for("its runs", lambda: attempts(daemon) == [1, 2] * count)
        wait_for("its end", lambda: trigger(daemon)["last"]["status"] == "succeeded")
        assert trigger(daemon)["next"] is None
        kill(daemon)


@pytest.mark.parametrize("end", [kill, stop])
def test_every(start, clock, end):
    """@every keeps its rhythm over a restart."""
    entries = '  h: { schedule: "@every 45m", input: "say x", misfire: all }\n'
    daemon = start(entries)
    clock.set("12:20")
    wait_for("the first", lambda: len(made(daemon)) == 1)
    end(daemon)
    clock.set("14:00")
    daemon = start(entries)
    wait_for("what was missed", lambda: len(made(daemon)) == 3)
    found = [datetime.fromisoformat(text.rstrip("Z")) for text in dues(daemon)]
    assert [(at - found[0]).total_seconds() for at in found] == [0, 2700, 5400]


# A store that cannot write, or takes its time.

@pytest.fixture
def lock(tmp_path):
    """lock() → what holds the store: what is written meanwhile waits, until its `rollback`."""
    opened = []

    def take():
        opened.append(sqlite3.connect(database(tmp_path), isolation_level=None, timeout=20))
        opened[-1].execute("BEGIN IMMEDIATE")
        return opened[-1]
    yield take
    for db in opened:
        db.close()


def test_killed_while_it_is_written(start, clock, lock):
    """SIGKILL with a run on its way into the store: it is made by the next start."""
    daemon = start(HOURLY % ("say x", ""))
    held = lock()
    clock.set("12:00")
    wait_for("it to be made", lambda: trigger(daemon)["running"] == 1)
    kill(daemon)
    held.rollback()
    wait_dues(start(HOURLY % ("say x", "")), "12:00")


def test_stopped_while_it_is_written(start, clock, lock):
    """SIGTERM likewise: it is written, and begun by the next start."""
    daemon = start(HOURLY % ("say x", ""))
    held = lock()
    clock.set("12:00")
    wait_for("it to be made", lambda: trigger(daemon)["running"] == 1)
    daemon.terminate()
    daemon.wait_log("stopping")
    held.rollback()
    assert daemon.wait() == 0
    daemon = start(HOURLY % ("say x", ""))
    daemon.wait_log("1 run is begun again")
    wait_dues(daemon, "12:00")


def test_refused_while_another_waits(start, clock, lock):
    """Bug: what waited for a run that the store refused was forgotten until the next time."""
    daemon = start(HOURLY.replace("input", "session: hers, input") % ("say x", "overlap: queue"))
    daemon.run("say mine", session_id="hers", user_id="ann")
    held = lock()
    clock.set("12:00")
    wait_for("it to be made", lambda: trigger(daemon)["running"] == 1)
    clock.set("13:00")
    wait_next(daemon, "14:00")
    held.rollback()
    wait_for("both to be left out", lambda: trigger(daemon)["skipped"] == 2)


def test_a_store_that_is_locked(start, clock, lock):
    """Held by somebody for too long: what is due waits, and is done in its order; no attempt is lost."""
    daemon = start(HOURLY % ("say x", "overlap: allow"))
    held = lock()
    for hour in range(12, 15):
        clock.set(f"{hour}:00")
        wait_next(daemon, f"{hour + 1}:00")
    daemon.wait_log("the store cannot write")
    held.rollback()
    wait_dues(daemon, "12:00", "13:00", "14:00")
    assert sum("the store can" in message for message in daemon.messages()) <= 2


def cpu_ticks(daemon):
    with open(f"/proc/{daemon.pid}/stat") as stat:
        return sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13]))


def test_the_store_fails(start, tmp_path):
    """Bug class: lost times, a line for each of them, a loop that spins. While the store cannot write,
    times wait; one line says so, one that it works again, and then each has its run."""
    daemon = start('  e: { schedule: "@every 100ms", input: "say x", overlap: allow, misfire: all }\n')
    wait_for("runs", lambda: len(made(daemon, "e")) >= 2)
    with Broken(tmp_path):
        daemon.wait_log("the store cannot write")
        time.sleep(1.2)
        before = cpu_ticks(daemon)
        time.sleep(0.5)
        assert cpu_ticks(daemon) - before < 0.2 * SLOW * os.sysconf("SC_CLK_TCK")
    daemon.wait_log("the store can write again")
    count = len(made(daemon, "e"))
    wait_for("it to go on", lambda: len(made(daemon, "e")) > count + 5)
    post(daemon, "pause", "e")
    wait_for("all to end", lambda: trigger(daemon, "e")["running"] == 0)
    assert assert_each_once(daemon, "e", 100) > 10
    assert sum("the store can" in message for message in daemon.messages()) == 2, daemon.messages()


def test_killed_while_the_store_fails(start, clock, tmp_path):
    """A time that could not be written is done by the next start."""
    entries = HOURLY % ("say x", "misfire: all")
    daemon = start(entries)
    clock.set("12:00")
    wait_dues(daemon, "12:00")
    with Broken(tmp_path):
        clock.set("13:00")
        daemon.wait_log("the store cannot write")
        assert trigger(daemon)["last"]["due"] == due("12:00")
        kill(daemon)
    wait_dues(start(entries), "12:00", "13:00")


def test_a_retry_that_cannot_be_written(start, clock, tmp_path):
    """Bug: it counted as an attempt."""
    daemon = start(HOURLY % ("reach 2 {{ body.attempt }}", "retries: 5, retry_backoff: 10m"))
    clock.set("12:00")
    wait_dues(daemon, "12:00")
    wait_for("the retry", lambda: trigger(daemon)["retry"])
    with Broken(tmp_path):
        clock.set("12:11")
        daemon.wait_log("the store cannot write")
    wait_dues(daemon, "12:00", "12:00")
    assert attempts(daemon) == [1, 2]


def test_a_pause_that_cannot_be_written(start, clock, tmp_path):
    """503; it holds all the same, and is written once the store can: it is not forgotten by a restart."""
    entries = HOURLY % ("say x", "")
    daemon = start(entries)
    with Broken(tmp_path):
        assert_problem(post(daemon, "pause"), 503, "store_unavailable")
        assert trigger(daemon)["paused"]
    daemon.wait_log("the store can write again")
    kill(daemon)
    assert trigger(start(entries))["paused"]


def test_the_queue_is_full(start, clock, tmp_path):
    """Where an agent's queue is full what is due waits, says so once, and is done when there is room."""
    entries = HOURLY % ("say x", "misfire: all")
    daemon = start(entries)
    daemon.run("say x", session_id="one")
    stop(daemon)
    fill = ("INSERT INTO runs (id, agent, session_id, user, source, status, durable, attempts, timeout_ms, created, "
            "input, any_session) WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10002) "
            "SELECT printf('%036d', i), 'a', 'filled', '', 'http', 0, 1, 0, 60000, 1, 'hang', 1 FROM n")
    execute(database(tmp_path), fill)
    daemon = start(entries)
    clock.set("12:00")
    daemon.wait_log("cron.h: no run can be made yet: overloaded")
    clock.set("13:00")
    wait_next(daemon, "14:00")
    clock.set("13:00:02")
    assert sum("cron.h" in message for message in daemon.messages()) == 1, daemon.messages()
    kill(daemon)
    execute(database(tmp_path), "DELETE FROM runs WHERE session_id = 'filled'")
    wait_dues(start(entries), "12:00", "13:00")


def test_sessions(start, clock, tmp_path):
    """A session that is a user's is not the schedule's: the time is left out; its own goes on."""
    daemon = start('  h: { schedule: "0 * * * *", input: "say x", session: hers }\n'
                   '  own: { schedule: "0 * * * *", input: "history", session: its }\n')
    daemon.run("say mine", session_id="hers", user_id="ann")
    for hour in ("12:00", "13:00"):
        clock.set(hour)
        wait_for("its run", lambda: dues(daemon, "own")[-1:] == [due(hour)] and trigger(daemon, "own")["running"] == 0)
    assert made(daemon) == [] and trigger(daemon)["skipped"] == 2 and trigger(daemon)["last"] is None
    assert record(daemon, made(daemon, "own")[1]["run_id"])["content"].startswith("2\n")
    daemon.wait_log("cron.h: its session belongs to a user; the time is left out")


# The config.

@pytest.mark.parametrize("entry, error", [
    ('h: { schedule: "0 9 * * *", timezone: Europe/Berln }', r'cron\.h\.timezone: there is no time zone "Europe/Berln"'),
    ('h: { schedule: "0 0 30 2 *" }', r"cron\.h\.schedule: .*never"),
    ('h: { schedule: "0 25 * * *" }', r"cron\.h\.schedule: .*hour"),
    ('h: { schedule: "* * *" }', r"cron\.h\.schedule: "),
    ('h: { schedule: "@every 1ms" }', r"cron\.h\.schedule: "),
    ('h: { schedule: [ "* * * * *" ] }', r"cron\.h\.schedule: "),
    ('h: { schedule: "" }', r"cron\.h\.schedule: "),
    ('h: {}', r'cron\.h: the required option "schedule" is missing'),
    ('h: { schedule: "@daily", timezone: "" }', r"cron\.h\.timezone: "),
    ('h: { schedule: "@daily", timezone: ../UTC }', r"cron\.h\.timezone: "),
    ('h: { schedule: "@daily", timezone: { a: b } }', r"cron\.h\.timezone: "),
    ('h: { schedule: "@daily", input: "{{ bdy.x }}" }', r"cron\.h\.input: column 4: expected body"),
    ('h: { schedule: "@daily", session: "{{ body" }', r"cron\.h\.session: "),
    ('h: { schedule: "@daily", misfire: never }', r"cron\.h\.misfire: expected one of once\|skip\|all"),
    ('h: { schedule: "@daily", overlap: [ skip ] }', r"cron\.h\.overlap: "),
    ('h: { schedule: "@daily", retries: -1 }', r"cron\.h\.retries: "),
    ('h: { schedule: "@daily", overlp: skip }', r'cron\.h\.overlp: unknown option; did you mean "overlap"\?'),
    ('h: { schedule: "@daily", deliver: { interface: t, chat: 1 } }', r'cron\.h\.deliver\.interface: there is no interface "t"'),
    ('h: { schedule: "@daily", agent: nobody }', r'cron\.h\.agent: there is no agent "nobody"'),
    ('"a b": { schedule: "@daily" }', r"cron\.a b: a name may have"),
    ('h: daily', r"cron\.h: "),
])
def test_mistakes_in_the_config(check, entry, error):
    """Defects 22 and 25 of the original (no such zone, never comes): each is one line with its place; nothing
    starts."""
    [line] = errors(check(CONFIG + f"  {entry}\n"))
    assert re.match(r"agent\.conf:6: " + error, line), line


def test_cron_needs_the_store(check):
    """Without a store a time could be lost: a config error."""
    [line] = errors(check(CONFIG + HOURLY % ("say x", "") + "store: { enabled: false }\n"))
    assert re.match(r"agent\.conf:6: cron\.h: cron needs the store", line), line


# All of it.

RANDOM = """
  h: { schedule: "*/10 * * * *", misfire: all, overlap: allow, input: "timer 3" }
  fails: { schedule: "*/30 * * * *", misfire: all, overlap: allow, retries: 2, retry_backoff: 10ms, input: "fail x" }
  every: { schedule: "@every 7m", misfire: all, overlap: allow, input: "say x" }
  once: { schedule: "*/10 * * * *", overlap: queue, input: "timer 10", session: s }
  again: { schedule: "0 * * * *", misfire: all, overlap: queue, input: "attempt", timeout: 300ms, retries: 1, retry_backoff: 10ms }
"""
STEP_OF = {"h": 600, "fails": 1800}


def at(text):
    return datetime.fromisoformat(text.rstrip("Z")).replace(tzinfo=timezone.utc).timestamp()


def end_or_go_on(chance, daemon, end):
    """Whether it has ended."""
    if chance.random() < 0.4:
        end(daemon)
        return True
    return False


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens(start, clock, tmp_path, seed):
    """SIGKILL, SIGTERM, a clock that is set to and fro within a day, a store that fails or is held: no
    time is lost, none has two runs, each run ends. AGENTD_CRON_SEED for other choices."""
    chance = random.Random(int(os.environ.get("AGENTD_CRON_SEED", 0)) + seed)
    now = latest = seconds("11:30")
    daemon, trace = start(RANDOM), []
    wait_for("it to be known since when", lambda: len(execute(database(tmp_path), "SELECT name FROM cron")) == 5)

    def move(step):
        nonlocal now, latest
        now = max(now + step, latest - 80000)
        latest = max(latest, now)
        clock.set_seconds(now)

    for _ in range(25):
        trace.append(chance.choice(["move", "end", "broken", "held", "pause"]))
        ended = False
        if trace[-1] == "move":
            move(chance.choice([60, 601, 1799, 3600, 7200.5, -5, -600, -40000]))
        elif trace[-1] == "end":
            ended = True
            chance.choice([kill, stop])(daemon)
            move(chance.choice([0, 700, 4000]))
        elif trace[-1] == "broken":
            with Broken(tmp_path):
                move(600)
                ended = end_or_go_on(chance, daemon, kill)
        elif trace[-1] == "held":
            with closing(sqlite3.connect(database(tmp_path), isolation_level=None, timeout=20)) as db:
                db.execute("BEGIN IMMEDIATE")
                move(600)
                daemon.get("/triggers")
                ended = end_or_go_on(chance, daemon, kill)
        else:
            post(daemon, chance.choice(["pause", "resume"]), "once")
        daemon = start(RANDOM) if ended else daemon
    move(latest + 7200 - now)
    post(daemon, "pause", "once")
    wait_for("the last time", lambda: all(
        max(map(at, dues(daemon, name)), default=0) >= latest // step * step for name, step in {**STEP_OF, "again": 3600}.items()))
    wait_for("all to end", lambda: all(
        t["running"] == 0 and t["retry"] is None for t in daemon.get("/triggers").json["cron"]), 30)
    stop(daemon)
    found = {}
    for metadata, status in execute(database(tmp_path), "SELECT metadata, status FROM runs ORDER BY seq"):
        told = json.loads(metadata)
        attempts = found.setdefault(told["cron"], {}).setdefault(at(told["due"]), [])
        assert status in (2, 3, 4) and told["attempt"] == len(attempts) + 1, (told, trace)
        attempts.append(told["attempt"])
    for name, step in STEP_OF.items():
        first = int(seconds("11:30")) // step * step + step
        assert sorted(found[name]) == list(range(first, int(max(found[name])) + 1, step)), (name, trace)
    times = sorted(found["every"])
    assert [round(t - times[0], 3) for t in times] == [n * 420 for n in range(len(times))], trace
