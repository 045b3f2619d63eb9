"""The hooks that ship: log and allowlist, and the order in which hooks are called."""
import pytest

from conftest import wait_for
from signal_api import ANN, BOB, GROUP, ME, RECIPIENT, SignalApi


@pytest.fixture
def api():
    server = SignalApi()
    yield server
    server.stop()


@pytest.fixture
def chat(agentd, api):
    """chat(names, sections, agent) → a daemon with these hooks, in this order."""
    def start(names, sections, agent="echo"):
        daemon = agentd(f"""
            http: {{ listen: [ "127.0.0.1:0" ] }}
            agents:
              a: {{ plugin: PLUGIN({agent}) }}
            interfaces:
              phone:
                plugin: PLUGIN(signal)
                open: true
                hooks: [ {names} ]
                api_base_url: {api.url}
                phone_number: {ME}
                polling_interval: 20ms
            hooks:
              {sections}
        """)
        wait_for("it to receive", lambda: api.receives)
        return daemon
    return start


def stages(daemon, start=0):
    """What the log hook says."""
    return [m for m in daemon.messages()[start:] if " in chat " in m]


def test_log_has_a_line_for_each_stage(chat, api):
    """Who, where, how much and how long; not what people said."""
    daemon = chat("lines", "lines: { plugin: PLUGIN(log) }")
    api.say("my secret")
    wait_for("the answer", lambda: api.texts() == ["my secret"])
    wait_for("three lines", lambda: len(stages(daemon)) == 3)
    place = rf"user \{ANN} in chat \{ANN} of signal \(phone\), 9 bytes"
    daemon.wait_log(rf"message: {place}$")
    daemon.wait_log(rf"before the run: {place}, \d+ ms$")
    daemon.wait_log(rf"after the run: {place}, \d+ ms$")
    assert not any("my secret" in line for line in daemon.raw)


def test_log_shows_texts_if_told(chat, api):
    daemon = chat("lines", "lines: { plugin: PLUGIN(log), text: true }", agent="actor")
    api.say("say an answer", group=GROUP)
    daemon.wait_log(r"message: .* of signal \(phone\), 13 bytes: say an answer$")
    daemon.wait_log(r"after the run: .* in chat group\..*, 9 bytes, \d+ ms: an answer$")


def test_log_has_errors_as_warnings(chat, api):
    daemon = chat("lines", "lines: { plugin: PLUGIN(log), level: debug }", agent="actor")
    api.say("fail the fuse is out")
    line = daemon.wait_log(r"error: user .* ms: .*the fuse is out")
    assert line["level"] in ("warn", "warning")
    wait_for("the error_message", lambda: api.texts() == ["Sorry, something went wrong. Please try again."])


@pytest.mark.parametrize("level", ["info", "warn", "error"])
def test_log_has_the_level_it_is_told(chat, api, level):
    daemon = chat("lines", f"lines: {{ plugin: PLUGIN(log), level: {level} }}")
    api.say("hello")
    assert daemon.wait_log("^.*after the run: ")["level"].startswith(level)


def test_allowlist_answers_who_is_in_it_and_nobody_else(chat, api):
    daemon = chat("family", f'family: {{ plugin: PLUGIN(allowlist), allowed_user_ids: [ "{ANN}" ] }}')
    api.say("hello", sender=BOB)
    api.say("hello", sender=BOB, group=GROUP)
    api.say("hi", group=GROUP)
    api.say("end")
    wait_for("the answers", lambda: sorted(api.texts()) == ["end", "hi"])
    assert api.texts(RECIPIENT) == ["hi"]
    assert daemon.get("/health").status == 200


def test_allowlist_needs_its_list(check):
    result = check("""
        agents: { a: { plugin: PLUGIN(echo) } }
        hooks: { family: { plugin: PLUGIN(allowlist) } }
    """)
    assert result.returncode == 78 and "allowed_user_ids" in result.stderr


@pytest.mark.parametrize("order, lines", [("lines, family", 1), ("family, lines", 0)])
def test_the_order_of_hooks_is_the_config_s(chat, api, order, lines):
    """What one refuses, those behind it do not see; those before it did."""
    daemon = chat(order, f'family: {{ plugin: PLUGIN(allowlist), allowed_user_ids: [ "{ANN}" ] }}\n'
                         "              lines: { plugin: PLUGIN(log) }")
    api.say("refused", sender=BOB)
    api.say("answered")
    wait_for("the answer", lambda: api.texts() == ["answered"])
    wait_for("the last line", lambda: any(m.endswith("ms") and "after the run" in m for m in stages(daemon)))
    assert len([m for m in stages(daemon) if BOB in m]) == lines
    assert len([m for m in stages(daemon) if ANN in m]) == 3
