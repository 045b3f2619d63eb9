"""What the tests of the store share: runs by their id, and daemons that die."""
import json
import os
import sqlite3
from contextlib import closing

from conftest import Stream, wait_for

# One agent that does what its input says, as `a`; more sections may follow.
ACTOR = """
agents: { a: { plugin: PLUGIN(actor) } }
supervision: { backoff_min: 50ms, backoff_max: 100ms, drain: 200ms, kill: 200ms }
"""


def files_in(folder):
    """All that is below it, also while some of it goes."""
    return sorted(os.path.relpath(os.path.join(at, name), folder)
                  for at, folders, files in os.walk(folder) for name in folders + files)


def kill(daemon):
    """As a crash, or a power cut as far as the process can tell."""
    daemon.process.kill()
    daemon.wait()


def stop(daemon):
    """As systemd does."""
    daemon.terminate()
    assert daemon.wait(30) == 0, "\n".join(daemon.raw)


def background(daemon, input, headers=None, **fields):
    """The id of a background run."""
    reply = daemon.request("POST", "/run", {"input": input, "background": True, **fields}, headers)
    assert reply.status == 202, reply.body
    return reply.json["run_id"]


def record(daemon, run_id):
    reply = daemon.get(f"/runs/{run_id}")
    assert reply.status == 200, reply.body
    return reply.json


def wait_status(daemon, run_id, *statuses):
    """The run's record, once it has one of these. A run that fails is answered before it is written."""
    return wait_for(f"{run_id} to be {statuses}", lambda: (
        r := daemon.get(f"/runs/{run_id}").json)["status"] in statuses and r, 20)


def wait_over(daemon, run_id):
    return wait_status(daemon, run_id, "succeeded", "failed", "cancelled")


def runs(daemon, query=""):
    reply = daemon.get("/runs" + query)
    assert reply.status == 200, reply.body
    return reply.json["runs"]


def events(daemon, run_id, after=None, connection=None):
    """The Stream of /runs/{id}/events."""
    connection = connection or daemon.connect()
    connection.request("GET", f"/runs/{run_id}/events", headers={} if after is None else {"Last-Event-ID": str(after)})
    return Stream(connection, connection.getresponse())


def names(stream):
    return [event.name.removeprefix("run.") for event in stream]


def wait_running(daemon, count=1, queued=0, agent="a"):
    """Until so many have gone out to their agent: a place is taken before the attempt is counted."""
    wait_for(f"{count} runs to go and {queued} to wait", lambda: daemon.load(agent) == (count, queued) and
             len(runs(daemon, f"?agent={agent}&status=running")) == count)


def database(folder):
    """The file in the place that conftest gives daemons."""
    return folder / "state" / "agentd" / "agentd.db"


def execute(path, *statements):
    """Changes a store that no daemon has open; the rows of the last statement."""
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            rows = db.execute(statement).fetchall()
        db.commit()
    return rows


def with_key(daemon, key, body):
    return daemon.request("POST", "/run", body if isinstance(body, dict) else {"input": body},
                          {"Idempotency-Key": key})
