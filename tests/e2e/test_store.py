"""The store's file: where it is, whose it is, and what happens when the disk or the file is not well."""
import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import time

import pytest

from conftest import ROOT, assert_problem, wait_for
from stored import (ACTOR, background, database, execute, events, kill, record, runs, stop, wait_over,
                    wait_running, with_key)
from test_sandbox import needs_landlock

DAY = 24 * 3600 * 1000
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


def at(path, more=""):
    return ACTOR + f"store: {{ path: {path}{more} }}\n"


def refused(agentd, config, **more):
    """The line with which a daemon that cannot have its store ends."""
    daemon = agentd(config, listening=False, **more)
    assert daemon.wait() == 69, "\n".join(daemon.raw)
    return daemon.wait_log("cannot open the store")["message"]


# Where it is.

def test_relative_path(agentd, tmp_path):
    """store.path is relative to the config; folders are made, and only its owner reads them."""
    daemon = agentd(at("var/deep/runs.db")).wait_ready()
    daemon.run("say x")
    folder = tmp_path / "var" / "deep"
    assert folder.stat().st_mode & 0o777 == (tmp_path / "var").stat().st_mode & 0o777 == 0o700
    modes = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}
    assert modes.pop("runs.db-spool") == 0o700
    assert "runs.db" in modes and set(modes.values()) == {0o600}, modes
    daemon.wait_log(rf"runs and sessions are kept in {folder}/runs\.db$")


def test_absolute_path(agentd, tmp_path):
    """An absolute path is taken as it is."""
    agentd(at(tmp_path / "here.db")).wait_ready()
    assert (tmp_path / "here.db").exists() and not (tmp_path / "state").exists()


@pytest.mark.parametrize("variables, place", [
    ({"STATE_DIRECTORY": "{}/s"}, "s/agentd.db"), ({"STATE_DIRECTORY": "{}/s:{}/t"}, "s/agentd.db"),
    ({"STATE_DIRECTORY": "", "XDG_STATE_HOME": "{}/x"}, "x/agentd/agentd.db"),
    ({"STATE_DIRECTORY": "", "XDG_STATE_HOME": "", "HOME": "{}/h"}, "h/.local/state/agentd/agentd.db"),
], ids=["systemd", "two of systemd", "XDG_STATE_HOME", "HOME"])
def test_default_place(agentd, tmp_path, variables, place):
    """Without store.path it is where systemd says, else in the user's state folder."""
    daemon = agentd(ACTOR, env={name: text.replace("{}", str(tmp_path)) for name, text in variables.items()})
    daemon.wait_log(rf"kept in {tmp_path / place}$")
    assert (tmp_path / place).exists()


def test_no_place(agentd):
    """A daemon that has nowhere to put it says so, and what to set."""
    daemon = agentd(ACTOR, env={"STATE_DIRECTORY": "", "XDG_STATE_HOME": "", "HOME": ""}, listening=False)
    assert daemon.wait() == 78
    assert any("store.path" in line for line in daemon.raw)


# Whose it is.

def test_a_second_daemon(agentd, tmp_path):
    """Two daemons cannot have one store: the second ends with 69, says who has it and what to do; the
    first is not disturbed."""
    path = tmp_path / "one.db"
    first = agentd(at(path)).wait_ready()
    line = refused(agentd, at(path))
    assert str(path) in line and str(first.pid) in line and "store.path" in line
    assert first.run("say x").json["content"] == "x"
    kill(first)
    agentd(at(path)).wait_ready()


@needs_landlock
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", ".lock"])
def test_plugins_cannot_read_it(agentd, tmp_path, suffix):
    """The store, and the files that go with it, are hidden from plugins, also those it has just made."""
    daemon = agentd(at("runs.db")).wait_ready()
    daemon.run("say x")
    assert (tmp_path / f"runs.db{suffix}").exists()
    assert daemon.run(f"read {tmp_path}/runs.db{suffix}").json["content"] == "Permission denied"


@needs_landlock
def test_plugins_cannot_read_it_where_it_is_by_default(agentd, tmp_path):
    """As above, in the folder that the daemon has made itself."""
    daemon = agentd(ACTOR).wait_ready()
    for suffix in ("", "-wal"):
        assert daemon.run(f"read {database(tmp_path)}{suffix}").json["content"] == "Permission denied"


# What it cannot open.

@pytest.mark.parametrize("make, said", [
    (lambda path: path.write_bytes(b"this is no database, and never was one" * 200), "not a database"),
    (lambda path: path.mkdir(), "it is a folder; store.path names a file"),
], ids=["garbage", "a folder"])
def test_what_is_no_store(agentd, tmp_path, make, said):
    """Something else in the store's place is refused with 69 and a reason, and left alone."""
    path = tmp_path / "runs.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    assert said in refused(agentd, at(path))
    assert before is None or path.read_bytes() == before


def test_a_corrupt_head(agentd, tmp_path):
    """A store whose first page is overwritten is refused, with what to do about it."""
    path = tmp_path / "runs.db"
    stop(agentd(at(path)).wait_ready())
    with path.open("r+b") as file:
        file.write(b"\xff" * 4096)
    line = refused(agentd, at(path))
    assert "backup" in line and "move it away" in line


def test_a_newer_one(agentd, tmp_path):
    """A store that a newer agentd has written is refused, and not changed."""
    path = tmp_path / "runs.db"
    stop(agentd(at(path)).wait_ready())
    execute(path, "PRAGMA user_version = 99")
    assert "newer agentd" in refused(agentd, at(path))
    assert execute(path, "PRAGMA user_version") == [(99,)]


def test_a_folder_that_cannot_be(agentd, tmp_path):
    """A folder that cannot be made ends the start with 69 and the reason."""
    (tmp_path / "file").write_text("")
    assert "Not a directory" in refused(agentd, at("file/runs.db"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_writable(agentd, tmp_path):
    """A folder in which nothing can be made ends the start with 69 and the reason."""
    (tmp_path / "ro").mkdir(mode=0o500)
    assert "Permission denied" in refused(agentd, at("ro/runs.db"))


def test_one_that_a_tool_has_locked(agentd, tmp_path):
    """A store in which somebody else writes all the time cannot be opened, and the line says what to do."""
    path = tmp_path / "runs.db"
    stop(agentd(at(path)).wait_ready())
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("BEGIN EXCLUSIVE")
        line = refused(agentd, at(path))
    assert "locked" in line and "store.path" in line


# What goes wrong later.

@pytest.fixture
def disk(tmp_path):
    """A small file system of its own: its folder, with fill(), free() and remount("ro")."""
    class Disk:
        path = tmp_path / "disk"
        filler = path / "filler"

        def remount(self, option):  # busy for a moment after its last file was closed
            wait_for("the mount", lambda: subprocess.run(
                ["mount", "-o", f"remount,{option}", self.path], stderr=subprocess.DEVNULL).returncode == 0)

        def fill(self):
            with self.filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * 4096)

        def remove(self, file):
            """Its room comes back a moment later."""
            room = os.statvfs(self.path).f_bfree + file.stat().st_blocks // 8
            file.unlink()
            wait_for("the room", lambda: os.statvfs(self.path).f_bfree >= room)

        def free(self):
            self.remove(self.filler)
    disk = Disk()
    disk.path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk.path], check=True)
    yield disk
    subprocess.run(["umount", "-l", disk.path], check=True)


def fill(daemon, disk):
    """Until the store notices."""
    disk.fill()
    wait_for("the store to be full", lambda: daemon.run("say " + "x" * 4000).status == 503)


def writable(daemon):
    return int(re.search(r"(?m)^agentd_store_writable (\d)$", daemon.get("/metrics").body.decode()).group(1))


def not_ready(daemon, why):
    reply = daemon.get("/ready")
    assert (reply.status, reply.json) == (503, {"status": "not ready", "not_ready": ["store"], "store_error": why})
    assert writable(daemon) == 0


@as_root
def test_disk_full(agentd, disk):
    """On a full disk what needs the store is 503 with Retry-After, what was written can be read, and
    /health and /agents answer; when there is room again it works again, without a restart."""
    daemon = agentd(at(disk.path / "runs.db")).wait_ready()
    before = daemon.run("say before", session_id="s").json
    fill(daemon, disk)
    for reply in (daemon.run("say x" * 4000), daemon.request("POST", "/run", {"input": "x" * 8000, "background": True}),
                  daemon.run("x" * 8000, stream=True), with_key(daemon, "k", "x" * 8000)):
        assert_problem(reply, 503, "store_unavailable")
        assert int(reply.headers["Retry-After"]) > 0
    assert daemon.get("/health").status == daemon.get("/agents").status == 200
    assert record(daemon, before["run_id"])["content"] == "before"
    daemon.wait_log("the store cannot write: No space left on device")
    not_ready(daemon, "No space left on device")
    time.sleep(1.5)  # the probe has been there
    not_ready(daemon, "No space left on device")
    disk.free()
    wait_for("it to be ready, with no run", lambda: daemon.get("/ready").status == 200)
    wait_for("it to work again", lambda: daemon.run("say after", session_id="s").status == 200)
    daemon.wait_log("the store can write again")
    assert daemon.run("history", session_id="s").json["content"].startswith("4\nuser:say before")
    assert wait_over(daemon, background(daemon, "say y"))["content"] == "y"
    kill(daemon)
    assert record(agentd(at(disk.path / "runs.db")).wait_ready(), before["run_id"])["content"] == "before"


@as_root
def test_a_background_run_that_ends_on_a_full_disk(agentd, disk):
    """A result that cannot be written waits until it can."""
    daemon = agentd(at(disk.path / "runs.db")).wait_ready()
    run_id = background(daemon, "flood 100000")
    wait_over(daemon, run_id)
    run_id = background(daemon, "pipe " + "x" * 200)  # is over at once; the next one is not
    run_id = background(daemon, "timer 1000")
    fill(daemon, disk)
    wait_for("the run to be over", lambda: daemon.load("a") == (0, 0))
    assert record(daemon, run_id)["status"] == "running"
    disk.free()
    run = wait_over(daemon, run_id)
    assert (run["status"], run["content"], run["attempts"]) == ("succeeded", "timer", 1)


@as_root
def test_a_stop_on_a_full_disk(agentd, disk):
    """A background run whose result cannot be written does not hold up a stop; it is begun again."""
    daemon = agentd(at(disk.path / "runs.db")).wait_ready()
    run_id = background(daemon, "timer 700")
    fill(daemon, disk)
    wait_for("the run to be over", lambda: daemon.load("a") == (0, 0))
    daemon.terminate()
    assert daemon.wait(5) == 0
    disk.free()
    assert wait_over(agentd(at(disk.path / "runs.db")).wait_ready(), run_id)["status"] == "succeeded"


@as_root
def test_a_start_on_a_full_disk(agentd, disk):
    """A daemon that finds the disk full says so in one line, and ends with 69."""
    stop(agentd(at(disk.path / "runs.db")).wait_ready())
    disk.fill()
    assert "No space left" in refused(agentd, at(disk.path / "runs.db"))
    disk.free()
    disk.remove(disk.path / "runs.db")
    disk.fill()
    line = refused(agentd, at(disk.path / "runs.db"))
    assert "full" in line or "No space left" in line


@as_root
def test_read_only(agentd, disk):
    """A file system that is made read-only is as one that is full, and so is its recovery."""
    daemon = agentd(at(disk.path / "runs.db")).wait_ready()
    daemon.run("say x")
    stop(daemon)
    disk.remount("ro")
    line = refused(agentd, at(disk.path / "runs.db"))
    assert "ead-only" in line or "readonly" in line
    disk.remount("rw")
    assert len(runs(agentd(at(disk.path / "runs.db")).wait_ready())) == 1


def test_ready_says_it(agentd, tmp_path):
    """Bug: /ready was 200 while no run could succeed. A write that fails, whoever's, makes it 503, with the reason; it is
    200 again once agentd has found out by itself that it can write, and the probe leaves nothing behind."""
    path = tmp_path / "runs.db"
    daemon = agentd(at(path)).wait_ready()
    assert writable(daemon) == 1
    execute(path, "ALTER TABLE meta RENAME TO other", "ALTER TABLE runs RENAME TO others")
    assert_problem(daemon.request("POST", "/run", {"input": "x", "background": True}), 503, "store_unavailable")
    not_ready(daemon, "Input/output error")
    execute(path, "ALTER TABLE others RENAME TO runs", "ALTER TABLE other RENAME TO meta")
    wait_for("it to be ready, with no run", lambda: daemon.get("/ready").status == 200)
    assert writable(daemon) == 1 and daemon.get("/ready").json == {"status": "ready", "not_ready": []}
    wait_for("the probe to be gone", lambda: execute(path, "SELECT name FROM meta") == [("clean",)])


def test_locked_by_a_tool(agentd, tmp_path):
    """Somebody who holds the file's lock for long costs 503s while he does, and no longer."""
    daemon = agentd(at("runs.db")).wait_ready()
    with contextlib.closing(sqlite3.connect(tmp_path / "runs.db")) as db:
        db.execute("BEGIN IMMEDIATE")
        reply = daemon.run("say x")
        assert_problem(reply, 503, "store_unavailable")
        assert reply.headers["Retry-After"] and daemon.get("/health").status == 200
        assert runs(daemon) == []
    assert daemon.run("say y").json["content"] == "y"


def damage(path):
    """Overwrites pages in the middle of a table, of which no start needs to know."""
    size = path.stat().st_size // 4096
    with path.open("r+b") as file:
        for page in range(size * 2 // 5, size * 3 // 5):
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)


def test_damage_that_a_crash_left(agentd, tmp_path):
    """After an unclean end the file is checked: damage is said in the log, with what to do, and nothing
    is read or written any more: 503, and /health is 200. If it is found before the recovery, it is 69."""
    path = tmp_path / "runs.db"
    daemon = agentd(at(path)).wait_ready()
    for n in range(200):  # so many that the check is still going on when the daemon listens
        daemon.run("say " + "x" * 200_000)
    stop(daemon)
    kill(agentd(at(path)).wait_ready())
    damage(path)
    daemon = agentd(at(path), listening=False)
    line = daemon.wait_log("is damaged")
    assert line["level"] == "error" and str(path) in line["message"] and "backup" in line["message"]
    ended = wait_for("it to listen or to end", lambda: daemon.process.poll() or any(
        "listening on" in message for message in daemon.messages()))
    if ended == 69:
        return
    daemon.wait_listening().wait_ready()
    for reply in (daemon.run("say x"), daemon.get("/runs"), daemon.get("/sessions"),
                  daemon.request("POST", "/run", {"input": "x", "background": True})):
        assert_problem(reply, 503, "store_unavailable")
        assert reply.headers["Retry-After"]
    assert daemon.get("/health").status == 200
    stop(daemon)


@pytest.mark.skipif(not shutil.which("sqlite3"), reason="no sqlite3")
def test_a_backup(agentd, tmp_path):
    """docs/config.md's commands make a backup while agentd runs, and a daemon that has lost its store goes on with it."""
    page = (ROOT / "docs" / "config.md").read_text().split("## Backups", 1)[1].split("\n## ", 1)[0]
    save, restore = re.findall(r"```sh\n(.*?)```", page, re.S)

    def sh(commands):
        for place in ("/var/lib/agentd", "/var/backups/agentd"):
            assert place in commands
            commands = commands.replace(place, f"{tmp_path}{place}")
        subprocess.run(["sh", "-euc", re.sub(r"(?m)^systemctl .*\n", "", commands)], check=True)
    for place in ("lib", "backups"):
        (tmp_path / "var" / place / "agentd").mkdir(parents=True)
    path = tmp_path / "var/lib/agentd/agentd.db"
    daemon = agentd(at(path)).wait_ready()
    done = daemon.run("say before", session_id="s").json["run_id"]
    going = background(daemon, "timer 1000")
    wait_running(daemon, 1)
    sh(save)
    after = daemon.run("say after", session_id="s").json["run_id"]
    kill(daemon)
    sh(restore)
    daemon = agentd(at(path)).wait_ready()
    assert record(daemon, done)["content"] == "before" and wait_over(daemon, going)["attempts"] == 2
    assert daemon.get(f"/runs/{after}").status == 404
    assert daemon.run("history", session_id="s").json["content"].split("\n")[0] == "2"


# Off.

def test_off(agentd, tmp_path):
    """store.enabled: false serves runs, streams and sessions, makes no file, and refuses what it cannot
    do with a line that says why."""
    daemon = agentd(ACTOR + "store: { enabled: false }\n").wait_ready()
    daemon.wait_log("sessions are kept in memory: they end with this process; runs are not kept")
    assert daemon.run("say x", session_id="s").json["content"] == "x"
    assert list(daemon.stream("history", session_id="s"))[-1].data["content"] == "2\nuser:say x::\nassistant:x::\n"
    body = assert_problem(daemon.request("POST", "/run", {"input": "x", "background": True}), 400, "bad_request")
    assert "store.enabled" in body["detail"]
    run_id = daemon.run("say x").json["run_id"]
    for path in (f"/runs/{run_id}", f"/runs/{run_id}/events"):
        assert "store.enabled" in assert_problem(daemon.get(path), 404, "not_found")["detail"]
    assert [s["session_id"] for s in daemon.get("/sessions").json["sessions"]][-1] == "s"
    assert not list(tmp_path.glob("**/*.db*"))


def test_off_what_goes_on(agentd):
    """Without a store what is going on can be listed, looked at, heard and cancelled."""
    daemon = agentd(ACTOR + "store: { enabled: false }\n").wait_ready()
    stream = daemon.stream("hang")
    run_id = next(iter(stream)).data["run_id"]
    assert [run["run_id"] for run in runs(daemon)] == [run_id]
    assert record(daemon, run_id)["status"] == "running"
    listener = events(daemon, run_id)
    assert next(iter(listener)).name == "run.started"
    assert daemon.request("POST", f"/runs/{run_id}/cancel").status == 202
    assert [e.name for e in stream] == [e.name for e in listener] == ["run.cancelled"]
    assert runs(daemon) == []


def test_off_filters(agentd):
    """The filters of /runs hold without a store, too."""
    daemon = agentd(ACTOR + "store: { enabled: false }\n").wait_ready()
    stream = daemon.stream("hang", session_id="s")
    next(iter(stream))
    assert len(runs(daemon, "?session_id=s&status=running&agent=a")) == 1
    assert runs(daemon, "?session_id=t") == runs(daemon, "?agent=b") == runs(daemon, "?status=failed") == []
    for query in ("/runs?status=done", "/sessions?cursor=x", "/sessions?cursor=-1"):
        assert_problem(daemon.get(query), 400, "bad_request")
    stream.close()


# Retention.

def test_retention_by_age(agentd, tmp_path):
    """What is older than store.retention goes at the next start; what is younger, or not over, stays."""
    daemon = agentd(at("runs.db")).wait_ready()
    old, young = (daemon.run("say x", session_id=s).json["run_id"] for s in ("old", "young"))
    waiting = background(daemon, "hang", session_id="waiting")
    wait_running(daemon)
    stop(daemon)
    then = int(time.time() * 1000) - 31 * DAY
    execute(tmp_path / "runs.db", f"UPDATE runs SET created = {then}, finished = {then} WHERE id <> '{young}'"
            " AND status <> 0", f"UPDATE runs SET created = {then} WHERE status = 0",
            f"UPDATE sessions SET created = {then}, updated = {then} WHERE id = 'old'")
    daemon = agentd(at("runs.db")).wait_ready()
    wait_for("the old run to go", lambda: daemon.get(f"/runs/{old}").status == 404)
    assert {run["run_id"] for run in runs(daemon)} == {young, waiting}
    wait_for("its session to go", lambda: [s["session_id"] for s in daemon.get("/sessions").json["sessions"]] == ["young"])


def test_no_retention(agentd, tmp_path):
    """retention: 0s keeps all for ever."""
    daemon = agentd(at("runs.db")).wait_ready()
    run_id = daemon.run("say x").json["run_id"]
    stop(daemon)
    execute(tmp_path / "runs.db", "UPDATE runs SET created = 1, finished = 1", "UPDATE sessions SET updated = 1")
    daemon = agentd(at("runs.db", ", retention: 0s")).wait_ready()
    daemon.run("say barrier")
    assert record(daemon, run_id)["content"] == "x"


def test_retention_by_size(agentd, tmp_path):
    """store.max_size deletes the oldest runs until the file is no larger, and not more than that."""
    daemon = agentd(at("runs.db")).wait_ready()
    ids = [daemon.run("say " + "x" * 4000).json["run_id"] for _ in range(1000)]
    stop(daemon)
    size = (tmp_path / "runs.db").stat().st_size
    most = size * 15 // 16
    daemon = agentd(at("runs.db", f", max_size: {most}")).wait_ready()
    wait_for("the oldest to go", lambda: daemon.get(f"/runs/{ids[0]}").status == 404)
    daemon.run("say barrier")
    stop(daemon)
    assert (tmp_path / "runs.db").stat().st_size <= most * 1.1
    left = {row[0] for row in execute(tmp_path / "runs.db", "SELECT id FROM runs")}
    assert ids[-1] in left and len(left) > 700, len(left)
