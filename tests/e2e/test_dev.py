"""agentd --dev: what is watched, what is built, and when; what a reload does then is test_reload's."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, errors, plugin, run_agentd, wait_for

# What a build does: "sources" says it, a shell command.
BUILD = """
    http: { listen: [ "127.0.0.1:0" ] }
    plugins: { dir: plugins }
    dev: { build: [ sh, src/build.sh ], sources: [ src ] }
"""


def changed(daemon, name):
    """How often a reload was asked for because of that."""
    return sum(f"{name} has changed; " in message or f"{name} has changed:" in message for message in daemon.messages())


@pytest.fixture
def dev(agentd, tmp_path):
    """dev(config, script): an agentd in dev mode with a drop-in folder, and src/build.sh."""
    def start(config=BUILD, script="true"):
        for name in ("plugins", "src"):
            (tmp_path / name).mkdir(exist_ok=True)
        shutil.copy(plugin("actor"), tmp_path / "plugins" / "a.so")
        write(tmp_path / "src" / "build.sh", script)
        return agentd(config, ["--dev"])
    return start


def write(path, text):
    """As most programs do: a new file in the place of the old one."""
    path.with_name(".new").write_text(text)
    path.with_name(".new").rename(path)


def builds(daemon):
    """How many builds were begun."""
    return sum(message.startswith("build: sh ") for message in daemon.messages())


def failure(daemon):
    return daemon.get("/openapi.json").json["x-dev"]["build_failure"]


def test_what_dev_mode_is(dev, agentd):
    """It says so, and /docs is there, whatever http.docs says; without --dev the same config is as any other."""
    config = BUILD.replace("listen:", "docs: false, listen:")
    daemon = dev(config)
    daemon.wait_log(r"^dev mode: config and plugins are watched \(2 files\)$")
    daemon.wait_log(r"^dev mode: sources are watched \(1 file\), and built when they change$")
    said = daemon.wait_log(r"^dev mode: the API can be tried at http://127\.0\.0\.1:\d+/docs$")["message"]
    assert said.endswith(f":{daemon.address[1]}/docs")
    assert daemon.get("/docs").status == 200 and failure(daemon) is None
    daemon.stop()
    daemon = agentd(config)
    assert daemon.get("/docs").status == 404
    assert not any("dev mode" in message for message in daemon.messages())
    daemon.stop()
    daemon = agentd(config.replace("docs: false", "docs: true"))
    assert "x-dev" not in daemon.get("/openapi.json").json


def test_plugins_and_config_are_watched(dev, tmp_path):
    """Of plugins those that are named, and those of the drop-in folder; of the config all that it is made of."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "secret").write_text("one")
    shutil.copy(plugin("actor"), tmp_path / "named.so")
    daemon = dev("""
        include: [ conf.d/*.conf ]
        name: ${file:secret}
        plugins: { dir: plugins }
        agents: { n: { plugin: ./named.so } }
        default_agent: n
    """)
    for path in ("plugins/a.so", "plugins/b.so", "named.so", "conf.d/new.conf", "secret", "agent.conf"):
        write(tmp_path / path, (tmp_path / path).read_text(errors="ignore") if path == "agent.conf" else "{}")
        daemon.wait_log(rf"(/|^){path} has changed")
    (tmp_path / "plugins" / "a.so").unlink()
    wait_for("its end to be seen", lambda: changed(daemon, "plugins/a.so") == 2)


def test_plugins_of_the_command_line_are_watched(agentd, tmp_path):
    """`agentd --dev ./hello.so`."""
    shutil.copy(plugin("actor"), tmp_path / "a.so")
    daemon = agentd(arguments=["--dev", "--listen", "127.0.0.1:0", "./a.so"]).wait_ready()
    daemon.wait_log(r"^dev mode: config and plugins are watched \(1 file\)$")
    write(tmp_path / "a.so", "x")
    daemon.wait_log(r"^\./a\.so has changed")
    assert daemon.run("say on").json["content"] == "on"


def test_watch_false(dev, tmp_path):
    """Then nothing is, but for names in the folders that lead to hidden files (test_replaced.py)."""
    daemon = dev(BUILD.replace("dev: {", "dev: { watch: false,"))
    daemon.wait_log(r"^dev mode; nothing is watched")
    fds = [os.readlink(fd) for fd in Path(f"/proc/{daemon.pid}/fd").iterdir() if fd.is_symlink()]
    watchers = [fd for fd in Path(f"/proc/{daemon.pid}/fdinfo").iterdir()
                if set(re.findall(r"inotify wd.* mask:(\w+)", fd.read_text())) - {"180"}]  # IN_CREATE, IN_MOVED_TO
    assert any("inotify" in fd for fd in fds) and not watchers


def test_a_build_whose_plugin_is_served(dev, tmp_path):
    """Promise: save a .c file, and what it builds is loaded. A compiler's errors are in the log, and kept until it is
    mended; what was served goes on."""
    source = tmp_path / "src" / "hello.c"
    (tmp_path / "src").mkdir()
    shutil.copy(ROOT / "tests" / "plugins" / "actor.c", source)
    daemon = dev(script=f"cc -w -shared -fPIC -fvisibility=hidden -I{ROOT}/include -o plugins/a.so src/hello.c")
    daemon.wait_ready()
    good = source.read_text()
    write(source, good.replace("#include", "this is no C;\n#include", 1))
    line = daemon.wait_log("^build: exited with code 1")
    assert line["level"] == "error" and "src/hello.c:" in line["message"] and "error" in line["message"]
    assert any("error" in line["message"] and line.get("from") == "build" for line in daemon.log)
    told = failure(daemon)
    assert told["reason"] == "exited with code 1" and told["command"] == "sh src/build.sh" and "hello.c" in told["output"]
    assert daemon.run("say on").json["content"] == "on" and not changed(daemon, "a.so")
    assert "unknown act" in daemon.run("other").json["detail"]
    write(source, good.replace('"unknown act"', '"what the new build says"'))
    daemon.wait_log("^build: done")
    daemon.wait_log(r"plugins/a\.so has changed")
    wait_for("the new build to answer", lambda: "what the new build says" in daemon.run("other").json["detail"])
    assert daemon.agent("a")["generation"] == 2
    assert failure(daemon) is None and builds(daemon) == 2


FIRST = BUILD + "    agents: { b: { plugin: ./lib/b.so } }\n"


def test_what_is_not_there_is_built_first(dev, tmp_path):
    """Promise: agentd starts from sources alone; what is there is not built again at the start."""
    daemon = dev(FIRST, f"mkdir -p lib; cp {plugin('actor')} lib/b.so").wait_ready("b")
    [line] = [line for line in daemon.raw if "build: sh" in line]  # not JSON: no config has said so yet
    assert line.endswith("info  build: sh src/build.sh (the plugin of agent b is not there yet)")
    assert daemon.run("say hello", agent="b").json["content"] == "hello"
    daemon.stop()
    daemon = dev(FIRST).wait_ready("b")
    assert not [line for line in daemon.raw if "build: sh" in line]


def test_a_first_build_that_fails(tmp_path):
    """78, and both are said: what the compiler says, and what is missing."""
    (tmp_path / "src").mkdir()
    (tmp_path / "plugins").mkdir()
    (tmp_path / "src" / "build.sh").write_text("echo hello.c:1: no C; exit 3")
    (tmp_path / "agent.conf").write_text(FIRST)
    result = run_agentd("-c", "agent.conf", "--dev", cwd=tmp_path)
    assert result.returncode == 78
    assert "hello.c:1: no C" in result.stderr and "exited with code 3" in result.stderr
    [error] = [line for line in result.stderr.splitlines() if line.startswith("agent.conf:")]
    assert "agents.b.plugin" in error and "lib/b.so" in error


def test_what_a_failed_build_takes_away_is_not_missed(dev, tmp_path):
    """Bug class: a linker that fails deletes its output, and with it went what was served. The next success counts."""
    daemon = dev(script="rm -f plugins/a.so; exit 1").wait_ready()
    (tmp_path / "src" / "x.c").touch()
    daemon.wait_log("^build: exited with code 1")
    write(tmp_path / "agent.conf", (tmp_path / "agent.conf").read_text() + "# more\n")
    daemon.wait_log(r"agent\.conf has changed")  # it is looked at after what was before
    assert not changed(daemon, "a.so")
    write(tmp_path / "src" / "build.sh", f"cp {plugin('actor')} plugins/a.so")
    daemon.wait_log(r"plugins/a\.so has changed")


def test_reloads_wait_for_a_build(dev, tmp_path):
    """What is half built is not loaded, and neither is a config that may go with it."""
    daemon = dev(script="rm plugins/a.so; touch begun; while ! [ -e go ]; do sleep 0.01; done; "
                        f"cp {plugin('actor')} plugins/a.so")
    write(tmp_path / "src" / "x.c", "")
    wait_for("the build", (tmp_path / "begun").exists)
    write(tmp_path / "agent.conf", (tmp_path / "agent.conf").read_text() + "# more\n")
    write(tmp_path / "src" / "y.c", "")  # both are seen by the time that another build begins
    (tmp_path / "go").touch()
    daemon.wait_log(r"agent\.conf has changed")
    assert builds(daemon) == 2
    messages = daemon.messages()
    last = max(i for i, message in enumerate(messages) if message.startswith("build: done"))
    assert not any("has changed;" in message for message in messages[:last])


def test_a_build_that_changes_its_sources(dev, tmp_path):
    """It is not followed by another for ever; a change from outside is."""
    daemon = dev(script="date +%N > src/made.h; echo >> src/made.h")
    write(tmp_path / "src" / "x.c", "")
    daemon.wait_log("^build: src/made.h has changed, as during the 2 builds before: it is not followed by another")
    assert builds(daemon) == 3
    write(tmp_path / "src" / "x.c", "more")
    wait_for("a build", lambda: builds(daemon) == 6)


def test_a_build_ends_with_agentd(dev, tmp_path):
    """With all that it has started."""
    daemon = dev(script="sleep 1000 & echo $! > pid.new; mv pid.new pid; wait")
    write(tmp_path / "src" / "x.c", "")
    wait_for("the build", (tmp_path / "pid").exists)
    sleeper = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}")
    assert sleeper.exists()
    daemon.terminate()
    assert daemon.wait() == 0
    wait_for("it to be gone", lambda: not sleeper.exists() or ") Z " in (sleeper / "stat").read_text())


def test_the_death_of_an_agent_ends_no_build(dev, tmp_path):
    """Bug: whatever agentd had started besides hosts was taken for what a dead host had left behind."""
    daemon = dev(script="touch begun; while ! [ -e go ]; do sleep 0.01; done").wait_ready()
    write(tmp_path / "src" / "x.c", "")
    wait_for("the build", (tmp_path / "begun").exists)
    daemon.run("crash")
    daemon.wait_log("agent a: killed by SIG.*; restart")
    (tmp_path / "go").touch()
    daemon.wait_log("^build: done")


def test_sources_that_are_not_there(check):
    """A mistake in dev mode. Elsewhere the same config serves without them."""
    config = 'agents: { a: { plugin: PLUGIN(actor) } }\ndev:\n  build: [ make ]\n  sources:\n    - gone\n'
    assert check(config).returncode == 0
    assert errors(check(config, "-t", "--dev")) == ["agent.conf:5: dev.sources[0]: gone: No such file or directory"]


def test_sources_are_relative_to_the_file_that_says_them(agentd, tmp_path):
    """And the command runs in the folder of the config."""
    for name in ("etc/conf.d/src", "etc/src"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc" / "agent.conf").write_text("include: conf.d/dev.conf\nhttp: { listen: [ '127.0.0.1:0' ] }\n"
                                                 "agents: { echo: { plugin: echo } }\n")
    (tmp_path / "etc" / "conf.d" / "dev.conf").write_text("dev: { build: [ pwd ], sources: [ src ] }\n")
    daemon = agentd(arguments=["--dev", "-c", "etc/agent.conf"])
    (tmp_path / "etc" / "conf.d" / "src" / "x.c").touch()
    daemon.wait_log("^build: done")
    assert any(line["message"] == str(tmp_path / "etc") and line.get("from") == "build" for line in daemon.log)
