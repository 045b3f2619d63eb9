"""agent.conf and the command line: every mistake is said, at its place, and nothing starts on one."""
import json
import os
import re
import shutil
import socket
import subprocess
import textwrap

import pytest

from conftest import BUILD, ROOT, SANITIZED, errors, plugin, run_agentd, wait_for

GOOD = f"agents: {{ a: {{ plugin: {plugin('actor')} }} }}\n"


# Mistakes.

MISTAKES = """\
name: [ my, agents ]
deafult_agent: hello
default_agent: hallo
http:
  listen: [ "127.0.0.1:99999", "nowhere" ]
  max_body: lots
  keep_alive: 60
supervision: { pings: 1s }
log:
  level: verbose
agents:
  hello:
    plugin: PLUGIN(actor)
    concurrency: 0
    on_busy: rejct
    limits: { delta: 1G }
    number: 1000
    strt: never
    text: ${NOT_SET_ANYWHERE}
  missing: { timeout: 5s }
  away: { plugin: ./away.so }
"""
FOUND = """\
1: name: expected string, found a list
2: deafult_agent: unknown option; did you mean "default_agent"?
3: default_agent: there is no agent "hallo"; did you mean "hello"?
5: http.listen[0]: the port of "127.0.0.1:99999" is too large: at most 65535
5: http.listen[1]: "nowhere" is not an address
6: http.max_body: expected size (100, 64K, 1M, 2G), found "lots"
7: http.keep_alive: a duration needs a unit: say "60s", found "60"
8: supervision.pings: unknown option; did you mean "ping"?
10: log.level: expected one of error|warn|info|debug, found "verbose"
14: agents.hello.concurrency: must be between 1 and 100000, found "0"
15: agents.hello.on_busy: expected one of enqueue|reject|interrupt, found "rejct"; did you mean "reject"?
16: agents.hello.limits.delta: must be between 1 and 128K, found "1G"
17: agents.hello.number: must be between -10 and 100, found "1000"
18: agents.hello.strt: unknown option; did you mean "start"?
19: agents.hello.text: the environment variable NOT_SET_ANYWHERE is not set
20: agents.missing: the required option "plugin" is missing
21: agents.away.plugin: there is no file ./away.so
"""


@pytest.mark.parametrize("argument", ["-t", "--print-config", None])
def test_all_mistakes_are_said_at_once_each_at_its_place(check, argument):
    """Promise: as many lines as mistakes, core's and plugins', with file, line, path and a suggestion;
    nothing starts, and the exit code is 78."""
    got, expected = errors(check(MISTAKES, argument)), FOUND.splitlines()
    assert [line[:len("agent.conf:" + want)] for line, want in zip(got, expected)] == [
        "agent.conf:" + want for want in expected]
    assert len(got) == len(expected), got


@pytest.mark.parametrize("config, error", [
    ("agents:\n  a: { plugin: echo\n", r"agent\.conf:2:6: "),
    ("agents:\n\ta: { plugin: echo }\n", r"agent\.conf:2:1: a tab"),
    ("agents: { a: { plugin: echo } }\nname: *x y z\n", r'agent\.conf:2:7: .*must be quoted: "\*x y z"'),
    ("agents: { a: { plugin: echo } }\nagents: {}\n", r"agent\.conf:2: agents: said already on line 1"),
    ("- a\n", r"agent\.conf:1:1: expected lines"),
    ("", r"agent\.conf:1: nothing to run"),
    ("agents: {}\n", r"agent\.conf:1: agents: nothing to run"),
    ("agents: [ echo ]\n", r"agent\.conf:1: agents: must be a section"),
    ("agents: { a: echo }\n", r"agent\.conf:1: agents\.a: "),
    ("agents: { \"a b\": { plugin: echo } }\n", r"agent\.conf:1: agents\.a b: a name may have"),
    ("agents: { a: { plugin: nope } }\n",
     r"agent\.conf:1: agents\.a\.plugin: there is no nope\.so in \S+/plugins, \S+"),
    ("agents: { a: { plugin: echo.so } }\n",
     r'agent\.conf:1: agents\.a\.plugin: there is no file \S*echo\.so; did you mean the plugin "echo"\?$'),
    *[(GOOD + f'http: {{ hosts: [ ok.example, "{host}" ] }}\n', r"agent\.conf:2: http\.hosts\[1\]: .*is not the name of a host")
      for host in ("https://agents.example", "*.example", "::1", "", "a b")],
    ("plugins: { path: [ here, /there ] }\nagents: { a: { plugin: nope } }\n", r"agent\.conf:2: .* in here, /there$"),
    (GOOD + 'http: { listen: [ "0.0.0.0:0" ] }\n', r"agent\.conf:2: http\.listen\[0\]: .*allow_unauthenticated: true"),
    (GOOD + 'http: { listen: [ "[::]:0" ] }\n', r"agent\.conf:2: http\.listen\[0\]: .*allow_unauthenticated: true"),
    (GOOD + 'http: { listen: [ "example.org:0" ] }\n', r"agent\.conf:2: .*allow_unauthenticated: true"),
    *[(GOOD + f"http: {{ {option}: 1 }}\n", rf'agent\.conf:2: http\.{option}: unknown option; did you mean "listen"\?$')
      for option in ("port", "host", "address", "bind")],
    (GOOD + "log: { level: Warning }\n", r'agent\.conf:2: log\.level: .*; did you mean "warn"\?$'),
    (GOOD + 'http: { listen: [] }\n', r"agent\.conf:2: http.*http\.listen is empty"),
    (GOOD + 'http: { listen: [ "127.0.0.1:1", "127.0.0.1:1" ] }\n', r"agent\.conf:2: .*twice"),
    (GOOD + "supervision: { backoff_min: 2m, backoff_max: 1m }\n", r"agent\.conf:2: supervision.*backoff"),
    (GOOD + "name: ${file:/nowhere/at/all}\n", r"agent\.conf:2: name: \$\{file:/nowhere/at/all\}: No such file"),
    (GOOD + "name: ${BROKEN\n", r"agent\.conf:2: name: .*closing"),
    (GOOD + "dev: { build: [ make ] }\n", r"agent\.conf:2: dev\.build: .*dev\.sources"),
    (GOOD + "dev: { sources: [ src ] }\n", r"agent\.conf:2: dev\.sources: .*dev\.build"),
    (GOOD + "dev: { build: [ '' ], sources: [ src ] }\n", r"agent\.conf:2: dev\.build\[0\]: .*a command"),
    (GOOD + "include: nowhere.conf\n", r"agent\.conf:2: include: .*nowhere\.conf: No such file"),
    (GOOD + "include: agent.conf\n", r"agent\.conf:2: include: .*itself"),
])
def test_a_mistake_has_one_line_that_says_where_and_what(check, config, error):
    """Promise: one mistake, one line."""
    [line] = errors(check(config))
    assert re.search("^" + error, line), line


def test_a_section_may_be_empty(check):
    """Bug: a section whose every line was commented out (or that --print-config wrote) was refused."""
    config = GOOD + "".join(f"{name}:\n" for name in ("http", "store", "control", "plugins", "supervision", "log",
                                                      "dev"))
    result = check(config)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_config_that_is_missing_is_one_mistake(tmp_path):
    """Bug: a second line said that there was nothing to run in the file that is not there."""
    [line] = errors(run_agentd("-c", "nowhere.conf", cwd=tmp_path))
    assert line == "nowhere.conf: No such file or directory; write it, or name another with -c FILE"


# What a config may say.


def test_a_good_config_is_good(check):
    """Promise: -t loads every plugin, checks its options, and exits with 0."""
    result = check(GOOD)
    assert (result.returncode, result.stdout, result.stderr) == (0, "agent.conf is good\n", "")


@pytest.mark.parametrize("name", ["agent.conf"])
def test_the_config_that_ships_is_good(name):
    """Promise: what a user tries first works."""
    result = run_agentd("-t", "-c", str(ROOT / "conf" / name), cwd="/")
    assert result.returncode == 0, result.stderr


def test_values_come_from_the_environment_and_from_files(agentd, tmp_path):
    """Promise: ${NAME}, ${NAME:-x}, ${file:} without its last newline, and $${ for a literal ${."""
    (tmp_path / "secret").write_text("from a file\n")
    daemon = agentd("""
        agents:
          a:
            plugin: PLUGIN(actor)
            text: "${ONE}, ${TWO:-two}, $${THREE}"
            password: ${file:secret}
            number: ${NUMBER}
    """, env={"ONE": "first ${TWO}", "NUMBER": "42"}).wait_ready()
    lines = daemon.run("options").json["content"].splitlines()
    assert {"text=first ${TWO}, two, ${THREE}", "password=from a file", "number=42"} <= set(lines)


def test_a_config_may_include_others(agentd, tmp_path):
    """Promise: include takes patterns, in the order of their names; a path to a plugin is relative to
    the file that says it."""
    (tmp_path / "conf.d").mkdir()
    shutil.copy(plugin("actor"), tmp_path / "conf.d" / "mine.so")
    for name in ("one", "two"):
        (tmp_path / "conf.d" / f"{name}.conf").write_text(
            f"agents:\n  {name}: {{ plugin: ./mine.so, text: {name} }}\n")
    daemon = agentd("include: [ conf.d/*.conf ]\nagents: { zero: { plugin: conf.d/mine.so } }").wait_ready()
    assert [a["name"] for a in daemon.get("/agents").json["agents"]] == ["zero", "one", "two"]
    assert "text=two" in daemon.run("options", agent="two").json["content"]


def test_a_mistake_in_an_included_file_is_said_there(check):
    """Promise: file:line is the file that says it."""
    more = {"conf.d/more.conf": "# more\nlog: { levle: info }\n"}
    assert errors(check("include: conf.d/*.conf\n" + GOOD, **more)) == [
        'conf.d/more.conf:2: log.levle: unknown option; did you mean "level"?']


KEY = {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
       "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}  # RFC 7515, A.3


@pytest.mark.parametrize("file", ["agent.conf", "conf.d/more.conf", "keys/f"])
def test_a_file_that_others_may_write_is_noted(check, tmp_path, file):
    """Who can write it has agentd do what they like: one line says which file, and the remedy. A group that is root's or
    agentd's own may: that is what a umask of 002 makes."""
    parts = {"conf.d/more.conf": "name: x\n", "keys/f": json.dumps({"keys": [KEY]})}
    config = "include: [ conf.d/*.conf ]\n" + GOOD + "http: { auth: s }\nauth: { s: { type: jwt, algorithms: [ ES256 ], jwks_file: keys/f } }\n"
    assert check(config, **parts).returncode == 0
    for mode, group, good in ((0o666, None, False), (0o602, None, False), (0o664, None, True), (0o664, 12345, False), (0o640, 12345, True)):
        if group and os.geteuid() != 0:
            continue
        if group:
            os.chown(tmp_path / file, -1, group)
        os.chmod(tmp_path / file, mode)
        result = run_agentd("-t", "-c", "agent.conf", cwd=tmp_path)
        said = "" if good else f"{tmp_path / file}: others may write it (mode {mode:04o}), and so do as they like; try chmod go-w\n"
        assert (result.returncode, result.stderr) == (0, said)


SHOWN = {"an option": "agents: { a: { plugin: PLUGIN(actor), password: hunter2 } }", "a webhook": GOOD + "webhooks: { w: { path: /w, signature: "
         "github, secret: [ \"${S}\", hunter2 ] } }", "a provider": GOOD + "http: { auth: s }\nauth: { s: { type: jwt, algorithms: [ HS256 ], "
         "secret: \"hunter2-and-so-on-until-it-is-long-enough\" } }"}


@pytest.mark.parametrize("what", SHOWN)
def test_a_secret_that_everybody_may_read_is_noted(check, tmp_path, what):
    """One note of each file, and only if the secret itself stands there; nothing of it is shown."""
    places = {"an option": "agents.a.password", "a webhook": "webhooks.w.secret[1]", "a provider": "auth.s.secret"}
    environment = {"S": "hunter2-and-so-on-until-it-is-long-enough"}
    check(SHOWN[what], env=environment)
    for text, mode, noted in ((SHOWN[what], 0o644, True), (SHOWN[what], 0o640, False),
                              (re.sub(r'"?hunter2[a-z-]*"?', '"${S}"', SHOWN[what]), 0o644, False)):
        (tmp_path / "agent.conf").write_text(text.replace("PLUGIN(actor)", plugin("actor")))
        os.chmod(tmp_path / "agent.conf", mode)
        result = run_agentd("-t", "-c", "agent.conf", cwd=tmp_path, env=environment)
        said = f"agent.conf: everybody may read it (mode 0644), and it has a secret: {places[what]}; try chmod o-r\n"
        assert (result.returncode, result.stderr) == (0, said if noted else "")


def test_plugins_are_found_by_name_in_their_path(agentd, tmp_path):
    """Promise: `plugin: NAME` is NAME.so in plugins.path, which is relative to the config."""
    (tmp_path / "lib").mkdir()
    shutil.copy(plugin("actor"), tmp_path / "lib" / "mine.so")
    daemon = agentd("plugins: { path: [ elsewhere, lib ] }\nagents: { a: { plugin: mine } }").wait_ready()
    assert daemon.run("say hello").json["content"] == "hello"


# --print-config.

FULL = """\
name: "my ${NAME}"
agents:
  a:
    plugin: PLUGIN(actor)
    timeout: 90s
    limits: { files: 64 }
    text: "a \\"quoted\\" $${literal} ü: #"
    real: 2.25
    password: hunter2
    names: [ x, "y, z", "" ]
    pairs: { k: v, "a: b": "$${c}" }
    shape: { a: [ 1, 2.5, null, true, "x", "$${y}" ] }
"""


def test_print_config_shows_all_settings_and_no_secret(check):
    """Promise: effective settings, defaults too; secrets are ***."""
    result = check(FULL, "--print-config", env={"NAME": "agents"})
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    for line in ('name: "my agents"', "  max_body: 1M", "  ready: 30s", "    timeout: 90s", "    concurrency: 64",
                 "      files: 64", "      delta: 64K", "    number: 7", "    wait: 1500ms", '    password: "***"'):
        assert line in lines, result.stdout
    assert "hunter2" not in result.stdout


def test_print_config_prints_a_config(check):
    """Promise: the output is a config with the same settings, once the secrets are filled in."""
    first = check(FULL, "--print-config", env={"NAME": "agents"}).stdout
    again = check(first.replace("***", "hunter2"), "--print-config")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.replace("hunter2", "***") == first


def test_print_config_of_included_files_prints_a_config(check, tmp_path):
    """Bug class: a path that is relative to an included file, printed as if it stood at the top."""
    (tmp_path / "conf.d").mkdir()
    shutil.copy(plugin("actor"), tmp_path / "conf.d" / "mine.so")
    first = check("include: conf.d/a.conf\n", "--print-config",
                  **{"conf.d/a.conf": "agents: { a: { plugin: ./mine.so } }\n"})
    assert first.returncode == 0
    assert check(first.stdout).returncode == 0


# The command line.


def test_a_shipped_plugin_serves_without_a_config(agentd):
    """Promise: `agentd echo` is the original's agent.serve() in one line."""
    daemon = agentd(arguments=["--listen", "127.0.0.1:0", "echo"]).wait_ready()
    assert daemon.run("hi").json["content"] == "hi"
    assert daemon.get("/health").json == {"status": "ok", "agent": "echo"}


def test_plugin_files_serve_without_a_config_and_the_first_is_the_default(agentd, tmp_path):
    """Promise: `agentd ./x.so y` serves both, under their files' names."""
    shutil.copy(plugin("actor"), tmp_path / "x.so")
    daemon = agentd(arguments=["--listen", "127.0.0.1:0", "./x.so", "echo"]).wait_ready()
    assert daemon.run("say from x").json["agent"] == "x"
    assert daemon.run("hi", agent="echo").json["content"] == "hi"
    assert daemon.get("/health").json["agent"] == "x"


@pytest.mark.parametrize("arguments, code, why", [
    (["--nope"], 64, "nope"),
    (["-x"], 64, "x"),
    (["-c"], 64, "requires an argument"),
    (["--probe"], 64, "requires an argument"),
    (["--listen", "127.0.0.1:0"], 64, "--listen goes with plugins"),
    (["--listen", "127.0.0.1:0", "-c", "agent.conf"], 64, "--listen goes with plugins"),
    (["-c", "agent.conf", "echo"], 64, "exclude each other"),
    (["echo", "echo"], 78, 'two plugins are called "echo"'),
    (["./away.so"], 78, "there is no file ./away.so"),
    (["away"], 78, "there is no away.so in "),
    (["ehco"], 78, '/plugins; did you mean "echo"?'),
    (["--listen", "0.0.0.0:0", "echo"], 78, '--listen: "0.0.0.0:0" can be reached from other machines'),
    (["--listen", "nonsense", "echo"], 78, '--listen: "nonsense" is not an address'),
])
def test_a_wrong_command_line_is_refused(tmp_path, arguments, code, why):
    """Promise: usage errors exit with 64 and point to --help; what is wrong with a plugin, with 78."""
    result = run_agentd(*arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (code, "")
    assert why in result.stderr
    assert ("agentd --help" in result.stderr) == (code == 64)
    assert code == 64 or len(result.stderr.splitlines()) == 1, result.stderr


def test_help_and_version(tmp_path):
    """Promise: -h and -v go to stdout, and exit with 0."""
    for option in ("-h", "--help"):
        result = run_agentd(option, cwd=tmp_path)
        assert (result.returncode, result.stderr) == (0, "") and result.stdout.startswith("usage: agentd ")
        for word in ("--config", "--test", "--print-config", "--listen", "--probe", "--dev", "--version"):
            assert word in result.stdout
    for option in ("-v", "--version"):
        result = run_agentd(option, cwd=tmp_path)
        assert (result.returncode, result.stderr) == (0, "")
        assert re.fullmatch(r"agentd \d+\.\d+\.\d+\n", result.stdout)


def test_probe_shows_what_a_plugin_is_and_its_options(tmp_path):
    """Promise: --probe prints the option table for people."""
    result = run_agentd("--probe", plugin("actor"), cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    lines = [re.sub(" +", " ", line.strip()) for line in result.stdout.splitlines()]
    assert lines[0] == "actor 1.2.3: does what its input says"
    assert lines[1] == "kind: agent, ABI 1"
    assert any(re.fullmatch(r"start string: ready\|later\|.*, default ready", line) for line in lines)
    assert "what open does" in lines
    assert "number whole number, default 7, from -10 to 100" in lines
    assert "password secret" in lines
    assert ", default 30s, from 1s to 50s\n" in run_agentd("--probe", "telegram", cwd=tmp_path).stdout


@pytest.mark.parametrize("word", ["echo", "echo.so"])
def test_a_probe_finds_what_ships_by_its_name(tmp_path, word):
    """Promise: --probe takes a name as `plugin:` does, unless there is such a file."""
    result = run_agentd("--probe", word, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "") and result.stdout.startswith("echo ")
    (tmp_path / word).write_text("no plugin\n")
    assert run_agentd("--probe", word, cwd=tmp_path).returncode == 78


@pytest.mark.parametrize("name, why", [("text.so", "cannot be loaded"), ("away.so", "No such file")])
def test_a_probe_of_what_is_no_plugin_is_refused(tmp_path, name, why):
    """Promise: --probe of something else exits with 78 and says why."""
    (tmp_path / "text.so").write_text("hello\n")
    result = run_agentd("--probe", name, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (78, "")
    assert re.fullmatch(rf"agentd: {name}: .*{why}.*\n", result.stderr)


def test_a_plugin_is_shown_without_what_a_terminal_would_obey(tmp_path):
    """Attack: a plugin's description was printed as it is: it could clear the screen, hide lines, or forge some."""
    result = run_agentd("--probe", str(BUILD / "tests" / "zoo" / "vivid.so"), cwd=tmp_path)
    assert result.returncode == 0
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", result.stdout)
    assert "red| [32m| 33m|\ufffd, default red" in result.stdout
    assert "which [8m hides this: a line of its own\n" in result.stdout


def test_a_port_in_use_is_said_and_exits_with_69(tmp_path):
    """Promise: exit code 69: cannot bind. No host is left."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run_agentd("--listen", f"127.0.0.1:{port}", "echo", cwd=tmp_path)
    assert result.returncode == 69
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use; stop what has it, or name" in result.stderr


@pytest.mark.parametrize("listen", ['"0.0.0.0:0"', '"[::]:0"'])
def test_who_says_so_may_listen_beyond_this_machine(check, listen):
    """Promise: allow_unauthenticated: true is the only way to it (-t binds nothing)."""
    assert check(GOOD + f"http: {{ listen: [ {listen} ], allow_unauthenticated: true }}\n").returncode == 0


# The banner, and the log.


def test_the_banner_says_what_was_loaded(agentd):
    """Promise: name, agents with plugin, version and file, where sessions are, address, auth."""
    daemon = agentd("""
        name: my-agents
        default_agent: two
        agents:
          one: { plugin: PLUGIN(actor) }
          two: { plugin: echo }
    """)
    assert daemon.wait_log(r'^agentd \d\S* serves "my-agents" \(pid \d+\)$')["message"].endswith(f"(pid {daemon.pid})")
    daemon.wait_log(rf"^agent one: actor 1\.2\.3 from {plugin('actor')}$")
    daemon.wait_log(r"^agent two: echo \S+ from \S+/plugins/echo\.so \(default\)$")
    daemon.wait_log(r"runs and sessions are kept in \S+/state/agentd/agentd\.db")
    daemon.wait_log(r"^listening on http://127\.0\.0\.1:\d+ \(no auth\)$")


def test_the_log_may_be_json_or_text(agentd):
    """Promise: log.format; into a pipe `auto` is JSON, one object a line."""
    for form in ("auto", "json"):
        daemon = agentd(f"log: {{ format: {form} }}\nagents: {{ a: {{ plugin: PLUGIN(actor) }} }}").wait_ready()
        for line in map(json.loads, list(daemon.raw)):
            assert {"time", "level", "message"} <= line.keys()
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    daemon = agentd("log: { format: text }\nagents: { a: { plugin: PLUGIN(actor) } }").wait_ready()
    daemon.run("print two\u001b[31m words\u0007")
    daemon.wait_log(r'^\S+Z info  two\\x1b\[31m words\\x07 from="agent a"$')
    assert all(re.match(r"\d{4}-\d\d-\d\dT\S+Z (info |warn |error) \S", line) for line in list(daemon.raw))


@pytest.mark.parametrize("level, seen", [("error", set()), ("info", {"info"}), ("debug", {"info", "debug"})])
def test_the_level_is_the_least_that_is_shown(tmp_path, agentd, level, seen):
    """Promise: log.level; an error is always shown."""
    address = tmp_path / "sock"
    daemon = agentd(f"""
        http: {{ listen: [ "unix:{address}" ] }}
        log: {{ level: {level} }}
        agents: {{ a: {{ plugin: PLUGIN(actor), start: exit78 }} }}
    """, listening=False)
    if not SANITIZED:  # a leak check has its own exit code
        daemon.wait_log("not started again")
    wait_for("the socket", address.exists)
    daemon.terminate()
    assert daemon.wait() == 0
    assert {line["level"] for line in daemon.log} - {"error", "warn"} == seen


def test_a_request_has_a_line_unless_told_otherwise(agentd):
    """Promise: log.access."""
    for access, count in (("true", 1), ("false", 0)):
        daemon = agentd(f"log: {{ access: {access} }}\nagents: {{ a: {{ plugin: PLUGIN(actor) }} }}").wait_ready()
        daemon.run("say hello")
        daemon.terminate()
        assert daemon.wait() == 0
        assert sum("POST /run" in message for message in daemon.messages()) == count


@pytest.mark.parametrize("argument", ["-t", "--print-config", "--version", "--help"])
def test_what_cannot_be_written(check, tmp_path, argument):
    """Promise: on a full disk it is said, and no success: a config would be cut."""
    check(GOOD)
    file = [] if argument in ("--version", "--help") else ["-c", "agent.conf"]
    with open("/dev/full", "w") as full:
        done = subprocess.run([BUILD / "agentd", *file, argument], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (71, "agentd: cannot write to standard output\n")
