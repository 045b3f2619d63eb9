"""Attachments of POST /run: what they may be, that the agent gets them as files, and that these are gone afterwards."""
import base64
import json
import os
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from conftest import BUILD, assert_problem, wait_for
from stored import (ACTOR, background, database, events, execute, files_in, kill, record, runs, stop, wait_over,
                    wait_running, with_key)
from test_store import as_root, at, disk  # noqa: F401

URL = "https://example.com/a.png"
MB = 1 << 20
LARGE = 'http: { listen: [ "127.0.0.1:0" ], max_body: 64M }\n' + ACTOR
ENDS = pytest.mark.parametrize("end", [kill, stop])


@pytest.fixture
def daemon(agentd):
    return agentd(ACTOR).wait_ready()


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def data(text, **more):
    return {"data": b64(text), **more}


def folder(daemon):
    return next((daemon.cwd / "state").rglob("agentd.db-spool"))


def spooled(daemon):
    """What is left of attachments, with their folders."""
    return files_in(folder(daemon))


def wait_gone(daemon):
    wait_for("the files to be gone", lambda: spooled(daemon) == [])


def attached(daemon, *attachments, **more):
    """What the agent says that it got: "type:name:mime type:text or URL"."""
    reply = daemon.run("attached", attachments=list(attachments), **more)
    assert reply.status == 200, reply.body
    return reply.json["content"].rstrip("\n").split("\n")[1:]


def age(path, seconds=1):
    """As if it had been changed then last."""
    for inner in [*path.rglob("*"), path]:
        os.utime(inner, (seconds, seconds))


# What the agent gets.

def test_what_the_agent_gets(daemon):
    """Promise: data comes as a file with its bytes, a URL as it is, each with what was said of it, in their order."""
    assert attached(daemon, data("the text", name="a.txt", mime_type="text/plain"),
                    {"type": "image", "name": "b.png", "mime_type": "image/png", "url": URL},
                    data("x", type="audio"), {"type": "video", "url": "http://h"}, {"url": URL}) == [
        "0:a.txt:text/plain:the text", f"1:b.png:image/png:{URL}", "2:::x", "3:::http://h", f"0:::{URL}"]
    wait_gone(daemon)


def test_null_is_absent_and_more_is_left_alone(daemon):
    """Null is as good as absent, an empty name as well, and what is not known is left alone, as in the rest of the body."""
    assert attached(daemon, {"type": None, "name": "", "mime_type": "", "url": None, "data": b64("x"), "size": 7}) == [
        "0:::x"]
    assert daemon.run("attached", attachments=[]).json["content"] == "0\n"
    assert daemon.run("attached", attachments=None).json["content"] == "0\n"


@pytest.mark.parametrize("text", ["QQ==", "QQ", "QUI=", "QUI", "QUJD", "+/+/", "QUJDRA"])
def test_base64(daemon, text):
    """Padding may be there or not."""
    run = wait_over(daemon, background(daemon, "attached", attachments=[{"data": text}]))
    assert run["input_attachments"] == [
        {"type": "file", "bytes": len(base64.b64decode(text + "=" * (-len(text) % 4)))}]


def test_the_file_while_the_run_goes_on(daemon):
    """It is in the run's own folder, nobody else's to read, with the very bytes; and goes when the run is cancelled."""
    every = bytes(range(256)) * 300
    run_id = background(daemon, "hang", attachments=[data(every, name="x"), {"url": URL}, data(b"\0")])
    wait_running(daemon)
    assert spooled(daemon) == [run_id, f"{run_id}/input-1", f"{run_id}/input-2"]
    own = folder(daemon) / run_id
    assert (own / "input-1").read_bytes() == every and (own / "input-2").read_bytes() == b"\0"
    assert [os.stat(path).st_mode & 0o7777 for path in (own, own / "input-1")] == [0o700, 0o600]
    daemon.request("POST", f"/runs/{run_id}/cancel")
    wait_gone(daemon)


# What is refused.

BAD = [
    ([1], '"attachments[0]" must be an object'),
    (["x"], '"attachments[0]" must be an object'),
    ([{}], '"attachments[0]" must have either "url" or "data"'),
    ([{"url": URL}, {"name": "x"}], '"attachments[1]" must have either "url" or "data"'),
    ([{"url": URL, "data": "QQ=="}], '"attachments[0]" must have either "url" or "data", and not both'),
    ([{"url": URL, "type": "folder"}], '"attachments[0].type" must be file, image, audio or video'),
    ([{"url": URL, "type": ""}], '"attachments[0].type" must be file,'),
    ([{"url": URL, "type": 1}], '"attachments[0].type" must be file,'),
    *[([{"url": URL}, {"url": URL, "name": name}], '"attachments[1].name" must be the name of a file')
      for name in ("a/b", "/", "..", ".", "a\nb", "\x7f", "\x01", "x" * 257, 7, ["x"])],
    *[([{"url": URL, "mime_type": mime}], '"attachments[0].mime_type" must be a type and a subtype')
      for mime in ("image", "image/", "/png", "a/b/c", "text/plain; charset=utf-8", "a b/c", "é/x", "a/" + "x" * 255, 7)],
    *[([{"url": url}], '"attachments[0].url" must be an http:// or https:// URL')
      for url in ("", "x", "ftp://h/x", "file:///etc/passwd", "/etc/passwd", "http://", "https:///x", "http://?x",
                  "http://h/a b", "http://h/\n", "http://h/\x7f", "https://h/" + "x" * 8183, 7, {})],
    *[([{"data": text}], '"attachments[0].data" must be base64')
      for text in ("", "=", "==", "Q", "Q=", "QQ=", "QQ===", "QUI==", "QQ==QQ==", "QR==", "QUJ=", "Q U I=", "QUI=\n", "-_-_",
                   "QUJ", "QR", "é", "QQ=x", 7, True)],
]


@pytest.mark.parametrize("attachments,why", BAD, ids=range(len(BAD)))
def test_bad_attachments(daemon, attachments, why):
    """Each mistake is 400, names the field, and leaves no run and no file."""
    for background in (False, True):
        body = assert_problem(daemon.run("attached", attachments=attachments, background=background), 400, "bad_request")
        assert body["detail"].startswith(why)
    assert runs(daemon) == [] and spooled(daemon) == []


def test_bounds(daemon):
    """What is just as much as there may be is taken."""
    longest = "https://h/" + "x" * (8192 - 10)
    assert attached(daemon, {"url": longest, "name": "é" * 128, "mime_type": "a/" + "x" * 254}) == [
        f"0:{'é' * 128}:a/{'x' * 254}:{longest}"]
    assert attached(daemon, *[data(f"{n}") for n in range(64)]) == [f"0:::{n}" for n in range(64)]
    body = assert_problem(daemon.run("attached", attachments=[{"url": URL}] * 65), 400, "bad_request")
    assert body["detail"] == '"attachments" must be at most 64'
    assert_problem(daemon.run("attached", attachments={}), 400, "bad_request")


def test_the_largest(agentd):
    """32 MiB are taken, and one byte more is 413."""
    daemon = agentd(LARGE).wait_ready()
    largest = os.urandom(32 * MB)
    run_id = background(daemon, "hang", attachments=[data(largest)])
    assert (folder(daemon) / run_id / "input-1").read_bytes() == largest
    body = assert_problem(daemon.run("attached", attachments=[{"url": URL}, data(largest + b"x")]),
                          413, "payload_too_large")
    assert body["detail"] == '"attachments[1].data" stands for more than 32 MiB'
    assert len(runs(daemon)) == 1
    assert daemon.request("POST", f"/runs/{run_id}/cancel").status == 202
    wait_gone(daemon)


def test_without_a_store(agentd):
    """There is no folder then: data is refused, and says why; a URL is not."""
    daemon = agentd(ACTOR + "store: { enabled: false }\n").wait_ready()
    body = assert_problem(daemon.run("attached", attachments=[{"url": URL}, data("x")]), 400, "bad_request")
    assert "store.enabled" in body["detail"] and '"data"' in body["detail"]
    assert attached(daemon, {"url": URL}) == [f"0:::{URL}"]


# When the files go.

def test_each_way_of_an_answer(daemon):
    """Whole, streamed, in the background and with a key: the agent gets the file, and it is gone afterwards."""
    given = [data("x", name="n")]
    expected = "1\n0:n::x\n"
    assert daemon.run("attached", attachments=given).json["content"] == expected
    assert spooled(daemon) == []
    *_, last = daemon.stream("attached", attachments=given)
    assert last.data["content"] == expected and spooled(daemon) == []
    run = wait_over(daemon, background(daemon, "attached", attachments=given))
    assert run["content"] == expected and spooled(daemon) == []
    assert with_key(daemon, "k", {"input": "attached", "attachments": given}).json["content"] == expected
    assert spooled(daemon) == []


@pytest.mark.parametrize("input,status", [("fail no", 502), ("refuse", 502), ("crash", 502), ("hang", 504)])
def test_a_run_that_fails(daemon, input, status):
    """They go with a run however it ends."""
    assert daemon.run(input, attachments=[data("x")], timeout=0.2).status == status
    wait_gone(daemon)


def test_a_client_that_leaves(daemon):
    """They go with a run that is cancelled, since its client left."""
    connection = daemon.start_run("hang", attachments=[data("x")])
    wait_running(daemon)
    assert len(spooled(daemon)) == 2
    connection.close()
    wait_gone(daemon)


def test_a_run_whose_process_dies(daemon):
    """A background run that is tried again, alone, has its files again."""
    run_id = background(daemon, "attempt attached", attachments=[data("x")])
    wait_running(daemon)
    os.kill(daemon.pid_of("a"), 9)
    run = wait_over(daemon, run_id)
    assert (run["attempts"], run["content"]) == (2, "1\n0:::x\n")
    wait_gone(daemon)


def test_a_run_that_is_refused_after_it_was_made(agentd):
    """A key that has a run already, a busy session, a full queue, a session of another agent: nothing is left."""
    daemon = agentd("""
        agents:
          a: { plugin: PLUGIN(actor), on_busy: reject }
          b: { plugin: PLUGIN(actor), concurrency: 1, queue: 0 }
        default_agent: a
    """).wait_ready()
    given = [data("x")]
    body = {"input": "say x", "attachments": given, "session_id": "mine"}
    assert with_key(daemon, "k", body).json == with_key(daemon, "k", body).json
    assert_problem(with_key(daemon, "k", {**body, "input": "say y"}), 422, "idempotency_mismatch")
    waits = daemon.start_run("hang", session_id="s")
    wait_running(daemon)
    for way in ({}, {"background": True}, {"stream": True}):
        assert_problem(daemon.run("attached", session_id="s", attachments=given, **way), 409, "session_busy")
    busy = daemon.start_run("hang", agent="b")
    wait_running(daemon, agent="b")
    assert_problem(daemon.run("attached", agent="b", attachments=given), 503, "overloaded")
    waits.close()
    busy.close()
    wait_for("b to be free", lambda: daemon.load("b") == (0, 0))
    reply = daemon.run("attached", agent="b", session_id="mine", attachments=given)
    assert_problem(reply, 409, "session_mismatch")
    wait_gone(daemon)


def test_fifty_at_once(daemon):
    """Each of fifty runs gets its own files, and all are gone afterwards."""
    def one(n):
        body = {"input": "attached", "attachments": [data(f"text {n} {i}" * 100, name=str(i)) for i in range(3)]}
        if n % 3 == 0:
            return with_key(daemon, f"k{n}", body).json["content"]
        if n % 3 == 1:
            return wait_over(daemon, background(daemon, **body))["content"]
        return daemon.run(**body).json["content"]

    with ThreadPoolExecutor(50) as pool:
        contents = list(pool.map(one, range(50)))
    assert contents == ["3\n" + "".join(f"0:{i}::{f'text {n} {i}' * 100}\n" for i in range(3)) for n in range(50)]
    wait_gone(daemon)


def test_fifty_with_one_key(daemon):
    """Fifty that ask for the same run write fifty folders, of which one is used, and none is left."""
    body = {"input": "attached", "attachments": [data("x")]}
    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda _: with_key(daemon, "k", body), range(50)))
    assert {reply.json["content"] for reply in replies} == {"1\n0:::x\n"} and len(runs(daemon)) == 1
    wait_gone(daemon)


# agentd ends.

@ENDS
def test_a_background_run_outlives_agentd(agentd, end):
    """Promise: the files of a background run are there for the next start, and removed after it."""
    daemon = agentd(ACTOR).wait_ready()
    going = background(daemon, "attempt attached", attachments=[data("x"), {"url": URL}], session_id="s")
    wait_running(daemon)
    waiting = background(daemon, "attached", attachments=[data("y")], session_id="s")
    end(daemon)
    assert len(spooled(daemon)) == 4
    daemon = agentd(ACTOR).wait_ready()
    assert wait_over(daemon, going)["content"] == f"2\n0:::x\n0:::{URL}\n"
    assert wait_over(daemon, waiting)["content"] == "1\n0:::y\n"
    wait_gone(daemon)


@ENDS
@pytest.mark.parametrize("way", ["whole", "stream", "key"])
def test_another_run_ends_with_agentd(agentd, end, way):
    """The files of a run that ends as interrupted are gone with the next start at the latest."""
    daemon = agentd(ACTOR).wait_ready()
    connection = daemon.connect()
    body = {"input": "hang", "attachments": [data("x")], "stream": way == "stream"}
    connection.request("POST", "/run", json.dumps(body), {"Idempotency-Key": "k"} if way == "key" else {})
    wait_running(daemon)
    [run] = runs(daemon)
    wait_for("it to be in the store", lambda: daemon.get(f"/runs/{run['run_id']}").status == 200)
    if end is stop:
        stop(daemon)
        assert spooled(daemon) == []
    else:
        # It is written down once it has taken its time.
        wait_for("it to be written", lambda: stored(daemon))
        kill(daemon)
        assert len(spooled(daemon)) == 2
    connection.close()
    daemon = agentd(ACTOR).wait_ready()
    assert record(daemon, run["run_id"])["status"] == "failed"
    assert spooled(daemon) == []


def stored(daemon):
    """How many runs the store itself has."""
    path = next((daemon.cwd / "state").rglob("agentd.db"))
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute("SELECT count(*) FROM runs").fetchone()[0]


def test_what_a_crash_has_left(agentd):
    """Without interfaces, too, old files that belong to nothing are swept; those of a run that still waits are not."""
    daemon = agentd(ACTOR).wait_ready()
    run_id = background(daemon, "attempt attached", attachments=[data("x")])
    wait_running(daemon)
    kill(daemon)
    old, new = folder(daemon) / "0192-old", folder(daemon) / "0192-new"
    for path in (old, new):
        path.mkdir()
        (path / "input-1").write_text("x")
    age(old)
    daemon = agentd(ACTOR).wait_ready()
    assert wait_over(daemon, run_id)["content"] == "1\n0:::x\n"
    wait_for("the run's to be gone", lambda: spooled(daemon) == ["0192-new", "0192-new/input-1"])


def test_a_run_that_waited_for_long(agentd):
    """The sweep spares the files of an old run that is not over."""
    daemon = agentd(ACTOR).wait_ready()
    run_id = background(daemon, "attempt attached", attachments=[data("x")])
    wait_running(daemon)
    kill(daemon)
    age(folder(daemon) / run_id, 10000)
    execute(database(daemon.cwd), "UPDATE runs SET created = 10000000")
    daemon = agentd(ACTOR).wait_ready()
    assert wait_over(daemon, run_id)["content"] == "1\n0:::x\n"


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(b""),
                                  lambda path: (path.unlink(), path.symlink_to("/etc/hostname"))])
def test_a_file_that_a_power_cut_took(agentd, harm):
    """A run whose file is not what was sent any more is not begun again: it says why."""
    daemon = agentd(ACTOR).wait_ready()
    run_id = background(daemon, "attempt attached", attachments=[data("x")])
    wait_running(daemon)
    kill(daemon)
    harm(folder(daemon) / run_id / "input-1")
    daemon = agentd(ACTOR).wait_ready()
    run = record(daemon, run_id)
    assert (run["status"], run["code"]) == ("failed", "interrupted")
    assert run["error"] == "agentd ended while it was going on, and a file that came with it is gone"
    assert spooled(daemon) == []


# When files cannot be made.

@as_root
def test_a_full_disk(agentd, disk):
    """503 with Retry-After, no run, and nothing is left of the files; then it works again."""
    daemon = agentd(at(disk.path / "runs.db")).wait_ready()
    disk.fill()
    for way in ({}, {"background": True}, {"stream": True}):
        reply = daemon.run("attached", attachments=[data(b"x" * 500000)], **way)
        body = assert_problem(reply, 503, "store_unavailable")
        assert "No space left" in body["detail"] and reply.headers["Retry-After"]
    assert list((disk.path / "runs.db-spool").iterdir()) == [] and runs(daemon) == []
    disk.free()
    assert attached(daemon, data("x")) == ["0:::x"]
    assert list((disk.path / "runs.db-spool").iterdir()) == []


def test_a_process_that_hears_late_of_a_run(agentd):
    """Bug: a process that was slow made the folder of a run that had been cancelled, and there it stayed."""
    daemon = agentd(ACTOR.replace("kill: 200ms", "kill: 30s")).wait_ready()
    pid = daemon.pid_of("a")
    os.kill(pid, signal.SIGSTOP)
    run_id = background(daemon, "hang", attachments=[data("x")])
    wait_running(daemon)
    daemon.request("POST", f"/runs/{run_id}/cancel")
    wait_gone(daemon)
    os.kill(pid, signal.SIGCONT)
    wait_for("the process to hear of it", lambda: daemon.load("a") == (0, 0))
    wait_gone(daemon)


@pytest.mark.skipif("thread" in BUILD.name, reason="its runtime is before what is loaded before it")
def test_files_are_on_the_disk_before_a_run_is_accepted(agentd):
    """Promise: 202 is said when a power cut takes neither the run nor its files; else 503, and there is none."""
    daemon = agentd(ACTOR, env={"LD_PRELOAD": str(BUILD / "tests" / "preload" / "sync.so"),
                                "AGENTD_TEST_SYNC": "agentd.db-spool/",
                                "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")}).wait_ready()
    reply = daemon.run("attached", attachments=[data("x")], background=True)
    assert "Input/output error" in assert_problem(reply, 503, "store_unavailable")["detail"]
    assert runs(daemon) == []
    wait_gone(daemon)
    background(daemon, "attached", attachments=[{"url": URL}])
    assert attached(daemon, data("x")) == ["0:::x"]  # which waits itself, and is not begun again


def test_the_folder_is_gone(daemon):
    """Where no folder can be made no run is, and it says why."""
    spool = folder(daemon)
    spool.rmdir()
    spool.write_text("no folder")
    body = assert_problem(daemon.run("attached", attachments=[data("x")]), 503, "store_unavailable")
    assert "Not a directory" in body["detail"] and runs(daemon) == []
    assert attached(daemon, {"url": URL}) == [f"0:::{URL}"]


# Idempotency-Key.

def test_attachments_are_a_part_of_the_request(daemon):
    """The same key with another attachment is another request; with the same one it is the same."""
    body = {"input": "attached", "attachments": [data("x", name="n")]}
    first = with_key(daemon, "k", body).json
    assert with_key(daemon, "k", body).json == first
    for other in ([data("y", name="n")], [data("x", name="m")], [], [data("x", name="n")] * 2,
                  [{"url": URL, "name": "n"}]):
        assert_problem(with_key(daemon, "k", {**body, "attachments": other}), 422, "idempotency_mismatch")
    wait_gone(daemon)


# Answers.

def test_attachments_of_answers(daemon):
    """Promise: an answer's URLs are in its reply, in its stream and in its record; paths of files are not."""
    expected = [{"type": "image", "url": URL}]
    reply = daemon.run(f"link {URL}").json
    assert reply["attachments"] == expected
    *_, last = daemon.stream(f"link {URL}")
    assert last.name == "run.finished" and last.data["attachments"] == expected
    run = wait_over(daemon, background(daemon, f"link {URL}"))
    assert run["attachments"] == expected and "input_attachments" not in run
    assert record(daemon, reply["run_id"])["attachments"] == expected
    *_, last = events(daemon, run["run_id"])
    assert last.data["attachments"] == expected
    first = with_key(daemon, "k", f"link {URL}").json
    assert first["attachments"] == expected == with_key(daemon, "k", f"link {URL}").json["attachments"]


def test_files_of_answers(daemon):
    """A file of an answer is for chats: over HTTP it is left out, and there is no empty list."""
    run = wait_over(daemon, background(daemon, "file note.txt some words"))
    assert (run["content"], "attachments" in run) == ("here it is", False)
    assert "attachments" not in daemon.run("say x").json
    wait_gone(daemon)


def test_attachments_in_a_record(agentd):
    """A run shows what came with it, live and afterwards, without the paths."""
    daemon = agentd(ACTOR).wait_ready()
    run_id = background(daemon, "hang", attachments=[
        data("four", name="a.txt", mime_type="text/plain"), {"type": "image", "url": URL}])
    wait_running(daemon)
    expected = [{"type": "file", "name": "a.txt", "mime_type": "text/plain", "bytes": 4}, {"type": "image", "url": URL}]
    assert record(daemon, run_id)["input_attachments"] == expected
    daemon.request("POST", f"/runs/{run_id}/cancel")
    assert wait_over(daemon, run_id)["input_attachments"] == expected
    kill(daemon)
    daemon = agentd(ACTOR).wait_ready()
    assert record(daemon, run_id)["input_attachments"] == expected == runs(daemon)[0]["input_attachments"]
