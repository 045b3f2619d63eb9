"""docs/interfaces.md, as somebody reads it who has a bot's token, or a number, and nothing else: the config of each platform
as it stands there, and all that is changed is where the platform is."""
import json
import re
import textwrap

import pytest

from conftest import BUILD, ROOT, run_agentd, wait_for
from discord_api import ANN as DISCORD_ANN
from discord_api import DIRECT, DiscordApi
from discord_api import TOKEN as DISCORD_TOKEN
from signal_api import SignalApi
from telegram_api import TOKEN as TELEGRAM_TOKEN
from telegram_api import TelegramApi


def config_of(title, *more):
    """The agent.conf of a section, with more lines for its interface, whose last line is the file's."""
    text = (ROOT / "docs" / "interfaces.md").read_text()
    section = text[text.index(f"\n## {title}\n") + 1:]
    block = re.search(r"```yaml agent.conf\n(.*?)```", section[:section.index("\n## ")], re.S).group(1)
    lines = textwrap.dedent(block).rstrip()
    return lines + "".join(f"\n    {line}" for line in more) + f"\nplugins: {{ path: [ {BUILD / 'plugins'} ] }}\n"


def checked(config, tmp_path):
    (tmp_path / "agent.conf").write_text(config)
    done = run_agentd("-t", "-c", "agent.conf", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    return config


@pytest.mark.parametrize("title, token, example, who, said", [
    ("Telegram", TELEGRAM_TOKEN, "12345678", "7", r"it is @test_bot \(123456\)"),
    ("Discord", DISCORD_TOKEN, "123456789012345678", DISCORD_ANN, "connected to Discord as robot")])
def test_from_a_token_to_a_bot(agentd, tmp_path, title, token, example, who, said):
    """The token in its file, the config, the line in the log; who is not on the list finds their number there."""
    api = TelegramApi() if title == "Telegram" else DiscordApi()
    base, texts = api.base, lambda: [m.get("text", m.get("content")) for m in list(api.sent if title == "Telegram" else api.messages)]
    write = ((lambda: api.say("hello")) if title == "Telegram" else
             (lambda: api.message("hello", guild=None, channel=DIRECT)))
    try:
        (tmp_path / f"{title.lower()}.token").write_text(token + "\n")
        config = checked(config_of(title, f"api_base: '{base}'"), tmp_path)
        assert f'"{example}"' in config
        daemon = agentd(config)
        daemon.wait_log(said)
        write()
        found = daemon.wait_log(r": \d+ \(.*\) in chat \d+ .*: not answered")["message"]
        number = re.search(r": (\d+) \(", found).group(1)
        assert number == who
        daemon.stop()
        daemon = agentd(checked(config.replace(example, number), tmp_path))
        wait_for("it to be ready", lambda: daemon.get("/interfaces").json["interfaces"][0]["state"] == "ready")
        write()
        wait_for("an answer", lambda: [t for t in texts() if isinstance(t, str)] == ["hello"])
    finally:
        daemon.stop()
        api.__exit__() if title == "Telegram" else api.stop()


def test_from_a_number_to_a_bot(agentd, tmp_path):
    """Signal: with an API of the mode that the example has."""
    api = SignalApi("native", accounts=["+4915112345678"])
    try:
        daemon = agentd(checked(config_of("Signal", f"api_base_url: {api.url}"), tmp_path))
        wait_for("it to receive", lambda: api.receives)
        for text, sender in (("no", "+4917700000000"), ("hello", "+4917712345678")):
            api.arrive(json.dumps({**api.envelope(text, sender=sender), "account": "+4915112345678"}))
        wait_for("an answer", lambda: api.texts() == ["hello"])
    finally:
        daemon.stop()
        api.stop()
