"""What plugins can read when it is replaced: in folders that lead to a hidden file a sandbox opens the files that are there,
so another of the same name needs other processes (daemon/proc/replaced.h)."""
import re
import shutil
import subprocess
import threading

import pytest

from conftest import plugin, wait_for
from line import Line
from test_sandbox import needs_landlock

pytestmark = needs_landlock
REPLACED = r"%s was replaced: plugins get new processes to read it$"


def text_of(config):
    return 'http: { listen: [ "127.0.0.1:0" ] }\n' + re.sub(r"PLUGIN\((\w+)\)", lambda m: plugin(m.group(1)), config)


@pytest.fixture
def tree(agentd, tmp_path):
    """tree(config, arguments) → a daemon whose config is in sub/, and beside that folder a file "data"."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "data").write_text("before")

    def start(config="agents: { a: { plugin: PLUGIN(actor) } }", *arguments):
        (tmp_path / "sub" / "agent.conf").write_text(text_of(config))
        return agentd(arguments=["-c", "sub/agent.conf", *arguments]).wait_ready()
    return start


def replace(path, text):
    """As most programs do: a new file in the place of the old one."""
    path.with_name(".new").write_text(text)
    path.with_name(".new").rename(path)


def told(daemon):
    """What agentd has said of files that were replaced, and new processes because of them."""
    return [message for message in daemon.messages() if "plugins get new processes" in message]


def generation(daemon, name="a"):
    return daemon.agent(name)["generation"]


def wait_read(daemon, path, text, agent="a"):
    wait_for(f"{path} to be read", lambda: daemon.run(f"read {path}", agent=agent).json["content"] == text)


def test_a_file_above_the_config(tree, tmp_path):
    """Bug: /etc/resolv.conf, once a DHCP client had replaced it, could not be read by plugins any more."""
    daemon = tree("agents: { a: { plugin: PLUGIN(actor) }, open: { plugin: PLUGIN(actor), allow: [ files ] } }\n"
                  "default_agent: a")
    wait_read(daemon, tmp_path / "data", "before")
    for i in range(3):
        replace(tmp_path / "data", f"after {i}")
        wait_read(daemon, tmp_path / "data", f"after {i}")
    daemon.wait_log(REPLACED % (tmp_path / "data"))
    assert generation(daemon) == 4 and generation(daemon, "open") == 1  # which had nothing hidden from it
    wait_for("the reason", lambda: "another one now" in (daemon.agent("a")["last_exit"] or {"reason": ""})["reason"])
    assert daemon.agent("a")["restarts"] == 0


@pytest.mark.parametrize("way", ["removed", "a link", "a folder", "its folder"])
def test_ways_to_be_replaced(tree, tmp_path, way):
    """Promise: so is one that was gone for a while, a link in whose place there is a file, and a folder."""
    other, path = tmp_path / "sub" / "folder", tmp_path / "data"
    other.mkdir()
    (other / "data").write_text("before")
    if way == "a link":
        path.unlink()
        path.symlink_to("sub/folder/data")
    elif way in ("a folder", "its folder"):
        path = other / "data"
    daemon = tree()
    wait_read(daemon, path, "before")
    if way == "removed":
        path.unlink()
        assert daemon.run(f"read {path}").json["content"] == "No such file or directory"
        path.write_text("after")
    elif way == "a link":
        replace(path, "after")
    else:
        folder = other if way == "a folder" else tmp_path / "sub"
        shutil.copytree(folder, tmp_path / "copy")
        (tmp_path / "copy" / path.relative_to(folder)).write_text("after")
        folder.rename(tmp_path / "old")
        (tmp_path / "copy").rename(folder)
    wait_read(daemon, path, "after")
    assert generation(daemon) == 2
    if way == "its folder":  # what is in the new one is known
        (tmp_path / "sub" / "beside").write_text("new, so it does not count")
        shutil.copytree(other, tmp_path / "copy")
        shutil.rmtree(other)
        (tmp_path / "copy").rename(other)
        wait_read(daemon, path, "after")
        assert told(daemon)[1] == f"{other} was replaced: plugins get new processes to read it"


def test_what_is_under_way_ends(tree, tmp_path):
    """Promise: a run in a process that is replaced ends there."""
    daemon = tree()
    pid = daemon.pid_of("a")
    run = daemon.start_run("timer 2000")
    wait_for("the run", lambda: daemon.load("a")[0] == 1)
    replace(tmp_path / "data", "after")
    wait_read(daemon, tmp_path / "data", "after")
    assert generation(daemon) == 2 and pid in daemon.agent("a")["pids"]
    assert run.getresponse().status == 200
    wait_for("the old process to be gone", lambda: pid not in daemon.agent("a")["pids"])


def test_interfaces_and_hooks(tree, tmp_path):
    """Promise: they get new processes as well, and nothing that is written meanwhile is lost."""
    line = Line()
    section = line.config("agent: a", "open: true", "hooks: [ gate ]")
    daemon = tree(f"agents: {{ a: {{ plugin: PLUGIN(actor) }} }}\ninterfaces: {{ tel: {section} }}\n"
                  "hooks: { gate: { plugin: PLUGIN(gate), tag: 1 } }")
    line.wait("UP")
    line.message("say one")
    assert [text for _, text in line.replies(1)] == ["one1"]
    replace(tmp_path / "data", "after")
    for i in range(10):
        line.message(f"say {i}")
    assert [text for _, text in line.replies(11)][1:] == [f"{i}1" for i in range(10)]
    for path in ("/interfaces/tel", "/hooks/gate"):
        wait_for(f"{path} to be another", lambda path=path: daemon.get(path).json["generation"] == 2)
    assert not [message for message in daemon.messages() if "does not get ready" in message]
    line.close()


WORKER = """
import json, sys
for line in sys.stdin:
    print(json.dumps({"type": "finish", "id": json.loads(line)["id"], "content": "one"}), flush=True)
"""


@pytest.mark.parametrize("arguments", [[], ["--dev"]])
def test_a_script_beside_the_config(tree, tmp_path, arguments):
    """Bug: after each edit that renames, also in dev mode, "the program could not be executed: Permission denied"."""
    scripts = [tmp_path / "sub" / "shot.sh", tmp_path / "sub" / "worker.py"]
    scripts[0].write_text("#!/bin/sh\necho one\n")
    scripts[0].chmod(0o755)
    scripts[1].write_text(WORKER)
    daemon = tree("agents:\n  shot: { plugin: exec, command: [ ./shot.sh ] }\n"
                  "  worker: { plugin: exec, command: [ python3, worker.py ], mode: worker }\n", *arguments)
    for agent in ("shot", "worker"):
        assert daemon.run("x", agent=agent).json["content"] == "one"
    subprocess.run(["sed", "-i", "s/one/two/", *scripts], check=True)
    daemon.wait_log(f"{tmp_path}/sub/shot.sh and 1 more were replaced: plugins get new processes to read them")
    for agent in ("shot", "worker"):
        wait_for("the new program", lambda agent=agent: daemon.run("x", agent=agent).json.get("content") == "two")
        assert generation(daemon, agent) == 2


def test_what_does_not_count(tree, tmp_path):
    """Promise: new names, links, plugins, what is hidden, histories and what editors leave are nothing to be replaced for."""
    shutil.copy(plugin("actor"), tmp_path / "actor.so")
    left = [tmp_path / "sub" / "agent.conf~", tmp_path / ".bash_history", tmp_path / "#data#"]
    for path in left:
        path.write_text("")
    (tmp_path / "link").symlink_to("data")
    config = f"agents: {{ a: {{ plugin: {tmp_path}/actor.so }} }}"
    daemon = tree(config)
    replace(tmp_path / "sub" / "agent.conf", text_of(config))
    for path in left:
        replace(path, "")
    replace(tmp_path / "new", "new")
    (tmp_path / "linked").symlink_to("new")
    (tmp_path / "linked").rename(tmp_path / "link")
    shutil.copy(plugin("actor"), tmp_path / "actor.so.new")
    (tmp_path / "actor.so.new").rename(tmp_path / "actor.so")
    replace(tmp_path / "data", "after")
    wait_read(daemon, tmp_path / "data", "after")
    assert told(daemon) == [f"{tmp_path}/data was replaced: plugins get new processes to read it"]
    assert daemon.run(f"read {tmp_path}/sub/agent.conf").json["content"] == "Permission denied"
    replace(tmp_path / "new", "newer")  # which the processes that there are now have found
    wait_read(daemon, tmp_path / "new", "newer")


def test_a_folder_of_everybody(tree, tmp_path):
    """Promise: what is right in a folder that everybody may write to does not count: strangers would keep agentd busy."""
    (tmp_path / "sub" / "other").write_text("before")
    tmp_path.chmod(0o1777)
    daemon = tree()
    replace(tmp_path / "data", "after")
    replace(tmp_path / "sub" / "other", "after")
    wait_read(daemon, tmp_path / "sub" / "other", "after")
    assert told(daemon) == [f"{tmp_path}/sub/other was replaced: plugins get new processes to read it"]


def test_a_new_name(tree, tmp_path):
    """Promise: one that came when there were processes counts when it is replaced: some may have been restarted since."""
    daemon = tree()
    (tmp_path / "late").write_text("before")
    assert daemon.run(f"read {tmp_path}/late").json["content"] == "Permission denied"
    daemon.request("POST", "/agents/a/restart")
    wait_read(daemon, tmp_path / "late", "before")

    def again():
        replace(tmp_path / "late", "after")
        return told(daemon)
    wait_for("it to be known", again)
    wait_read(daemon, tmp_path / "late", "after")


def test_a_reload_keeps_what_is_known(tree, tmp_path):
    """Promise: after a reload the same holds, and of the ways to what is hidden by then."""
    (tmp_path / "far").mkdir()
    for name in ("secret", "beside"):
        (tmp_path / "far" / name).write_text("before")
    daemon = tree()
    replace(tmp_path / "far" / "beside", "after")  # not on the way to anything
    replace(tmp_path / "sub" / "agent.conf", text_of(
        "name: ${file:../far/secret}\nagents: { a: { plugin: PLUGIN(actor) } }"))
    assert daemon.request("POST", "/reload").status == 200
    wait_read(daemon, tmp_path / "far" / "beside", "after")
    wait_for("the new process", lambda: generation(daemon) == 2)
    replace(tmp_path / "far" / "beside", "again")
    replace(tmp_path / "data", "again")
    for path in (tmp_path / "far" / "beside", tmp_path / "data"):
        wait_read(daemon, path, "again")
    assert generation(daemon) == 3 and len(told(daemon)) == 1


def test_a_folder_without_rest(tree, tmp_path):
    """Promise: what is replaced over and over gets no new processes over and over; others wait with it, but not for ever."""
    (tmp_path / "sub" / "other").write_text("before")
    daemon = tree()
    stop = threading.Event()

    def churn():
        while not stop.wait(0.02):
            replace(tmp_path / "data", "after")
    thread = threading.Thread(target=churn)
    thread.start()
    try:
        later = daemon.wait_log(r"data was replaced: plugins get new processes to read it in \d s, since", 30)
        assert later["level"] == "info" and generation(daemon) == 5
        replace(tmp_path / "sub" / "other", "after")
        wait_read(daemon, tmp_path / "sub" / "other", "after")
        wait_for("the next", lambda: len(told(daemon)) >= 7, 20)
    finally:
        stop.set()
        thread.join()
    assert generation(daemon) <= 7
    assert daemon.agent("a")["restarts"] == 0


def test_all_that_have_their_files_open(tree, tmp_path):
    """Promise: who has nothing hidden from it needs no other process."""
    daemon = tree("agents: { a: { plugin: PLUGIN(actor), allow: [ files ] } }")
    replace(tmp_path / "data", "after")
    assert daemon.run(f"read {tmp_path}/data").json["content"] == "after"
    assert not told(daemon) and generation(daemon) == 1
